//! A plan: every choice of a restore, fixed, so that all hosts do the same.

use std::path::PathBuf;

use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset, ProducerId};
use maxbrod_repository::{Hash, RootRef};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The version of the plan's format.
pub(crate) const VERSION: u32 = 1;

/// A plan, as `restore plan --out` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Of this format: 1.
    pub version: u32,
    /// The repository.
    pub repository_id: String,
    /// The cluster; the restored one keeps its id.
    pub cluster_id: String,
    /// The snapshot.
    pub snapshot: String,
    /// Its manifest's root.
    pub root: RootRef,
    /// Every partition's leader epoch: above the highest in any snapshot of this cluster and any restore, plus 1,000, so that
    /// no (offset, epoch) is ever used twice.
    pub leader_epoch: i32,
    /// The first producer id that the restored cluster hands out.
    pub next_producer_id: i64,
    /// Whether retention is held back.
    pub hold_retention: bool,
    /// The rewritten KRaft checkpoint.
    pub checkpoint: CheckpointPlan,
    /// The nodes.
    pub nodes: Vec<NodePlan>,
    /// Topic configs that are set to hold retention back, with what they were.
    pub held: Vec<HeldConfig>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// The KRaft checkpoint that every controller gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointPlan {
    /// Its file's name.
    pub name: String,
    /// The end offset in it.
    pub end_offset: i64,
    /// The epoch in it.
    pub epoch: i32,
    /// BLAKE3 of its bytes.
    pub blake3: Hash,
}

/// One node's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Its id.
    pub node_id: i32,
    /// `broker`, `controller`.
    pub roles: Vec<String>,
    /// The epoch of its restored registration, for `.kafka_cleanshutdown`. Absent: it is no registered broker.
    pub broker_epoch: Option<i64>,
    /// Where `__cluster_metadata-0` goes, for a controller.
    pub metadata_log_dir: PathBuf,
    /// Its directories.
    pub log_dirs: Vec<LogDirPlan>,
}

/// One directory of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogDirPlan {
    /// Where it was.
    pub original: PathBuf,
    /// Where it is restored to.
    pub path: PathBuf,
    /// Its id, as `meta.properties` and the metadata say.
    pub directory_id: String,
    /// How many partitions go there.
    pub partitions: u64,
    /// Bytes of their logs.
    pub log_bytes: u64,
}

/// A topic config that holds retention back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldConfig {
    /// The topic.
    pub topic: String,
    /// `retention.ms` or `retention.bytes`.
    pub key: String,
    /// What the topic had; absent: the broker's default.
    pub former: Option<String>,
}

impl Plan {
    /// Reads a plan.
    pub fn from_json(text: &str) -> Result<Self> {
        let plan: Self = serde_json::from_str(text).map_err(|error| Error::Plan { reason: format!("{error}") })?;
        if plan.version != VERSION {
            let reason = format!("it has version {}, this maxbrod carries out version {VERSION}; make a new plan", plan.version);
            return Err(Error::Plan { reason });
        }
        Ok(plan)
    }

    /// Writes the plan.
    pub fn to_json(&self) -> String {
        // A struct of texts and numbers always has a JSON form.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Names the plan: hosts that were restored by different plans don't belong to one cluster.
    pub fn hash(&self) -> Hash {
        Hash::of(self.to_json().as_bytes())
    }

    /// A node's part.
    pub fn node(&self, node: NodeId) -> Result<&NodePlan> {
        self.nodes.iter().find(|plan| plan.node_id == node.0).ok_or_else(|| {
            let known: Vec<String> = self.nodes.iter().map(|plan| plan.node_id.to_string()).collect();
            Error::UnknownNode { node: node.0, known: known.join(", ") }
        })
    }

    /// The command lines that give topics their retention back.
    pub fn lift_commands(&self) -> Vec<String> {
        let mut topics: Vec<&str> = self.held.iter().map(|held| held.topic.as_str()).collect();
        topics.dedup();
        topics
            .into_iter()
            .map(|topic| {
                let of_topic = || self.held.iter().filter(|held| held.topic == topic);
                let add: Vec<String> =
                    of_topic().filter_map(|held| Some(format!("{}={}", held.key, held.former.as_ref()?))).collect();
                let delete: Vec<&str> =
                    of_topic().filter(|held| held.former.is_none()).map(|held| held.key.as_str()).collect();
                let mut command = format!("kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic {topic}");
                if !add.is_empty() {
                    command.push_str(&format!(" --add-config {}", add.join(",")));
                }
                if !delete.is_empty() {
                    command.push_str(&format!(" --delete-config {}", delete.join(",")));
                }
                command
            })
            .collect()
    }

    pub(crate) fn raised_leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.leader_epoch)
    }

    pub(crate) fn raised_producer_id(&self) -> ProducerId {
        ProducerId(self.next_producer_id)
    }
}

impl NodePlan {
    /// Whether partitions live on it.
    pub fn is_broker(&self) -> bool {
        self.roles.iter().any(|role| role == "broker")
    }

    /// Whether it votes on the metadata.
    pub fn is_controller(&self) -> bool {
        self.roles.iter().any(|role| role == "controller")
    }
}

impl LogDirPlan {
    pub(crate) fn id(&self) -> Result<DirectoryId> {
        self.directory_id.parse().map_err(|error| Error::Plan { reason: format!("directory {}: {error}", self.path.display()) })
    }
}

impl CheckpointPlan {
    pub(crate) fn end(&self) -> maxbrod_kafka::metadata::Position {
        maxbrod_kafka::metadata::Position { end_offset: Offset(self.end_offset), epoch: LeaderEpoch(self.epoch) }
    }
}
