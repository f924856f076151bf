import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * fill BOOTSTRAP TOPIC PARTITIONS BYTES: writes so many bytes as fast as they go.
 * probe BOOTSTRAP TOPIC PARTITIONS RATE: writes RATE records per second until standard input ends, and prints a line for each
 * that was acknowledged: when it was due in milliseconds since 1970, and how many microseconds later it was acknowledged. What
 * is late to be sent counts from when it was due, so that a pause is not hidden by the records that it held back.
 */
public final class Producer {
    private static final int VALUE = 1000;

    public static void main(String[] arguments) throws Exception {
        boolean fill = arguments[0].equals("fill");
        String topic = arguments[2];
        int partitions = Integer.parseInt(arguments[3]);
        long amount = Long.parseLong(arguments[4]);
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", arguments[1],
            "acks", "all",
            "linger.ms", fill ? "20" : "0",
            "batch.size", "65536",
            "key.serializer", ByteArraySerializer.class,
            "value.serializer", ByteArraySerializer.class);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
            if (fill) {
                fill(producer, topic, partitions, amount);
            } else {
                probe(producer, topic, partitions, amount);
            }
        }
    }

    private static byte[] value(Random random) {
        byte[] value = new byte[VALUE];
        random.nextBytes(value);
        return value;
    }

    private static void fill(KafkaProducer<byte[], byte[]> producer, String topic, int partitions, long bytes) {
        Random random = new Random(1);
        AtomicLong failed = new AtomicLong();
        for (long number = 0; number < bytes / VALUE; number++) {
            // Stretches of one partition, so that batches get full.
            int partition = (int) (number / 64 % partitions);
            producer.send(new ProducerRecord<>(topic, partition, null, value(random)), (metadata, error) -> {
                if (error != null) {
                    failed.incrementAndGet();
                }
            });
        }
        producer.flush();
        if (failed.get() > 0) {
            throw new IllegalStateException(failed.get() + " records were not written");
        }
    }

    private static void probe(KafkaProducer<byte[], byte[]> producer, String topic, int partitions, long rate)
            throws Exception {
        Thread sender = Thread.currentThread();
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (java.io.IOException ended) {
                // The same as its end.
            }
            sender.interrupt();
        });
        watch.setDaemon(true);
        watch.start();
        Random random = new Random(1);
        List<String> lines = new ArrayList<>();
        long began = System.nanoTime();
        long beganMillis = System.currentTimeMillis();
        long interval = 1_000_000_000L / rate;
        for (long number = 0; !Thread.interrupted(); number++) {
            long due = began + number * interval;
            while (System.nanoTime() < due && !sender.isInterrupted()) {
                LockSupport.parkNanos(due - System.nanoTime());
            }
            int partition = (int) (number % partitions);
            try {
                producer.send(new ProducerRecord<>(topic, partition, null, value(random)), (metadata, error) -> {
                    long micros = error == null ? (System.nanoTime() - due) / 1_000 : -1;
                    synchronized (lines) {
                        lines.add((beganMillis + (due - began) / 1_000_000) + " " + micros);
                    }
                });
            } catch (org.apache.kafka.common.errors.InterruptException stopped) {
                break;
            }
            if (number % 50 == 0) {
                print(lines);
            }
        }
        producer.flush();
        print(lines);
    }

    private static void print(List<String> lines) {
        List<String> out;
        synchronized (lines) {
            out = new ArrayList<>(lines);
            lines.clear();
        }
        if (!out.isEmpty()) {
            System.out.println(String.join("\n", out));
            System.out.flush();
        }
    }
}
