//! What Kafka's Admin client tells about a cluster.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dump::Dump;
use crate::partition::TopicPartition;

/// A cluster as its Admin client sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClusterDescription {
    /// The cluster id.
    pub cluster_id: String,
    /// Topics by name, internal ones included.
    pub topics: BTreeMap<String, TopicDescription>,
    /// Dynamic broker configs: by broker id, and under "" those of all.
    pub broker_configs: BTreeMap<String, BTreeMap<String, String>>,
    /// ACLs as Kafka prints them, sorted.
    pub acls: Vec<String>,
    /// SCRAM mechanisms and iterations by user.
    pub scram_users: BTreeMap<String, Vec<String>>,
    /// Quotas by entity.
    pub quotas: BTreeMap<String, BTreeMap<String, f64>>,
    /// Finalized feature levels.
    pub features: BTreeMap<String, i16>,
    /// Consumer groups with their committed offsets by partition (`topic-0`).
    pub groups: BTreeMap<String, BTreeMap<String, i64>>,
    /// Share groups with the offsets from which they deliver, by partition.
    #[serde(default)]
    pub share_groups: BTreeMap<String, BTreeMap<String, i64>>,
    /// Transactional ids with state.
    pub transactions: BTreeMap<String, String>,
    /// Partitions with producers in an open transaction that its coordinator does not know as ongoing.
    pub hanging_transactions: Vec<String>,
    /// Bytes in each replica: broker id, log dir, partition.
    pub log_dirs: BTreeMap<String, BTreeMap<String, BTreeMap<String, i64>>>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopicDescription {
    /// The topic id in Kafka's base64.
    pub id: String,
    /// Partitions in order.
    pub partitions: Vec<PartitionDescription>,
    /// Configs set on the topic.
    pub configs: BTreeMap<String, String>,
}

/// A partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionDescription {
    /// The leader, if there is one.
    pub leader: Option<i32>,
    /// Replicas in assignment order.
    pub replicas: Vec<i32>,
    /// In-sync replicas, sorted.
    pub isr: Vec<i32>,
}

/// Something that two descriptions tell differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where: `topics/bank/configs/retention.ms`.
    pub path: String,
    /// Before, null where it was not there.
    pub before: Value,
    /// After, null where it is not there.
    pub after: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} became {}", self.path, self.before, self.after)
    }
}

impl ClusterDescription {
    /// The same cluster without the topic configs by which a restore holds retention back.
    #[must_use]
    pub fn without_retention(&self) -> Self {
        let mut description = self.clone();
        for topic in description.topics.values_mut() {
            topic
                .configs
                .retain(|key, _| !matches!(key.as_str(), "retention.ms" | "retention.bytes"));
        }
        description
    }

    /// What a restore onto the same topology has to give back, and how `after` differs from it: cluster id, topics with ids,
    /// assignments and configs, broker configs, ACLs, SCRAM users, quotas, features.
    ///
    /// Leaders, ISRs, transactions and sizes are a matter of the moment; group offsets one of the cut.
    pub fn identity_differences(&self, after: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        collect("", &self.identity(), &after.identity(), &mut differences);
        differences
    }

    /// How committed offsets of groups differ; they are the same when nothing was consumed since the snapshot.
    pub fn group_differences(&self, after: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        collect(
            "groups",
            &serde_json::json!(self.groups),
            &serde_json::json!(after.groups),
            &mut differences,
        );
        differences
    }

    /// Offsets of groups, share groups included, that point past the end of what `dump` found in their partition: those groups
    /// would start over or skip what is written next.
    pub fn offsets_beyond_data(&self, dump: &Dump) -> Vec<String> {
        let mut beyond = Vec::new();
        for (group, offsets) in self.groups.iter().chain(&self.share_groups) {
            for (partition, &offset) in offsets {
                let end = partition
                    .parse()
                    .ok()
                    .and_then(|name: TopicPartition| Some(dump.partitions.get(&name)?.end));
                if end.is_none_or(|end| offset > end) {
                    beyond.push(format!(
                        "group {group}: {partition} committed at {offset}, ends at {end:?}"
                    ));
                }
            }
        }
        beyond
    }

    /// Partitions without a leader or with a replica out of sync.
    pub fn degraded_partitions(&self) -> Vec<String> {
        let mut degraded = Vec::new();
        for (name, topic) in &self.topics {
            for (number, partition) in topic.partitions.iter().enumerate() {
                if partition.leader.is_none() || partition.isr.len() != partition.replicas.len() {
                    degraded.push(format!("{name}-{number}"));
                }
            }
        }
        degraded
    }

    /// How many partitions there are, internal ones included.
    pub fn partition_count(&self) -> usize {
        self.topics.values().map(|topic| topic.partitions.len()).sum()
    }

    fn identity(&self) -> Value {
        let topics: BTreeMap<_, _> = self
            .topics
            .iter()
            .map(|(name, topic)| {
                let replicas: Vec<_> = topic.partitions.iter().map(|partition| &partition.replicas).collect();
                (
                    name,
                    serde_json::json!({ "id": topic.id, "configs": topic.configs, "replicas": replicas }),
                )
            })
            .collect();
        serde_json::json!({
            "cluster_id": self.cluster_id,
            "topics": topics,
            "broker_configs": self.broker_configs,
            "acls": self.acls,
            "scram_users": self.scram_users,
            "quotas": self.quotas,
            "features": self.features,
        })
    }
}

fn collect(path: &str, before: &Value, after: &Value, differences: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}/{key}")
                };
                let null = Value::Null;
                collect(
                    &path,
                    old.get(key).unwrap_or(&null),
                    new.get(key).unwrap_or(&null),
                    differences,
                );
            }
        }
        _ if before == after => {}
        _ => differences.push(Difference {
            path: path.to_owned(),
            before: before.clone(),
            after: after.clone(),
        }),
    }
}

#[cfg(test)]
mod tests;
