import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.admin.Admin;
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
    /** A header of each record of a bank: what it adds to an account. Those of a transaction add up to nothing. */
    static final String AMOUNT = "maxbrod-amount";

    /** So soon the coordinator ends what a vanished producer left open. */
    private static final int TRANSACTION_TIMEOUT_MILLIS = 15_000;
    /** So soon a group goes on without a member that could not say goodbye, as when its coordinator was killed. */
    private static final int SESSION_TIMEOUT_MILLIS = 10_000;

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
        load.request.get("schemas").forEach(spec -> workers.add(new SchemaWorker(load, spec)));
        load.request.get("shares").forEach(spec -> workers.add(new ShareWorker(load, spec)));
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
                    "transactional.id", id,
                    "transaction.timeout.ms", TRANSACTION_TIMEOUT_MILLIS,
                    "compression.type", codec,
                    // The next transaction waits for the markers of the last one by asking again.
                    "retry.backoff.ms", 10));
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
                    load.paceTransaction(count);
                    List<ProducerRecord<byte[], byte[]>> records = transfer(producer, topics, count);
                    boolean abort = random.nextInt(100) < spec.get("abort_percent").asInt();
                    transact(producer, records, abort, () -> {});
                    flows = true;
                }
            } finally {
                producer.close(Duration.ofSeconds(5));
            }
        }

        /** Records in at least two partitions whose amounts add up to nothing. */
        private List<ProducerRecord<byte[], byte[]>> transfer(
                KafkaProducer<byte[], byte[]> producer, List<String> topics, int count) {
            List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
            long sum = 0;
            while (records.size() < count) {
                String topic = topics.get(random.nextInt(topics.size()));
                ProducerRecord<byte[], byte[]> record =
                        Records.any(load, random, topic, producer.partitionsFor(topic).size());
                if (records.size() == 1 && isSamePlace(record, records.get(0))) {
                    continue;
                }
                long amount = records.size() == count - 1 ? -sum : 1 + random.nextInt(1_000);
                sum += amount;
                record.headers().add(AMOUNT, Long.toString(amount).getBytes(StandardCharsets.UTF_8));
                records.add(record);
            }
            return records;
        }

        private static boolean isSamePlace(ProducerRecord<?, ?> one, ProducerRecord<?, ?> other) {
            return one.topic().equals(other.topic()) && one.partition().equals(other.partition());
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
                    "session.timeout.ms", SESSION_TIMEOUT_MILLIS,
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
            String group = spec.get("group").asText();
            Map<String, Object> settings = new HashMap<>(Map.of(
                    "group.id", group,
                    "group.protocol", spec.get("protocol").asText(),
                    "max.poll.records", spec.get("max_poll_records").asInt(),
                    "isolation.level", spec.get("read_committed").asBoolean() ? "read_committed" : "read_uncommitted"));
            if (spec.get("protocol").asText().equals("classic")) {
                // In the newer protocol it is the broker's to say.
                settings.put("session.timeout.ms", SESSION_TIMEOUT_MILLIS);
            }
            try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(load.request, settings)) {
                consumer.subscribe(Clients.strings(spec.get("topics")));
                while (!load.isStopping()) {
                    ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
                    if (!records.isEmpty()) {
                        Map<TopicPartition, Long> positions = new HashMap<>();
                        records.partitions().forEach(one -> positions.put(one, consumer.position(one)));
                        consumer.commitSync();
                        positions.forEach((one, offset) -> load.acknowledgements.committed(group, one, offset));
                        load.consumed.addAndGet(records.count());
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
                    int shortened = Change.deleteRecords(
                            admin, spec.get("topic").asText(), spec.get("keep").asLong());
                    if (shortened > 0) {
                        load.deletions.incrementAndGet();
                    }
                    next = System.nanoTime() + spec.get("every_seconds").asLong() * 1_000_000_000L;
                }
            }
        }
    }

    private Workers() {}
}
