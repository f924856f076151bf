import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * Writes to a new topic and to existing ones, outside of transactions, in a committed and in an aborted one; reads it all back
 * in a consumer group that commits. Topic and group are deleted again.
 */
final class Smoke {
    private static final long PATIENCE_NANOS = 60_000_000_000L;

    static Object run(JsonNode request) throws Exception {
        String name = "maxbrod-smoke-" + System.currentTimeMillis();
        try (Admin admin = Clients.admin(request)) {
            admin.createTopics(List.of(new NewTopic(name, 3, (short) request.get("replication").asInt()))).all().get();
            List<String> topics = new ArrayList<>(Clients.strings(request.get("topics")));
            topics.add(name);
            List<TopicPartition> partitions = partitions(admin, topics);
            Map<TopicPartition, Long> ends = ends(admin, partitions);

            Set<String> expected = new HashSet<>();
            long produced = produce(request, name, partitions, expected);
            long[] inTransactions = transact(request, name, partitions, expected);
            long consumed = consume(request, admin, name, topics, ends, expected);

            admin.deleteTopics(List.of(name)).all().get();
            admin.deleteConsumerGroups(List.of(name)).all().get();
            return Map.of(
                    "produced", produced,
                    "committed", inTransactions[0],
                    "aborted", inTransactions[1],
                    "consumed", consumed);
        }
    }

    private static List<TopicPartition> partitions(Admin admin, List<String> topics) throws Exception {
        Map<String, TopicDescription> described = Ready.await(admin, 0, new HashSet<>(topics), 60);
        List<TopicPartition> partitions = new ArrayList<>();
        for (String topic : topics) {
            described.get(topic).partitions().forEach(one -> partitions.add(new TopicPartition(topic, one.partition())));
        }
        return partitions;
    }

    private static Map<TopicPartition, Long> ends(Admin admin, List<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        partitions.forEach(partition -> asked.put(partition, OffsetSpec.latest()));
        Map<TopicPartition, Long> ends = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((partition, result) -> ends.put(partition, result.offset()));
        return ends;
    }

    private static long produce(JsonNode request, String name, List<TopicPartition> partitions, Set<String> expected)
            throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(request, Map.of("compression.type", "zstd"))) {
            return send(producer, name + "-plain", partitions, expected);
        }
    }

    private static long[] transact(JsonNode request, String name, List<TopicPartition> partitions, Set<String> expected)
            throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Clients.producer(request, Map.of("transactional.id", name))) {
            producer.initTransactions();
            producer.beginTransaction();
            long aborted = send(producer, name + "-aborted", partitions, new HashSet<>());
            producer.abortTransaction();
            producer.beginTransaction();
            long committed = send(producer, name + "-committed", partitions, expected);
            producer.commitTransaction();
            return new long[] {committed, aborted};
        }
    }

    private static long send(
            KafkaProducer<byte[], byte[]> producer, String key, List<TopicPartition> partitions, Set<String> expected)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (TopicPartition partition : partitions) {
            byte[] bytes = key.getBytes(StandardCharsets.UTF_8);
            sent.add(producer.send(new ProducerRecord<>(partition.topic(), partition.partition(), bytes, bytes)));
            expected.add(partition + " " + key);
        }
        producer.flush();
        for (Future<RecordMetadata> one : sent) {
            one.get();
        }
        return sent.size();
    }

    private static long consume(
            JsonNode request,
            Admin admin,
            String group,
            List<String> topics,
            Map<TopicPartition, Long> starts,
            Set<String> expected)
            throws Exception {
        // The group begins where the test's own records do.
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        starts.forEach((partition, offset) -> positions.put(partition, new OffsetAndMetadata(offset)));
        admin.alterConsumerGroupOffsets(group, positions).all().get();
        Map<String, Object> settings = Map.of("group.id", group, "isolation.level", "read_committed");
        long consumed = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(request, settings)) {
            consumer.subscribe(topics);
            long deadline = System.nanoTime() + PATIENCE_NANOS;
            while (!expected.isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(expected.size() + " records were not read back, one is "
                            + expected.iterator().next());
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    String key = record.key() == null ? "" : new String(record.key(), StandardCharsets.UTF_8);
                    if (key.equals(group + "-aborted")) {
                        throw new IllegalStateException("an aborted record was read from " + record.topic());
                    }
                    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                    consumed += expected.remove(partition + " " + key) ? 1 : 0;
                }
            }
            consumer.commitSync();
            Map<TopicPartition, Long> reached = new HashMap<>();
            for (TopicPartition partition : consumer.assignment()) {
                reached.put(partition, consumer.position(partition));
            }
            Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(reached.keySet());
            reached.forEach((partition, position) -> {
                if (committed.get(partition) == null || committed.get(partition).offset() != position) {
                    throw new IllegalStateException("commit of " + partition + " at " + position + " was not kept: "
                            + committed.get(partition));
                }
            });
        }
        return consumed;
    }

    private Smoke() {}
}
