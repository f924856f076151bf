//! What an operator does to a running cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::cluster::NodeId;
use crate::setup::TopicSpec;

/// A change for an [`Operator`](crate::Operator); lab/java/Change.java does it by Kafka's Admin client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Action {
    /// Makes another in-sync replica the preferred leader of each partition and has it elected. Answers how many were.
    MoveLeaders {
        /// Whose partitions; all, Kafka's own included, if not given.
        topics: Option<Vec<String>>,
    },
    /// Creates a topic.
    CreateTopic(TopicSpec),
    /// Deletes a topic.
    DeleteTopic {
        /// Its name.
        topic: String,
    },
    /// Deletes a topic and creates another of the same name.
    RecreateTopic(TopicSpec),
    /// Adds partitions to a topic.
    AddPartitions {
        /// Its name.
        topic: String,
        /// How many it has then.
        total: i32,
    },
    /// Begins to move a partition to other brokers; [`Self::AwaitMoves`] waits.
    Reassign {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The new replicas, the preferred leader first.
        replicas: Vec<NodeId>,
    },
    /// Begins to move a replica to another log dir of its broker; [`Self::AwaitMoves`] waits.
    MoveLogDir {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The broker.
        broker: NodeId,
        /// The log dir, as the broker's configuration names it.
        log_dir: PathBuf,
    },
    /// Waits until no replica moves any more.
    AwaitMoves {
        /// For how long at most.
        seconds: u64,
    },
    /// Deletes the oldest records of all partitions of a topic (DeleteRecords). Answers in how many partitions there were any.
    DeleteRecords {
        /// The topic.
        topic: String,
        /// Records that stay in each partition.
        keep: u64,
    },
    /// Sets configs of a topic.
    SetConfig {
        /// The topic.
        topic: String,
        /// Values by name; an empty one takes the config away.
        configs: BTreeMap<String, String>,
    },
    /// Has any living replica of a partition elected once it has no leader, which loses what only the others had. Answers 0 if
    /// it keeps one for a minute.
    ElectUncleanly {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

#[cfg(test)]
mod tests {
    use super::Action;
    use crate::TopicSpec;

    #[test]
    fn an_action_is_told_by_its_kind_beside_what_it_needs() {
        let json = |action: Action| serde_json::to_string(&action).unwrap();
        assert_eq!(
            json(Action::MoveLeaders { topics: None }),
            r#"{"kind":"move-leaders","topics":null}"#
        );
        assert_eq!(
            json(Action::RecreateTopic(TopicSpec::new("reborn", 2, 3))),
            r#"{"kind":"recreate-topic","name":"reborn","partitions":2,"replication":3,"configs":{}}"#
        );
    }
}
