import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartitionInfo;

/** Waits until all brokers are unfenced and all partitions have a leader and all replicas in sync. */
final class Ready {
    static Object run(JsonNode request) throws Exception {
        try (Admin admin = Clients.admin(request)) {
            await(admin, request.get("brokers").asInt(), Set.of(), request.get("seconds").asLong());
        }
        return null;
    }

    /** Waits until {@code brokers} are unfenced and all topics, {@code expected} among them, have all replicas in sync. */
    static Map<String, TopicDescription> await(Admin admin, int brokers, Set<String> expected, long seconds)
            throws Exception {
        long deadline = System.nanoTime() + seconds * 1_000_000_000L;
        String missing = "no answer from any broker";
        while (System.nanoTime() < deadline) {
            try {
                Map<String, TopicDescription> topics = Clients.topics(admin);
                missing = missing(admin, brokers, topics, expected);
                if (missing == null) {
                    return topics;
                }
            } catch (ExecutionException unreachable) {
                missing = String.valueOf(unreachable.getCause());
            }
            Thread.sleep(100);
        }
        throw new IllegalStateException("the cluster is not ready: " + missing);
    }

    private static String missing(
            Admin admin, int brokers, Map<String, TopicDescription> topics, Set<String> expected) throws Exception {
        // Fenced brokers are not among them.
        int found = admin.describeCluster().nodes().get().size();
        if (found < brokers) {
            return found + " of " + brokers + " brokers are unfenced";
        }
        for (String name : expected) {
            if (!topics.containsKey(name)) {
                return "topic " + name + " is not there";
            }
        }
        List<String> degraded = new ArrayList<>();
        for (Map.Entry<String, TopicDescription> topic : topics.entrySet()) {
            for (TopicPartitionInfo partition : topic.getValue().partitions()) {
                if (partition.leader() == null || partition.isr().size() < partition.replicas().size()) {
                    degraded.add(topic.getKey() + "-" + partition.partition());
                }
            }
        }
        return degraded.isEmpty() ? null : degraded.size() + " partitions are degraded, " + degraded.get(0) + " first";
    }

    private Ready() {}
}
