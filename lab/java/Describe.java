import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.quota.ClientQuotaFilter;

/** Tells all that the Admin client can tell about a cluster. */
final class Describe {
    private static final Set<TransactionState> UNDECIDED =
            Set.of(TransactionState.ONGOING, TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT);

    static Object run(JsonNode request) throws Exception {
        try (Admin admin = Clients.admin(request)) {
            Map<String, TopicDescription> topics = Clients.topics(admin);
            List<Integer> brokers = admin.describeCluster().nodes().get().stream().map(Node::id).toList();
            Map<String, Object> answer = new TreeMap<>();
            answer.put("cluster_id", admin.describeCluster().clusterId().get());
            answer.put("topics", topics(admin, topics));
            answer.put("broker_configs", brokerConfigs(admin, brokers));
            answer.put("acls", acls(admin));
            answer.put("scram_users", scramUsers(admin));
            answer.put("quotas", quotas(admin));
            answer.put("features", features(admin));
            answer.put("groups", groups(admin));
            answer.put("share_groups", shareGroups(admin));
            transactions(admin, topics, answer);
            answer.put("log_dirs", logDirs(admin, brokers));
            return answer;
        }
    }

    private static Object topics(Admin admin, Map<String, TopicDescription> topics) throws Exception {
        List<ConfigResource> resources =
                topics.keySet().stream().map(name -> new ConfigResource(ConfigResource.Type.TOPIC, name)).toList();
        Map<ConfigResource, Config> configs = admin.describeConfigs(resources).all().get();
        Map<String, Object> answer = new TreeMap<>();
        topics.forEach((name, topic) -> {
            Config config = configs.get(new ConfigResource(ConfigResource.Type.TOPIC, name));
            answer.put(name, Map.of(
                    "id", topic.topicId().toString(),
                    "partitions", partitions(topic),
                    "configs", entries(config, ConfigSource.DYNAMIC_TOPIC_CONFIG)));
        });
        return answer;
    }

