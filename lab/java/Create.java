import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Creates topics, ACLs, SCRAM users, quotas and broker configs, and waits until the topics have leaders. */
final class Create {
    static Object run(JsonNode request) throws Exception {
        try (Admin admin = Clients.admin(request)) {
            admin.createTopics(topics(request.get("topics"))).all().get();
            admin.createAcls(acls(request.get("acls"))).all().get();
            admin.alterUserScramCredentials(users(request.get("scram_users"))).all().get();
            admin.alterClientQuotas(quotas(request.get("quotas"))).all().get();
            Map<String, String> configs = map(request.get("broker_configs"));
            if (!configs.isEmpty()) {
                List<AlterConfigOp> sets = new ArrayList<>();
                configs.forEach((key, value) ->
                        sets.add(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)));
                ConfigResource everyBroker = new ConfigResource(ConfigResource.Type.BROKER, "");
                admin.incrementalAlterConfigs(Map.of(everyBroker, sets)).all().get();
            }
            Set<String> names = new HashSet<>();
            request.get("topics").forEach(topic -> names.add(topic.get("name").asText()));
            Ready.await(admin, 0, names, 60);
        }
        return null;
    }

    private static List<NewTopic> topics(JsonNode specs) {
        List<NewTopic> topics = new ArrayList<>();
        for (JsonNode spec : specs) {
            short replication = (short) spec.get("replication").asInt();
            topics.add(new NewTopic(spec.get("name").asText(), spec.get("partitions").asInt(), replication)
                    .configs(map(spec.get("configs"))));
        }
        return topics;
    }

    private static List<AclBinding> acls(JsonNode specs) {
        List<AclBinding> acls = new ArrayList<>();
        for (JsonNode spec : specs) {
            ResourcePattern pattern = new ResourcePattern(
                    ResourceType.fromString(spec.get("resource_type").asText()),
                    spec.get("resource").asText(),
                    PatternType.fromString(spec.get("pattern").asText()));
            acls.add(new AclBinding(pattern, new AccessControlEntry(
                    spec.get("principal").asText(),
                    "*",
                    AclOperation.fromString(spec.get("operation").asText()),
                    AclPermissionType.fromString(spec.get("permission").asText()))));
        }
        return acls;
    }

    private static List<UserScramCredentialAlteration> users(JsonNode specs) {
        List<UserScramCredentialAlteration> users = new ArrayList<>();
        for (JsonNode spec : specs) {
            users.add(new UserScramCredentialUpsertion(
                    spec.get("name").asText(),
                    new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, spec.get("iterations").asInt()),
                    spec.get("password").asText()));
        }
        return users;
    }

    private static List<ClientQuotaAlteration> quotas(JsonNode specs) {
        List<ClientQuotaAlteration> quotas = new ArrayList<>();
        for (JsonNode spec : specs) {
            List<ClientQuotaAlteration.Op> operations = new ArrayList<>();
            spec.get("values").properties().forEach(value ->
                    operations.add(new ClientQuotaAlteration.Op(value.getKey(), value.getValue().asDouble())));
            quotas.add(new ClientQuotaAlteration(new ClientQuotaEntity(map(spec.get("entity"))), operations));
        }
        return quotas;
    }

    private static Map<String, String> map(JsonNode object) {
        Map<String, String> map = new HashMap<>();
        object.properties().forEach(field -> map.put(field.getKey(), field.getValue().asText()));
        return map;
    }

    private Create() {}
}
