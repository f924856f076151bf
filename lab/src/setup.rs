//! What is created on a cluster before load is put on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Topics, permissions, users, quotas and broker configs to create through Kafka's Admin client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Setup {
    /// Topics.
    pub topics: Vec<TopicSpec>,
    /// ACLs; they need a cluster with an authorizer.
    pub acls: Vec<AclSpec>,
    /// SCRAM users.
    pub scram_users: Vec<ScramUserSpec>,
    /// Client quotas.
    pub quotas: Vec<QuotaSpec>,
    /// Dynamic configs of all brokers (the cluster-wide default).
    pub broker_configs: BTreeMap<String, String>,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Replicas of each partition.
    pub replication: i16,
    /// Configs other than the default.
    pub configs: BTreeMap<String, String>,
}

impl TopicSpec {
    /// Describes a topic without configs.
    pub fn new(name: impl Into<String>, partitions: i32, replication: i16) -> Self {
        Self {
            name: name.into(),
            partitions,
            replication,
            configs: BTreeMap::new(),
        }
    }

    /// Adds a config.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.configs.insert(key.into(), value.to_string());
        self
    }
}

/// An ACL that allows or denies an operation on literally named or prefixed resources, from any host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AclSpec {
    /// Such as `User:alice`.
    pub principal: String,
    /// Kafka's name of the resource type, such as `TOPIC`.
    pub resource_type: String,
    /// The resource's name.
    pub resource: String,
    /// `LITERAL` or `PREFIXED`.
    pub pattern: String,
    /// Kafka's name of the operation, such as `READ`.
    pub operation: String,
    /// `ALLOW` or `DENY`.
    pub permission: String,
}

/// A user with a SCRAM-SHA-512 credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScramUserSpec {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: String,
    /// PBKDF2 iterations, 4096 at least.
    pub iterations: i32,
}

/// A quota of a user or client id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuotaSpec {
    /// Entity types (`user`, `client-id`, `ip`) and names.
    pub entity: BTreeMap<String, String>,
    /// Quota keys such as `producer_byte_rate`, and values.
    pub values: BTreeMap<String, f64>,
}
