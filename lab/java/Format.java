import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.StringJoiner;
import org.apache.kafka.common.Uuid;

/** Formats the log dirs of all nodes with Kafka's StorageTool, in one process. */
final class Format {
    static Object run(JsonNode request) {
        StringJoiner voters = new StringJoiner(",");
        for (JsonNode controller : request.get("controllers")) {
            int id = controller.get(0).asInt();
            voters.add(id + "@127.0.0.1:" + controller.get(1).asInt() + ":" + Uuid.randomUuid());
        }
        for (JsonNode node : request.get("nodes")) {
            String file = node.get(0).asText();
            List<String> arguments = new ArrayList<>(
                    List.of("format", "--config", file, "--cluster-id", request.get("cluster_id").asText()));
            if (!request.get("eligible_leader_replicas").asBoolean()) {
                arguments.addAll(List.of("--feature", "eligible.leader.replicas.version=0"));
            }
            if (request.get("dynamic").asBoolean()) {
                arguments.addAll(node.get(1).asBoolean()
                        ? List.of("--initial-controllers", voters.toString())
                        : List.of("--no-initial-controllers"));
            }
            ByteArrayOutputStream printed = new ByteArrayOutputStream();
            int status = kafka.tools.StorageTool.execute(arguments.toArray(new String[0]), new PrintStream(printed));
            if (status != 0) {
                throw new IllegalStateException("formatting for " + file + ": " + printed);
            }
        }
        return null;
    }

    private Format() {}
}
