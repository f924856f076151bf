import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka clients as the lab configures them. */
final class Clients {
    static Admin admin(JsonNode request) {
        return Admin.create(Map.of(
                "bootstrap.servers", request.get("bootstrap").asText(),
                "request.timeout.ms", 20_000,
                "default.api.timeout.ms", 60_000));
    }

    static KafkaProducer<byte[], byte[]> producer(JsonNode request, Map<String, ?> settings) {
        Map<String, Object> all = new HashMap<>(Map.of(
                "bootstrap.servers", request.get("bootstrap").asText(),
                "acks", "all",
                "buffer.memory", 4 << 20,
                "max.block.ms", 10_000,
                "request.timeout.ms", 8_000,
                "delivery.timeout.ms", 20_000,
                "reconnect.backoff.max.ms", 500));
        all.putAll(settings);
        return new KafkaProducer<>(properties(all), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(JsonNode request, Map<String, ?> settings) {
        Map<String, Object> all = new HashMap<>(Map.of(
                "bootstrap.servers", request.get("bootstrap").asText(),
                "enable.auto.commit", false,
                "auto.offset.reset", "earliest",
                "fetch.max.bytes", 16 << 20,
                "reconnect.backoff.max.ms", 500));
        all.putAll(settings);
        return new KafkaConsumer<>(properties(all), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static KafkaShareConsumer<byte[], byte[]> shareConsumer(JsonNode request, Map<String, ?> settings) {
        Map<String, Object> all = new HashMap<>(Map.of(
                "bootstrap.servers", request.get("bootstrap").asText(),
                "reconnect.backoff.max.ms", 500));
        all.putAll(settings);
        return new KafkaShareConsumer<>(properties(all), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** All topics, Kafka's own included; one that not every broker knows yet, or any more, is left out. */
    static Map<String, TopicDescription> topics(Admin admin) throws Exception {
        var names = admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get();
        Map<String, TopicDescription> topics = new HashMap<>();
        for (var topic : admin.describeTopics(names).topicNameValues().entrySet()) {
            try {
                topics.put(topic.getKey(), topic.getValue().get());
            } catch (ExecutionException failure) {
                if (!(failure.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw failure;
                }
            }
        }
        return topics;
    }

    static List<String> strings(JsonNode array) {
        List<String> strings = new ArrayList<>();
        array.forEach(item -> strings.add(item.asText()));
        return strings;
    }

    private static Properties properties(Map<String, ?> settings) {
        Properties properties = new Properties();
        settings.forEach((key, value) -> properties.put(key, String.valueOf(value)));
        return properties;
    }

    private Clients() {}
}
