import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/**
 * Reads every record from log start to end, first as a read_committed consumer to learn which are visible, then all of them.
 * The file's format is described in lab/src/dump.rs.
 */
final class Dump {
    /** So long nothing arrives before a partition's end is taken for compacted away. */
    private static final long STALLED_NANOS = 15_000_000_000L;

    private final JsonNode request;
    private final Map<TopicPartition, Integer> indexes = new LinkedHashMap<>();
    private final Map<TopicPartition, Offsets> visible = new HashMap<>();

    private interface Visit {
        void record(TopicPartition partition, ConsumerRecord<byte[], byte[]> record) throws Exception;
    }

    private Dump(JsonNode request) {
        this.request = request;
    }

    static Object run(JsonNode request) throws Exception {
        return new Dump(request).write();
    }

    private Object write() throws Exception {
        Map<TopicPartition, Long> starts;
        Map<TopicPartition, Long> ends;
        Map<TopicPartition, Long> stable;
        try (Admin admin = Clients.admin(request)) {
            List<TopicPartition> partitions = partitions(admin);
            for (TopicPartition partition : partitions) {
                indexes.put(partition, indexes.size());
                visible.put(partition, new Offsets());
            }
            ends = offsets(admin, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED);
            stable = offsets(admin, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED);
            starts = offsets(admin, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED);
        }
        read("read_committed", starts, stable, (partition, record) -> visible.get(partition).add(record.offset()));
        long[] written = new long[1];
        try (BufferedWriter out =
                Files.newBufferedWriter(Path.of(request.get("file").asText()), StandardCharsets.UTF_8)) {
            Map<TopicPartition, Long> reached = read("read_uncommitted", starts, ends, (partition, record) -> {
                out.write(line(indexes.get(partition), record, visible.get(partition).contains(record.offset())));
                written[0]++;
            });
            for (Map.Entry<TopicPartition, Integer> entry : indexes.entrySet()) {
                TopicPartition partition = entry.getKey();
                out.write("P\t" + entry.getValue() + "\t" + partition.topic() + "\t" + partition.partition()
                        + "\t" + starts.get(partition) + "\t" + ends.get(partition) + "\t" + stable.get(partition)
                        + "\t" + reached.get(partition) + "\n");
            }
            out.write("E\t" + written[0] + "\n");
        }
        return Map.of("records", written[0], "partitions", indexes.size());
    }

    private List<TopicPartition> partitions(Admin admin) throws Exception {
        JsonNode chosen = request.get("topics");
        Set<String> names = chosen.isNull() ? null : new HashSet<>(Clients.strings(chosen));
        List<TopicPartition> partitions = new ArrayList<>();
        Clients.topics(admin).forEach((name, topic) -> {
            if (names == null || names.contains(name)) {
                topic.partitions().forEach(one -> partitions.add(new TopicPartition(name, one.partition())));
            }
        });
        return partitions;
    }

    private Map<TopicPartition, Long> offsets(Admin admin, OffsetSpec spec, IsolationLevel isolation) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        indexes.keySet().forEach(partition -> asked.put(partition, spec));
        Map<TopicPartition, Long> offsets = new HashMap<>();
        admin.listOffsets(asked, new ListOffsetsOptions(isolation)).all().get()
                .forEach((partition, result) -> offsets.put(partition, result.offset()));
        return offsets;
    }

    /** Visits the records of all partitions and returns where each was read to. */
    private Map<TopicPartition, Long> read(
            String isolation, Map<TopicPartition, Long> starts, Map<TopicPartition, Long> ends, Visit visit)
            throws Exception {
        Map<TopicPartition, Long> reached = new HashMap<>(starts);
        Set<TopicPartition> pending = new HashSet<>();
        indexes.keySet().stream()
                .filter(partition -> starts.get(partition) < ends.get(partition)).forEach(pending::add);
        Map<String, Object> settings = Map.of(
                "isolation.level", isolation,
                "max.poll.records", 5_000,
                "max.partition.fetch.bytes", 1 << 20);
        try (KafkaConsumer<byte[], byte[]> consumer = Clients.consumer(request, settings)) {
            consumer.assign(pending);
            for (TopicPartition partition : pending) {
                consumer.seek(partition, starts.get(partition));
            }
            long progress = System.nanoTime();
            while (!pending.isEmpty() && System.nanoTime() - progress < STALLED_NANOS) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    TopicPartition partition = new TopicPartition(record.topic(), record.partition());
                    if (record.offset() < ends.get(partition)) {
                        visit.record(partition, record);
                    }
                }
                for (TopicPartition partition : new ArrayList<>(pending)) {
                    // The position also moves past control records, and past what compaction left empty.
                    long position = consumer.position(partition);
                    if (position > reached.get(partition)) {
                        reached.put(partition, Math.min(position, ends.get(partition)));
                        progress = System.nanoTime();
                    }
                    if (position >= ends.get(partition)) {
                        pending.remove(partition);
                        consumer.pause(List.of(partition));
                    }
                }
            }
        }
        return reached;
    }

    private static String line(int index, ConsumerRecord<byte[], byte[]> record, boolean visible) {
        String timestampType = switch (record.timestampType()) {
            case CREATE_TIME -> "C";
            case LOG_APPEND_TIME -> "L";
            case NO_TIMESTAMP_TYPE -> "N";
        };
        return "R\t" + index + "\t" + record.offset() + "\t" + record.timestamp() + "\t" + timestampType
                + "\t" + (visible ? "1" : "0")
                + "\t" + Hash.key(record.key())
                + "\t" + (record.value() == null ? "T" : "V")
                + "\t" + Hash.record(record.key(), record.value(), record.headers())
                + "\t" + header(record, Workers.TRANSACTION)
                + "\t" + header(record, Workers.SOURCE)
                + "\t" + header(record, Workers.AMOUNT)
                + "\t" + header(record, SchemaWorker.DEFINED)
                + "\t" + header(record, SchemaWorker.CITED)
                + "\n";
    }

    private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? "-" : new String(header.value(), StandardCharsets.UTF_8);
    }

    /** Ascending offsets. */
    private static final class Offsets {
        private long[] offsets = new long[16];
        private int count;

        void add(long offset) {
            if (count == offsets.length) {
                offsets = Arrays.copyOf(offsets, 2 * count);
            }
            offsets[count++] = offset;
        }

        boolean contains(long offset) {
            return Arrays.binarySearch(offsets, 0, count, offset) >= 0;
        }
    }
}
