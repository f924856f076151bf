import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * Entry point: {@code Lab PROGRAM}, with the request as one line of JSON on standard input and the answer as the last line on
 * standard output; {@code Lab node FILE} runs a Kafka node.
 */
public final class Lab {
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("node")) {
            endWithParent();
            kafka.Kafka.main(new String[] {arguments[1]});
            return;
        }
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try {
            JsonNode request = JSON.readTree(input.readLine());
            Object answer = switch (arguments[0]) {
                case "uuid" -> org.apache.kafka.common.Uuid.randomUuid().toString();
                case "format" -> Format.run(request);
                case "ready" -> Ready.run(request);
                case "create" -> Create.run(request);
                case "change" -> {
                    Change.run(request, input);
                    yield null;
                }
                case "undecided" -> Undecided.run(request);
                case "describe" -> Describe.run(request);
                case "partitions" -> Describe.partitions(request);
                case "dump" -> Dump.run(request);
                case "smoke" -> Smoke.run(request);
                case "load" -> Load.run(request, input);
                default -> throw new IllegalArgumentException("no program " + arguments[0]);
            };
            System.out.println(JSON.writeValueAsString(answer));
            System.out.flush();
        } catch (Throwable failure) {
            System.err.println(explain(failure));
            System.exit(1);
        }
        System.exit(0);
    }

    /** The messages of a failure and its causes, and where it began. */
    static String explain(Throwable failure) {
        StringBuilder text = new StringBuilder();
        Throwable first = failure;
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            text.append(text.isEmpty() ? "" : ": ").append(cause);
            first = cause;
        }
        for (int frame = 0; frame < Math.min(8, first.getStackTrace().length); frame++) {
            text.append("\n    at ").append(first.getStackTrace()[frame]);
        }
        return text.toString();
    }

    /** A node must not outlive the test that started it, however that ended: then standard input closes. */
    private static void endWithParent() {
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    // Nobody writes.
                }
            } catch (IOException closed) {
                // The same.
            }
            Runtime.getRuntime().halt(137);
        }, "end-with-parent");
        watch.setDaemon(true);
        watch.start();
    }

    private Lab() {}
}
