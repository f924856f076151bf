import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** The log of what clients were told is stored; its format is described in lab/src/acknowledged.rs. */
final class Acknowledgements implements AutoCloseable {
    private final BufferedWriter out;

    Acknowledgements(Path file) throws IOException {
        out = Files.newBufferedWriter(
                file, StandardCharsets.UTF_8, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /** Logs a record that was written outside of a transaction. */
    void written(ProducerRecord<byte[], byte[]> record, RecordMetadata where) {
        write(describe(record, where), 'A', "-", System.currentTimeMillis());
    }

    /** Logs an offset that a group committed. */
    void committed(String group, TopicPartition partition, long offset) {
        append("@\t" + group + "\t" + partition.topic() + "\t" + partition.partition() + "\t" + offset
                + "\t" + System.currentTimeMillis());
    }

    /** Collects the acknowledged records of a transaction until its end is known. */
    Transaction transaction(String tag) {
        return new Transaction(tag);
    }

    synchronized void flush() throws IOException {
        out.flush();
    }

    @Override
    public synchronized void close() throws IOException {
        out.close();
    }

    private static String describe(ProducerRecord<byte[], byte[]> record, RecordMetadata where) {
        return where.topic() + "\t" + where.partition() + "\t" + where.offset() + "\t" + record.timestamp()
                + "\t" + Hash.key(record.key()) + "\t" + Hash.record(record.key(), record.value(), record.headers());
    }

    private void write(String described, char outcome, String transaction, long millis) {
        append(described + "\t" + outcome + "\t" + transaction + "\t" + millis);
    }

    private synchronized void append(String line) {
        try {
            out.write(line + "\n");
        } catch (IOException failure) {
            // A load whose log is incomplete proves nothing.
            System.err.println("writing the acknowledgement log: " + failure);
            Runtime.getRuntime().halt(1);
        }
    }

    final class Transaction {
        private final String tag;
        private final List<String> records = new ArrayList<>();

        private Transaction(String tag) {
            this.tag = tag;
        }

        synchronized void acknowledged(ProducerRecord<byte[], byte[]> record, RecordMetadata where) {
            records.add(describe(record, where));
        }

        /** Logs the records with {@code C}ommitted, {@code X} for aborted, or {@code U}nknown. */
        synchronized void ended(char outcome) {
            long now = System.currentTimeMillis();
            records.forEach(record -> write(record, outcome, tag, now));
            records.clear();
        }
    }
}
