import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Puts load on a cluster until standard input says {@code stop} or the seconds are over. What it did is told every second as a
 * line of JSON. Brokers may come and go meanwhile: each worker makes new clients and goes on.
 */
final class Load {
    final JsonNode request;
    final Acknowledgements acknowledgements;
    final AtomicLong acknowledged = new AtomicLong();
    final AtomicLong committed = new AtomicLong();
    final AtomicLong aborted = new AtomicLong();
    final AtomicLong consumed = new AtomicLong();
    final AtomicLong commits = new AtomicLong();
    final AtomicLong deletions = new AtomicLong();
    private final AtomicLong errors = new AtomicLong();
    private final Set<String> complaints = new HashSet<>();
    private final long began = System.nanoTime();
    private final Pace pace;
    private final Pace transactionalPace;
    private long[] latencies = new long[4_096];
    private int latencyCount;
    private volatile boolean stopping;

    private Load(JsonNode request) throws Exception {
        this.request = request;
        acknowledgements = new Acknowledgements(Path.of(request.get("acknowledged").asText()));
        pace = new Pace(request.get("records_per_second").asLong());
        JsonNode transactional = request.get("transactional_records_per_second");
        transactionalPace = transactional.isNull() ? pace : new Pace(transactional.asLong());
    }

    static Object run(JsonNode request, BufferedReader input) throws Exception {
        Load load = new Load(request);
        load.run(input);
        return Map.of("counters", load.counters());
    }

    private void run(BufferedReader input) throws Exception {
        List<Workers.Worker> workers = Workers.of(this);
        List<Thread> threads = new ArrayList<>();
        for (Workers.Worker worker : workers) {
            Thread thread = new Thread(() -> work(worker), worker.name);
            thread.start();
            threads.add(thread);
        }
        Thread listener = new Thread(() -> listen(input), "stop");
        listener.setDaemon(true);
        listener.start();

        JsonNode seconds = request.get("seconds");
        long end = seconds.isNull() ? Long.MAX_VALUE : seconds.asLong() * 1_000;
        boolean flowing = false;
        while (!stopping) {
            Thread.sleep(flowing ? 1_000 : 200);
            if (!flowing && workers.stream().allMatch(worker -> worker.flows)) {
                flowing = true;
                say(Map.of("ready", true));
            }
            acknowledgements.flush();
            say(Map.of("counters", counters()));
            stopping |= elapsedMillis() >= end;
        }
        for (Thread thread : threads) {
            thread.join(45_000);
            if (thread.isAlive()) {
                complain("stopping " + thread.getName(), new IllegalStateException("it does not end"));
            }
        }
        acknowledgements.close();
    }

    private void work(Workers.Worker worker) {
        while (!stopping) {
            try {
                worker.run();
            } catch (Exception failure) {
                complain(worker.name, failure);
                LockSupport.parkNanos(200_000_000L);
            }
        }
    }

    private void listen(BufferedReader input) {
        try {
            if ("stop".equals(input.readLine())) {
                stopping = true;
                return;
            }
        } catch (Exception closed) {
            // The same as an end.
        }
        // Whoever started the load is gone.
        Runtime.getRuntime().halt(137);
    }

    boolean isStopping() {
        return stopping;
    }

    /** Waits until {@code records} more may be written. */
    void pace(int records) {
        pace.await(records);
    }

    /** Waits until {@code records} more may be written in transactions. */
    void paceTransaction(int records) {
        transactionalPace.await(records);
    }

    /** A budget of records per second. */
    private final class Pace {
        private final long nanosPerRecord;
        private long nextRecord = began;

        Pace(long recordsPerSecond) {
            nanosPerRecord = 1_000_000_000L / Math.max(1, recordsPerSecond);
        }

        void await(int records) {
            long due;
            synchronized (this) {
                // What was not used in a pause is not made up for afterwards.
                nextRecord = Math.max(nextRecord, System.nanoTime() - 200_000_000L);
                due = nextRecord;
                nextRecord += records * nanosPerRecord;
            }
            long now;
            while (!stopping && (now = System.nanoTime()) < due) {
                LockSupport.parkNanos(Math.min(due - now, 100_000_000L));
            }
        }
    }

    void acknowledgedAfter(long sentNanos) {
        acknowledged.incrementAndGet();
        long nanos = System.nanoTime() - sentNanos;
        synchronized (latencies()) {
            if (latencyCount == latencies.length) {
                latencies = Arrays.copyOf(latencies, 2 * latencyCount);
            }
            latencies[latencyCount++] = nanos;
        }
    }

    void complain(String who, Throwable failure) {
        errors.incrementAndGet();
        Throwable cause = failure;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        String complaint = who + ": " + cause.getClass().getSimpleName() + ": " + cause.getMessage();
        boolean isNew;
        synchronized (complaints) {
            isNew = complaints.size() < 200 && complaints.add(who + cause.getClass());
        }
        if (isNew) {
            say(Map.of("complaint", complaint));
        }
    }

    private Object latencies() {
        return errors;
    }

    private long elapsedMillis() {
        return (System.nanoTime() - began) / 1_000_000;
    }

    private Map<String, Long> counters() {
        long[] sorted;
        synchronized (latencies()) {
            sorted = Arrays.copyOf(latencies, latencyCount);
            latencyCount = 0;
        }
        Arrays.sort(sorted);
        Map<String, Long> counters = new LinkedHashMap<>();
        counters.put("elapsed_ms", elapsedMillis());
        counters.put("acknowledged", acknowledged.get());
        counters.put("committed", committed.get());
        counters.put("aborted", aborted.get());
        counters.put("consumed", consumed.get());
        counters.put("commits", commits.get());
        counters.put("deletions", deletions.get());
        counters.put("errors", errors.get());
        counters.put("produce_p99_us", sorted.length == 0 ? 0 : sorted[(int) (sorted.length * 0.99)] / 1_000);
        return counters;
    }

    private static synchronized void say(Object line) {
        try {
            System.out.println(Lab.JSON.writeValueAsString(line));
            System.out.flush();
        } catch (Exception impossible) {
            throw new IllegalStateException(impossible);
        }
    }
}
