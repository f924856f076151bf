import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/**
 * Registers schemas in a compacted topic, as a schema registry does, and writes records that cite only schemas whose
 * registration was acknowledged before.
 */
final class SchemaWorker extends Workers.Worker {
    /** A header of a record that defines a schema: its id. */
    static final String DEFINED = "maxbrod-schema";
    /** A header of a record that was written with a schema: its id. */
    static final String CITED = "maxbrod-cites";
    private static final int RECORDS_PER_SCHEMA = 5;

    private final String schemas;
    private final String data;
    /** Goes on above what an earlier load registered. */
    private long next = System.currentTimeMillis() * 1_000;
    private final List<Long> registered = new ArrayList<>();

    SchemaWorker(Load load, JsonNode spec) {
        super("schemas in " + spec.get("schemas").asText(), load);
        schemas = spec.get("schemas").asText();
        data = spec.get("data").asText();
    }

    @Override
    void run() throws Exception {
        KafkaProducer<byte[], byte[]> producer =
                Clients.producer(load.request, Map.of("compression.type", "snappy", "linger.ms", 0));
        try {
            while (!load.isStopping()) {
                load.pace(1 + RECORDS_PER_SCHEMA);
                long id = next++;
                register(producer, id);
                registered.add(id);
                if (random.nextInt(4) == 0) {
                    // As when a schema is marked as deleted: the older record of its key may be compacted away.
                    register(producer, any());
                }
                for (int count = 0; count < RECORDS_PER_SCHEMA; count++) {
                    cite(producer, count == 0 ? id : any());
                }
                flows = true;
            }
        } finally {
            producer.close(Duration.ofSeconds(25));
        }
    }

    private long any() {
        return registered.get(random.nextInt(registered.size()));
    }

    private void register(KafkaProducer<byte[], byte[]> producer, long id) throws Exception {
        byte[] key = ("{\"keytype\":\"SCHEMA\",\"id\":" + id + "}").getBytes(StandardCharsets.UTF_8);
        ProducerRecord<byte[], byte[]> record = Records.now(schemas, 0, key, Records.value(load, random));
        record.headers().add(DEFINED, Long.toString(id).getBytes(StandardCharsets.UTF_8));
        long sent = System.nanoTime();
        load.acknowledgements.written(record, producer.send(record).get());
        load.acknowledgedAfter(sent);
    }

    private void cite(KafkaProducer<byte[], byte[]> producer, long id) {
        ProducerRecord<byte[], byte[]> record =
                Records.any(load, random, data, producer.partitionsFor(data).size());
        record.headers().add(CITED, Long.toString(id).getBytes(StandardCharsets.UTF_8));
        long sent = System.nanoTime();
        producer.send(record, (where, failure) -> {
            if (failure == null) {
                load.acknowledgements.written(record, where);
                load.acknowledgedAfter(sent);
            } else {
                load.complain(name, failure);
            }
        });
    }
}
