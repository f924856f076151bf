import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TimeoutException;

/** The producers and consumers of a load, each a thread that makes its clients, works, and is run again when it fails. */
final class Workers {
    /** A header of each record in a transaction: {@code id/number/records in the transaction}. */
    static final String TRANSACTION = "maxbrod-transaction";
    /** A header of each record of a chain: {@code topic-partition@offset} that it was made from. */
    static final String SOURCE = "maxbrod-source";

    abstract static class Worker {
        final String name;
        final Load load;
        final Random random;
        /** Whether it has done something once. */
        volatile boolean flows;

        Worker(String name, Load load) {
            this.name = name;
            this.load = load;
            random = new Random(name.hashCode() ^ System.nanoTime());
        }

        abstract void run() throws Exception;
    }

    static List<Worker> of(Load load) {
        List<Worker> workers = new ArrayList<>();
        load.request.get("transactional").forEach(spec -> workers.add(new Transactional(load, spec)));
        load.request.get("chains").forEach(spec -> workers.add(new Chain(load, spec)));
        load.request.get("plain").forEach(spec -> workers.add(new Plain(load, spec)));
        load.request.get("compacted").forEach(spec -> workers.add(new Compacted(load, spec)));
        load.request.get("groups").forEach(spec -> workers.add(new Group(load, spec)));
        load.request.get("delete_records").forEach(spec -> workers.add(new Deletions(load, spec)));
        return workers;
    }

    /** Runs transactions and logs how each ended. */
    private abstract static class TransactionRunner extends Worker {
        final String id;
        /** Goes on above what an earlier load with the same id counted. */
        private long number = System.currentTimeMillis() * 1_000;

        TransactionRunner(Load load, String id) {
            super(id, load);
            this.id = id;
        }

        interface Body {
            /** Sends what else belongs into the transaction. */
            void run() throws Exception;
        }

        KafkaProducer<byte[], byte[]> producer(String codec) {
            KafkaProducer<byte[], byte[]> producer = Clients.producer(load.request, Map.of(
                    "transactional.id", id, "transaction.timeout.ms", 30_000, "compression.type", codec));
            try {
                producer.initTransactions();
            } catch (RuntimeException failure) {
                producer.close(Duration.ofSeconds(1));
                throw failure;
            }
            return producer;
        }

        /** Writes {@code records} in one transaction; throws if it ended otherwise than asked. */
        void transact(
                KafkaProducer<byte[], byte[]> producer,
                List<ProducerRecord<byte[], byte[]>> records,
                boolean abort,
                Body body)
                throws Exception {
            String tag = id + "/" + number++ + "/" + records.size();
            Acknowledgements.Transaction known = load.acknowledgements.transaction(tag);
            char outcome = 'X';
            producer.beginTransaction();
            try {
                for (ProducerRecord<byte[], byte[]> record : records) {
                    record.headers().add(TRANSACTION, tag.getBytes(StandardCharsets.UTF_8));
                    long sent = System.nanoTime();
                    producer.send(record, (where, failure) -> {
                        if (failure == null) {
                            load.acknowledgedAfter(sent);
                            known.acknowledged(record, where);
                        }
                    });
                }
                body.run();
                if (abort) {
                    producer.flush();
                    producer.abortTransaction();
                    load.aborted.incrementAndGet();
                } else {
                    outcome = 'U';
                    producer.commitTransaction();
                    outcome = 'C';
                    load.committed.incrementAndGet();
                }
            } catch (TimeoutException undecided) {
                // The coordinator may have decided to commit; a new producer with this id waits for the end.
                throw undecided;
            } catch (Exception failure) {
                if (outcome == 'U') {
                    // Fails if the producer is fenced or the decision was made.
                    producer.abortTransaction();
                    outcome = 'X';
                }
                throw failure;
            } finally {
                known.ended(outcome);
            }
        }
    }

    private static final class Transactional extends TransactionRunner {
        private final JsonNode spec;

        Transactional(Load load, JsonNode spec) {
            super(load, spec.get("id").asText());
            this.spec = spec;
        }

