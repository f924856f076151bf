import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.TopicExistsException;

/** Changes a running cluster by the actions of lab/src/action.rs. Answers how many things were changed. */
final class Change {
    private final Admin admin;
    private final JsonNode action;

    private Change(Admin admin, JsonNode action) {
        this.admin = admin;
        this.action = action;
    }

    /** Does one action after the other, each a line on standard input that is answered by a line, until there are no more. */
    static void run(JsonNode request, BufferedReader input) throws Exception {
        try (Admin admin = Clients.admin(request)) {
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                Map<String, Object> answer = new HashMap<>();
                try {
                    answer.put("changed", new Change(admin, Lab.JSON.readTree(line)).apply());
                } catch (Exception failure) {
                    answer.put("failure", Lab.explain(failure));
                }
                System.out.println(Lab.JSON.writeValueAsString(answer));
                System.out.flush();
            }
        }
    }

    private int apply() throws Exception {
        String kind = action.get("kind").asText();
        return switch (kind) {
            case "move-leaders" -> moveLeaders();
            case "create-topic" -> create(60_000);
            case "delete-topic" -> delete(action.get("topic").asText());
            case "recreate-topic" -> delete(action.get("name").asText()) + create(60_000);
            case "add-partitions" -> addPartitions();
            case "reassign" -> reassign();
            case "move-log-dir" -> moveLogDir();
            case "await-moves" -> awaitMoves();
            case "delete-records" ->
                    deleteRecords(admin, action.get("topic").asText(), action.get("keep").asLong());
            case "set-config" -> setConfig();
            case "elect-uncleanly" -> electUncleanly();
            default -> throw new IllegalArgumentException("no action " + kind);
        };
    }

    /** Makes another in-sync replica the preferred leader of each partition, and has it elected. */
    private int moveLeaders() throws Exception {
        JsonNode chosen = action.get("topics");
        Set<String> names = chosen.isNull() ? null : new HashSet<>(Clients.strings(chosen));
        Map<TopicPartition, Optional<NewPartitionReassignment>> orders = new HashMap<>();
        for (Map.Entry<String, TopicDescription> topic : Clients.topics(admin).entrySet()) {
            if (names != null && !names.contains(topic.getKey())) {
                continue;
            }
            for (TopicPartitionInfo partition : topic.getValue().partitions()) {
                next(partition).ifPresent(leader -> {
                    List<Integer> order = new ArrayList<>(List.of(leader));
                    partition.replicas().stream().map(Node::id).filter(id -> id != leader).forEach(order::add);
                    orders.put(
                            new TopicPartition(topic.getKey(), partition.partition()),
                            Optional.of(new NewPartitionReassignment(order)));
                });
            }
        }
        if (orders.isEmpty()) {
            return 0;
        }
        admin.alterPartitionReassignments(orders).all().get();
        return elect(ElectionType.PREFERRED, orders.keySet());
    }

    /** The in-sync replica after the leader in the order of ids. */
    private static Optional<Integer> next(TopicPartitionInfo partition) {
        if (partition.leader() == null) {
            return Optional.empty();
        }
        int leader = partition.leader().id();
        List<Integer> others = partition.isr().stream().map(Node::id).filter(id -> id != leader).sorted().toList();
        return others.stream().filter(id -> id > leader).findFirst().or(() -> others.stream().findFirst());
    }

    private int elect(ElectionType type, Set<TopicPartition> partitions) throws Exception {
        int elected = 0;
        for (Optional<Throwable> failure : admin.electLeaders(type, partitions).partitions().get().values()) {
            if (failure.isEmpty()) {
                elected++;
            } else if (!(failure.get() instanceof ElectionNotNeededException)) {
                throw new ExecutionException(failure.get());
            }
        }
        return elected;
    }

    private int create(long millis) throws Exception {
        Map<String, String> configs = new HashMap<>();
        action.get("configs").properties().forEach(config -> configs.put(config.getKey(), config.getValue().asText()));
        String name = action.get("name").asText();
        NewTopic topic = new NewTopic(name, action.get("partitions").asInt(), (short) action.get("replication").asInt());
        long deadline = System.currentTimeMillis() + millis;
        while (true) {
            try {
                admin.createTopics(List.of(topic.configs(configs))).all().get();
                return 1;
            } catch (ExecutionException failure) {
                // The topic of that name may be on its way out.
                if (!(failure.getCause() instanceof TopicExistsException) || System.currentTimeMillis() > deadline) {
                    throw failure;
                }
                Thread.sleep(50);
            }
        }
    }

    private int delete(String topic) throws Exception {
        admin.deleteTopics(List.of(topic)).all().get();
        return 1;
    }

    private int addPartitions() throws Exception {
        NewPartitions total = NewPartitions.increaseTo(action.get("total").asInt());
        admin.createPartitions(Map.of(action.get("topic").asText(), total)).all().get();
        return 1;
    }

    private int reassign() throws Exception {
        List<Integer> replicas = new ArrayList<>();
        action.get("replicas").forEach(replica -> replicas.add(replica.asInt()));
        admin.alterPartitionReassignments(Map.of(partition(), Optional.of(new NewPartitionReassignment(replicas))))
                .all().get();
        return 1;
    }

    private int moveLogDir() throws Exception {
        TopicPartition partition = partition();
        TopicPartitionReplica replica =
                new TopicPartitionReplica(partition.topic(), partition.partition(), action.get("broker").asInt());
        admin.alterReplicaLogDirs(Map.of(replica, action.get("log_dir").asText())).all().get();
        return 1;
    }

    /** Waits until no replica is on its way to another broker or log dir. */
    private int awaitMoves() throws Exception {
        long deadline = System.nanoTime() + action.get("seconds").asLong() * 1_000_000_000L;
        while (System.nanoTime() < deadline) {
            List<Integer> brokers = admin.describeCluster().nodes().get().stream().map(Node::id).toList();
            boolean isMoving = !admin.listPartitionReassignments().reassignments().get().isEmpty()
                    || admin.describeLogDirs(brokers).allDescriptions().get().values().stream()
                            .map(Map::values).flatMap(Collection::stream)
                            .flatMap(directory -> directory.replicaInfos().values().stream())
                            .anyMatch(replica -> replica.isFuture());
            if (!isMoving) {
                return 0;
            }
            Thread.sleep(100);
        }
        throw new IllegalStateException("replicas are still on the move");
    }

    /** Deletes all but the last {@code keep} records of each partition, and tells in how many there were more. */
    static int deleteRecords(Admin admin, String topic, long keep) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions()
                .forEach(one -> asked.put(new TopicPartition(topic, one.partition()), OffsetSpec.latest()));
        Map<TopicPartition, RecordsToDelete> deleted = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((partition, end) -> {
            long before = end.offset() - keep;
            if (before > 0) {
                deleted.put(partition, RecordsToDelete.beforeOffset(before));
            }
        });
        if (!deleted.isEmpty()) {
            admin.deleteRecords(deleted).all().get();
        }
        return deleted.size();
    }

    private int setConfig() throws Exception {
        List<AlterConfigOp> operations = new ArrayList<>();
        action.get("configs").properties().forEach(config -> {
            String value = config.getValue().asText();
            operations.add(new AlterConfigOp(
                    new ConfigEntry(config.getKey(), value),
                    value.isEmpty() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET));
        });
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, action.get("topic").asText());
        admin.incrementalAlterConfigs(Map.of(topic, operations)).all().get();
        return operations.size();
    }

    /** Has any living replica elected, once the partition has no leader; 0 if it keeps one for a minute. */
    private int electUncleanly() throws Exception {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (true) {
            try {
                int elected = elect(ElectionType.UNCLEAN, Set.of(partition()));
                if (elected > 0 || System.nanoTime() > deadline) {
                    return elected;
                }
            } catch (ExecutionException notYet) {
                if (System.nanoTime() > deadline) {
                    throw notYet;
                }
            }
            Thread.sleep(200);
        }
    }

    private TopicPartition partition() {
        return new TopicPartition(action.get("topic").asText(), action.get("partition").asInt());
    }
}
