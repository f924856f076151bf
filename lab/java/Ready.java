import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartitionInfo;

/** Waits until all brokers are unfenced and all partitions have a leader and all replicas in sync. */
final class Ready {
    static Object run(JsonNode request) throws Exception {
        int brokers = request.get("brokers").asInt();
        long deadline = System.nanoTime() + request.get("seconds").asLong() * 1_000_000_000L;
        String missing = "no answer from any broker";
        try (Admin admin = Clients.admin(request)) {
            while (System.nanoTime() < deadline) {
                try {
                    missing = missing(admin, brokers);
                    if (missing == null) {
                        return null;
                    }
                } catch (ExecutionException unreachable) {
                    missing = String.valueOf(unreachable.getCause());
                }
                Thread.sleep(100);
            }
        }
        throw new IllegalStateException("the cluster is not ready: " + missing);
    }

    /** What is missing, or null. */
    static String missing(Admin admin, int brokers) throws Exception {
        // Fenced brokers are not among them.
        int found = admin.describeCluster().nodes().get().size();
        if (found < brokers) {
            return found + " of " + brokers + " brokers are unfenced";
        }
        List<String> degraded = new ArrayList<>();
        for (Map.Entry<String, TopicDescription> topic : Clients.topics(admin).entrySet()) {
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