        @Override
        void run() throws Exception {
            KafkaProducer<byte[], byte[]> producer = producer(spec.get("codec").asText());
            List<String> topics = Clients.strings(spec.get("topics"));
            int count = spec.get("records").asInt();
            try {
                while (!load.isStopping()) {
                    load.pace(count);
                    List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
                    for (int index = 0; index < count; index++) {
                        String topic = topics.get(random.nextInt(topics.size()));
                        records.add(Records.any(load, random, topic, producer.partitionsFor(topic).size()));
                    }
                    boolean abort = random.nextInt(100) < spec.get("abort_percent").asInt();
                    transact(producer, records, abort, () -> {});
                    flows = true;
                }
            } finally {
                producer.close(Duration.ofSeconds(5));
            }
        }
    }

    private static final class Chain extends TransactionRunner {
        private final JsonNode spec;

        Chain(Load load, JsonNode spec) {
            super(load, spec.get("id").asText());
            this.spec = spec;
        }

        @Override
        void run() throws Exception {
            Map<String, Object> settings = Map.of(
                    "group.id", spec.get("group").asText(),
                    "isolation.level", "read_committed",
                    "max.poll.records", 50);
            // The producer first: what an earlier one left undecided is decided before offsets are fetched.
            KafkaProducer<byte[], byte[]> producer = producer("lz4");
            try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(load.request, settings)) {
                consumer.subscribe(List.of(spec.get("from").asText()));
                while (!load.isStopping()) {
                    ConsumerRecords<byte[], byte[]> inputs = consumer.poll(Duration.ofMillis(200));
                    if (!inputs.isEmpty()) {
                        forward(producer, consumer, inputs);
                        flows = true;
                    }
                }
            } finally {
                producer.close(Duration.ofSeconds(5));
            }
        }

