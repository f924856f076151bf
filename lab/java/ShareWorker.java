import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.Map;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;

/** A member of a share group (KIP-932) that accepts most records and gives some back. */
final class ShareWorker extends Workers.Worker {
    private final JsonNode spec;

    ShareWorker(Load load, JsonNode spec) {
        super("share group " + spec.get("group").asText(), load);
        this.spec = spec;
        // A share group starts at the end of its topics unless its own config says otherwise, and delivers late.
        flows = true;
    }

    @Override
    void run() throws Exception {
        Map<String, Object> settings = Map.of(
                "group.id", spec.get("group").asText(),
                "share.acknowledgement.mode", "explicit",
                "max.poll.records", 50);
        try (KafkaShareConsumer<byte[], byte[]> consumer = Clients.shareConsumer(load.request, settings)) {
            consumer.subscribe(Clients.strings(spec.get("topics")));
            while (!load.isStopping()) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(200));
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    consumer.acknowledge(
                            record, random.nextInt(20) == 0 ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT);
                }
                if (!records.isEmpty()) {
                    consumer.commitSync();
                    load.consumed.addAndGet(records.count());
                    load.commits.incrementAndGet();
                }
            }
        }
    }
}
