import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** Hashes of records: the first bytes of SHA-256 over length-prefixed fields. Each thread has its own. */
final class Hash {
    private static final ThreadLocal<Hash> OF_THREAD = ThreadLocal.withInitial(Hash::new);
    private static final HexFormat HEX = HexFormat.of();

    private final MessageDigest digest;
    private final ByteBuffer length = ByteBuffer.allocate(4);

    private Hash() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException missing) {
            throw new IllegalStateException(missing);
        }
    }

    /** 128 bits of key, value and headers. */
    static String record(byte[] key, byte[] value, Headers headers) {
        Hash hash = OF_THREAD.get();
        hash.add(key);
        hash.add(value);
        for (Header header : headers) {
            hash.add(header.key().getBytes(StandardCharsets.UTF_8));
            hash.add(header.value());
        }
        return HEX.formatHex(hash.digest.digest(), 0, 16);
    }

    /** 64 bits of a key, a dash for none. */
    static String key(byte[] key) {
        if (key == null) {
            return "-";
        }
        Hash hash = OF_THREAD.get();
        hash.add(key);
        return HEX.formatHex(hash.digest.digest(), 0, 8);
    }

    private void add(byte[] field) {
        length.clear();
        digest.update(length.putInt(field == null ? -1 : field.length).flip());
        if (field != null) {
            digest.update(field);
        }
    }
}
