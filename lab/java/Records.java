import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Records of all kinds: with and without key, value, headers; compressible in part. */
final class Records {
    /** A record with its time: what a broker answers to a repeated request is the time of the batch's last record. */
    static ProducerRecord<byte[], byte[]> now(String topic, Integer partition, byte[] key, byte[] value) {
        return new ProducerRecord<>(topic, partition, System.currentTimeMillis(), key, value);
    }

    static ProducerRecord<byte[], byte[]> any(Load load, Random random, String topic, int partitions) {
        byte[] key = random.nextInt(4) == 0 ? null : ("key-" + random.nextInt(10_000)).getBytes(StandardCharsets.UTF_8);
        byte[] value = random.nextInt(50) == 0 ? null : value(load, random);
        ProducerRecord<byte[], byte[]> record = now(topic, random.nextInt(partitions), key, value);
        for (int header = random.nextInt(8) - 4; header > 0; header--) {
            byte[] content = random.nextInt(4) == 0 ? null : ("content-" + random.nextInt()).getBytes(StandardCharsets.UTF_8);
            record.headers().add("header-" + header, content);
        }
        return record;
    }

    static byte[] value(Load load, Random random) {
        byte[] value = new byte[random.nextInt(2 * load.request.get("value_bytes").asInt() + 1)];
        random.nextBytes(value);
        byte[] text = "and he saw the gate of the law. ".getBytes(StandardCharsets.UTF_8);
        for (int index = 0; index < value.length / 2; index++) {
            value[index] = text[index % text.length];
        }
        return value;
    }

    private Records() {}
}
