//! A plan: every choice of a restore, fixed, so that all hosts do the same.

use std::path::PathBuf;

use jiff::Timestamp;
use maxbrod_kafka::metadata::Position;
use maxbrod_kafka::{DirectoryId, LeaderEpoch, NodeId, Offset, ProducerId};
use maxbrod_repository::{Consistency, Hash, RootRef, SnapshotId};
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
    /// What the restored cluster is to the one that was backed up.
    pub kind: RestoreKind,
    /// The repository.
    pub repository_id: String,
    /// The cluster; the restored one keeps its id.
    pub cluster_id: String,
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The moment that it is of.
    pub cut: Timestamp,
    /// How far it is one moment of the whole cluster.
    pub consistency: Consistency,
    /// Its manifest's root.
    pub root: RootRef,
    /// Every partition's leader epoch, and the metadata's: above the highest in any snapshot of this cluster and any restore,
    /// plus 1,000, so that no (offset, epoch) is ever used twice.
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
    /// Partitions that are restored empty, because the snapshot does not hold them and that was accepted.
    pub empty: Vec<String>,
    /// Partitions in the metadata that began after the moment of the snapshot; they are not restored.
    pub left_out: Vec<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// What a restored cluster is to the one that was backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RestoreKind {
    /// It takes its place: same id, same nodes.
    SameCluster,
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
    /// 0: the voters are those of `controller.quorum.voters`; 1: the checkpoint names them.
    pub kraft_version: u32,
    /// The voters, as far as known.
    pub voters: Vec<i32>,
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
    /// Where `__cluster_metadata-0` goes, for a controller; one of its directories.
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
    /// Its id, as `meta.properties` and the metadata say. Absent: not known, and the node gives itself one.
    pub directory_id: Option<String>,
    /// How many partitions go there.
    pub partitions: u64,
    /// Bytes of their logs.
    pub log_bytes: u64,
    /// Bytes that must be free: logs, indexes, small files.
    pub space_bytes: u64,
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
        /// What plans of every version have: enough to refuse the rest.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let unreadable = |error: serde_json::Error| Error::Plan {
            reason: format!("it is none that `maxbrod restore plan --out` wrote: {error}"),
        };
        let Head { version } = serde_json::from_str(text).map_err(unreadable)?;
        if version != VERSION {
            let reason = format!("it has version {version}, this maxbrod carries out version {VERSION}");
            return Err(Error::Plan { reason });
        }
        serde_json::from_str(text).map_err(unreadable)
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
            Error::UnknownNode {
                node: node.0,
                known: known.join(", "),
            }
        })
    }

    /// The command lines that give topics their retention back.
    pub fn lift_commands(&self) -> Vec<String> {
        let mut topics: Vec<&str> = self.held.iter().map(|held| held.topic.as_str()).collect();
        topics.dedup();
        topics.into_iter().map(|topic| self.lift_command(topic)).collect()
    }

    fn lift_command(&self, topic: &str) -> String {
        let of_topic = || self.held.iter().filter(|held| held.topic == topic);
        let add: Vec<String> = of_topic()
            .filter_map(|held| Some(format!("{}={}", held.key, held.former.as_ref()?)))
            .collect();
        let delete: Vec<&str> = of_topic()
            .filter(|held| held.former.is_none())
            .map(|held| held.key.as_str())
            .collect();
        let mut command = format!("kafka-configs.sh --bootstrap-server HOST:PORT --alter --topic {topic}");
        if !add.is_empty() {
            command.push_str(&format!(" --add-config {}", add.join(",")));
        }
        if !delete.is_empty() {
            command.push_str(&format!(" --delete-config {}", delete.join(",")));
        }
        command
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
    pub(crate) fn id(&self) -> Result<Option<DirectoryId>> {
        let parse = |text: &String| {
            text.parse().map_err(|error| Error::Plan {
                reason: format!("directory {}: {error}", self.path.display()),
            })
        };
        self.directory_id.as_ref().map(parse).transpose()
    }
}

impl CheckpointPlan {
    pub(crate) fn end(&self) -> Position {
        Position {
            end_offset: Offset(self.end_offset),
            epoch: LeaderEpoch(self.epoch),
        }
    }
}
