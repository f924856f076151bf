import com.fasterxml.jackson.databind.JsonNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;

/** Waits until no partition has an open transaction, and tells which still have one when the time is over. */
final class Undecided {
    static Object run(JsonNode request) throws Exception {
        long deadline = System.nanoTime() + request.get("seconds").asLong() * 1_000_000_000L;
        try (Admin admin = Clients.admin(request)) {
            while (true) {
                List<String> undecided;
                try {
                    undecided = undecided(admin);
                } catch (ExecutionException unreachable) {
                    if (System.nanoTime() >= deadline) {
                        throw unreachable;
                    }
                    undecided = List.of("unknown");
                }
                if (undecided.isEmpty() || System.nanoTime() >= deadline) {
                    return undecided;
                }
                Thread.sleep(200);
            }
        }
    }

    private static List<String> undecided(Admin admin) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        Clients.topics(admin).forEach((name, topic) -> topic.partitions()
                .forEach(one -> asked.put(new TopicPartition(name, one.partition()), OffsetSpec.latest())));
        // The ends first: what is written meanwhile does not count.
        var ends = admin.listOffsets(asked).all().get();
        var stable = admin.listOffsets(asked, new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all().get();
        return asked.keySet().stream()
                .filter(partition -> stable.get(partition).offset() < ends.get(partition).offset())
                .map(TopicPartition::toString).sorted().toList();
    }

    private Undecided() {}
}