        private void forward(
                KafkaProducer<byte[], byte[]> producer,
                KafkaConsumer<byte[], byte[]> consumer,
                ConsumerRecords<byte[], byte[]> inputs)
                throws Exception {
            Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
            List<ProducerRecord<byte[], byte[]>> outputs = new ArrayList<>();
            for (ConsumerRecord<byte[], byte[]> input : inputs) {
                TopicPartition partition = new TopicPartition(input.topic(), input.partition());
                positions.put(partition, new OffsetAndMetadata(input.offset() + 1));
                ProducerRecord<byte[], byte[]> output =
                        Records.now(spec.get("to").asText(), null, input.key(), input.value());
                output.headers().add(SOURCE, (partition + "@" + input.offset()).getBytes(StandardCharsets.UTF_8));
                outputs.add(output);
            }
            boolean abort = random.nextInt(10) == 0;
            transact(producer, outputs, abort,
                    () -> producer.sendOffsetsToTransaction(positions, consumer.groupMetadata()));
            if (abort) {
                // Read again what was not committed.
                for (TopicPartition partition : positions.keySet()) {
                    long first = inputs.records(partition).get(0).offset();
                    consumer.seek(partition, first);
                }
            } else {
                load.consumed.addAndGet(inputs.count());
            }
        }
    }

    private static class Plain extends Worker {
        final String topic;
        private final Map<String, Object> settings = new HashMap<>();

        Plain(Load load, String topic, String codec, boolean idempotent) {
            super("producer of " + topic, load);
            this.topic = topic;
            settings.put("compression.type", codec);
            settings.put("enable.idempotence", idempotent);
            if (!idempotent) {
                // Without idempotence several requests in flight may be stored out of order.
                settings.put("max.in.flight.requests.per.connection", 1);
            }
        }

        Plain(Load load, JsonNode spec) {
            this(load, spec.get("topic").asText(), spec.get("codec").asText(), spec.get("idempotent").asBoolean());
        }

        ProducerRecord<byte[], byte[]> next(int partitions) {
            return Records.any(load, random, topic, partitions);
        }

        @Override
        void run() throws Exception {
            KafkaProducer<byte[], byte[]> producer = Clients.producer(load.request, settings);
            try {
                while (!load.isStopping()) {
                    int records = 1 + random.nextInt(20);
                    load.pace(records);
                    for (int count = 0; count < records; count++) {
                        ProducerRecord<byte[], byte[]> record = next(producer.partitionsFor(topic).size());
                        long sent = System.nanoTime();
                        producer.send(record, (where, failure) -> {
                            if (failure == null) {
                                load.acknowledgements.written(record, where);
                                load.acknowledgedAfter(sent);
                                flows = true;
                            } else {
                                load.complain(name, failure);
                            }
                        });
                    }
                }
            } finally {
                producer.close(Duration.ofSeconds(25));
            }
        }
    }

    private static final class Compacted extends Plain {
        private final JsonNode spec;

        Compacted(Load load, JsonNode spec) {
            super(load, spec.get("topic").asText(), "zstd", true);
            this.spec = spec;
        }

        @Override
        ProducerRecord<byte[], byte[]> next(int partitions) {
            int key = random.nextInt(spec.get("keys").asInt());
            byte[] value = random.nextInt(100) < spec.get("tombstone_percent").asInt() ? null : Records.value(load, random);
            byte[] name = ("key-" + key).getBytes(StandardCharsets.UTF_8);
            return Records.now(topic, key % partitions, name, value);
        }
    }

    private static final class Group extends Worker {
        private final JsonNode spec;

        Group(Load load, JsonNode spec) {
            super("group " + spec.get("group").asText(), load);
            this.spec = spec;
        }

        @Override
        void run() throws Exception {
            Map<String, Object> settings = Map.of(
                    "group.id", spec.get("group").asText(),
                    "group.protocol", spec.get("protocol").asText(),
                    "isolation.level", spec.get("read_committed").asBoolean() ? "read_committed" : "read_uncommitted");
            try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(load.request, settings)) {
                consumer.subscribe(Clients.strings(spec.get("topics")));
                while (!load.isStopping()) {
                    int count = consumer.poll(Duration.ofMillis(200)).count();
                    if (count > 0) {
                        consumer.commitSync();
                        load.consumed.addAndGet(count);
                        load.commits.incrementAndGet();
                        flows = true;
                    }
                }
            }
        }
    }

    private static final class Deletions extends Worker {
        private final JsonNode spec;

        Deletions(Load load, JsonNode spec) {
            super("deletions in " + spec.get("topic").asText(), load);
            this.spec = spec;
            // Nothing to wait for: the first deletion may be minutes away.
            flows = true;
        }

        @Override
        void run() throws Exception {
            long next = System.nanoTime();
            try (Admin admin = Clients.admin(load.request)) {
                while (!load.isStopping()) {
                    Thread.sleep(100);
                    if (System.nanoTime() < next) {
                        continue;
                    }
                    delete(admin);
                    next = System.nanoTime() + spec.get("every_seconds").asLong() * 1_000_000_000L;
                }
            }
        }

        private void delete(Admin admin) throws Exception {
            String topic = spec.get("topic").asText();
            Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
            admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()
                    .forEach(one -> asked.put(new TopicPartition(topic, one.partition()), OffsetSpec.latest()));
            Map<TopicPartition, RecordsToDelete> deleted = new HashMap<>();
            admin.listOffsets(asked).all().get().forEach((partition, end) -> {
                long before = end.offset() - spec.get("keep").asLong();
                if (before > 0) {
                    deleted.put(partition, RecordsToDelete.beforeOffset(before));
                }
            });
            if (!deleted.isEmpty()) {
                admin.deleteRecords(deleted).all().get();
                load.deletions.incrementAndGet();
            }
        }
    }

    /** Records of all kinds: with and without key, value, headers; compressible in part. */
    private static final class Records {
        /** A record with its time: what a broker answers to a repeated request is the time of the batch's last record. */
        static ProducerRecord<byte[], byte[]> now(String topic, Integer partition, byte[] key, byte[] value) {
            return new ProducerRecord<>(topic, partition, System.currentTimeMillis(), key, value);
        }

        static ProducerRecord<byte[], byte[]> any(Load load, Random random, String topic, int partitions) {
            byte[] key = random.nextInt(4) == 0 ? null : ("key-" + random.nextInt(10_000)).getBytes(StandardCharsets.UTF_8);
            byte[] value = random.nextInt(50) == 0 ? null : value(load, random);
            ProducerRecord<byte[], byte[]> record = now(topic, random.nextInt(partitions), key, value);
            for (int header = random.nextInt(8) - 4; header > 0; header--) {
                byte[] content = random.nextInt(4) == 0 ? null : ("content-" + random.nextInt()).getBytes(StandardCharsets.UTF_8);
                record.headers().add("header-" + header, content);
            }
            return record;
        }

        static byte[] value(Load load, Random random) {
            byte[] value = new byte[random.nextInt(2 * load.request.get("value_bytes").asInt() + 1)];
            random.nextBytes(value);
            byte[] text = "and he saw the gate of the law. ".getBytes(StandardCharsets.UTF_8);
            for (int index = 0; index < value.length / 2; index++) {
                value[index] = text[index % text.length];
            }
            return value;
        }

        private Records() {}
    }

    private Workers() {}
}