    /** Leader and replicas of one topic's partitions. */
    static Object partitions(JsonNode request) throws Exception {
        String topic = request.get("topic").asText();
        try (Admin admin = Clients.admin(request)) {
            return partitions(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic));
        }
    }

    private static List<Object> partitions(TopicDescription topic) {
        List<Object> partitions = new ArrayList<>();
        for (TopicPartitionInfo partition : topic.partitions()) {
            Map<String, Object> described = new TreeMap<>();
            described.put("leader", partition.leader() == null ? null : partition.leader().id());
            described.put("replicas", partition.replicas().stream().map(Node::id).toList());
            described.put("isr", partition.isr().stream().map(Node::id).sorted().toList());
            partitions.add(described);
        }
        return partitions;
    }

    private static Object brokerConfigs(Admin admin, List<Integer> brokers) throws Exception {
        Map<String, Object> answer = new TreeMap<>();
        List<String> names = new ArrayList<>(List.of(""));
        brokers.forEach(broker -> names.add(broker.toString()));
        for (String name : names) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, name);
            Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            ConfigSource source = name.isEmpty()
                    ? ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG
                    : ConfigSource.DYNAMIC_BROKER_CONFIG;
            Map<String, String> entries = entries(config, source);
            if (!entries.isEmpty()) {
                answer.put(name, entries);
            }
        }
        return answer;
    }

    private static Map<String, String> entries(Config config, ConfigSource source) {
        Map<String, String> entries = new TreeMap<>();
        for (ConfigEntry entry : config.entries()) {
            if (entry.source() == source) {
                entries.put(entry.name(), String.valueOf(entry.value()));
            }
        }
        return entries;
    }

    private static Object acls(Admin admin) throws Exception {
        try {
            return admin.describeAcls(AclBindingFilter.ANY).values().get().stream().map(Object::toString).sorted().toList();
        } catch (ExecutionException failure) {
            if (failure.getCause() instanceof SecurityDisabledException) {
                return List.of();
            }
            throw failure;
        }
    }

    private static Object scramUsers(Admin admin) throws Exception {
        Map<String, List<String>> answer = new TreeMap<>();
        admin.describeUserScramCredentials().all().get().forEach((user, described) -> answer.put(user,
                described.credentialInfos().stream()
                        .map(credential -> credential.mechanism().mechanismName() + " " + credential.iterations()).sorted().toList()));
        return answer;
    }

    private static Object quotas(Admin admin) throws Exception {
        Map<String, Object> answer = new TreeMap<>();
        admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().forEach((entity, values) ->
                answer.put(new TreeMap<>(entity.entries()).toString(), new TreeMap<>(values)));
        return answer;
    }

    private static Object features(Admin admin) throws Exception {
        Map<String, Object> answer = new TreeMap<>();
        admin.describeFeatures().featureMetadata().get().finalizedFeatures()
                .forEach((name, range) -> answer.put(name, range.maxVersionLevel()));
        return answer;
    }

    private static Object groups(Admin admin) throws Exception {
        Set<GroupType> withOffsets = Set.of(GroupType.CLASSIC, GroupType.CONSUMER);
        Map<String, ListConsumerGroupOffsetsSpec> asked = new HashMap<>();
        admin.listGroups().all().get().stream()
                .filter(group -> group.type().map(withOffsets::contains).orElse(true))
                .forEach(group -> asked.put(group.groupId(), new ListConsumerGroupOffsetsSpec()));
        Map<String, Object> answer = new TreeMap<>();
        if (!asked.isEmpty()) {
            admin.listConsumerGroupOffsets(asked).all().get().forEach((group, offsets) -> {
                Map<String, Long> committed = new TreeMap<>();
                offsets.forEach((partition, offset) -> {
                    if (offset != null) {
                        committed.put(partition.toString(), offset.offset());
                    }
                });
                answer.put(group, committed);
            });
        }
        return answer;
    }

    /** Where each share group begins to deliver, as far as it has begun. */
    private static Object shareGroups(Admin admin) throws Exception {
        Map<String, ListShareGroupOffsetsSpec> asked = new HashMap<>();
        admin.listGroups().all().get().stream()
                .filter(group -> group.type().map(GroupType.SHARE::equals).orElse(false))
                .forEach(group -> asked.put(group.groupId(), new ListShareGroupOffsetsSpec()));
        Map<String, Object> answer = new TreeMap<>();
        if (!asked.isEmpty()) {
            admin.listShareGroupOffsets(asked).all().get().forEach((group, offsets) -> {
                Map<String, Long> starts = new TreeMap<>();
                offsets.forEach((partition, offset) -> {
                    if (offset != null && offset.startOffset() >= 0) {
                        starts.put(partition.toString(), offset.startOffset());
                    }
                });
                answer.put(group, starts);
            });
        }
        return answer;
    }

    /** Transactions with their states, and producers in a transaction that no coordinator will ever end. */
    private static void transactions(Admin admin, Map<String, TopicDescription> topics, Map<String, Object> answer)
            throws Exception {
        List<TopicPartition> partitions = new ArrayList<>();
        topics.forEach((name, topic) -> topic.partitions().stream().filter(partition -> partition.leader() != null)
                .forEach(partition -> partitions.add(new TopicPartition(name, partition.partition()))));
        Map<String, String> states = new TreeMap<>();
        Set<String> hanging = hanging(admin, partitions, states);
        // One that was ending just then is open in the first look and unknown in the second.
        for (int look = 0; look < 3 && !hanging.isEmpty(); look++) {
            Thread.sleep(500);
            hanging.retainAll(hanging(admin, partitions, states));
        }
        answer.put("transactions", states);
        answer.put("hanging_transactions", hanging);
    }

    private static Set<String> hanging(Admin admin, List<TopicPartition> partitions, Map<String, String> states)
            throws Exception {
        Map<Long, List<String>> open = new HashMap<>();
        if (!partitions.isEmpty()) {
            admin.describeProducers(partitions).all().get().forEach((partition, producers) ->
                    producers.activeProducers().forEach(producer ->
                            producer.currentTransactionStartOffset().ifPresent(start ->
                                    open.computeIfAbsent(producer.producerId(), id -> new ArrayList<>())
                                            .add(partition + "@" + start + " producer " + producer.producerId()))));
        }
        Set<Long> known = new HashSet<>();
        states.clear();
        admin.listTransactions().all().get().forEach(transaction -> {
            states.put(transaction.transactionalId(), transaction.state().toString());
            if (UNDECIDED.contains(transaction.state())) {
                known.add(transaction.producerId());
            }
        });
        open.keySet().removeAll(known);
        Set<String> hanging = new TreeSet<>();
        open.values().forEach(hanging::addAll);
        return hanging;
    }

    private static Object logDirs(Admin admin, List<Integer> brokers) throws Exception {
        Map<String, Object> answer = new TreeMap<>();
        admin.describeLogDirs(brokers).allDescriptions().get().forEach((broker, directories) -> {
            Map<String, Object> sizes = new TreeMap<>();
            directories.forEach((path, directory) -> {
                Map<String, Long> replicas = new TreeMap<>();
                directory.replicaInfos().forEach((partition, replica) -> replicas.put(partition.toString(), replica.size()));
                sizes.put(path, replicas);
            });
            answer.put(broker.toString(), sizes);
        });
        return answer;
    }

    private Describe() {}
}
