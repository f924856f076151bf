//! A made-up cluster and its snapshot, for tests: node 1 is broker and controller with two log dirs, node 2 a broker with a
//! metadata directory of its own, node 3 a controller.

mod log;
mod repository;

use std::path::{Path, PathBuf};

use maxbrod_kafka::metadata::record::{
    FeatureLevelRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord, TopicRecord,
};
use maxbrod_kafka::metadata::{ConfigResource, MetadataImage, MetadataRecord, Position};
use maxbrod_kafka::{BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, ProducerId, TopicId, Uuid};
use maxbrod_proto::manifest;

pub(crate) use log::{Log, LogBuilder};
pub(crate) use repository::{Held, HeldLog, SampleSnapshot};

pub(crate) const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";
pub(crate) const ORDERS: TopicId = TopicId(Uuid([1; 16]));
pub(crate) const ACCOUNTS: TopicId = TopicId(Uuid([2; 16]));
pub(crate) const QUIET: TopicId = TopicId(Uuid([3; 16]));
pub(crate) const FIRST: DirectoryId = DirectoryId(Uuid([11; 16]));
pub(crate) const SECOND: DirectoryId = DirectoryId(Uuid([12; 16]));
pub(crate) const OTHER: DirectoryId = DirectoryId(Uuid([21; 16]));

/// Where the snapshot's image stands.
pub(crate) const END: Position = Position {
    end_offset: Offset(500),
    epoch: LeaderEpoch(7),
};

pub(crate) fn partition(topic: TopicId, number: i32, replicas: &[(i32, DirectoryId)]) -> PartitionRecord {
    let nodes: Vec<NodeId> = replicas.iter().map(|(node, _)| NodeId(*node)).collect();
    PartitionRecord {
        version: 2,
        partition_id: PartitionId(number),
        topic_id: topic,
        isr: nodes.clone(),
        leader: nodes[0],
        replicas: nodes,
        leader_epoch: LeaderEpoch(4),
        partition_epoch: 9,
        directories: replicas.iter().map(|(_, directory)| *directory).collect(),
        ..PartitionRecord::default()
    }
}

/// The metadata: `orders` with two partitions on both brokers, compacted `accounts` on node 1, `quiet` on node 2.
pub(crate) fn records() -> Vec<MetadataRecord> {
    let feature = |name: &str, level| FeatureLevelRecord {
        name: name.to_owned(),
        feature_level: level,
        ..FeatureLevelRecord::default()
    };
    let broker = |node: i32, epoch: i64, log_dirs: &[DirectoryId]| RegisterBrokerRecord {
        version: 3,
        broker_id: NodeId(node),
        incarnation_id: Uuid([node as u8; 16]),
        broker_epoch: BrokerEpoch(epoch),
        fenced: false,
        log_dirs: log_dirs.to_vec(),
        ..RegisterBrokerRecord::default()
    };
    let topic = |name: &str, topic_id| TopicRecord {
        name: name.to_owned(),
        topic_id,
        ..TopicRecord::default()
    };
    vec![
        feature("metadata.version", 25).into(),
        feature("eligible.leader.replicas.version", 1).into(),
        broker(1, 101, &[FIRST, SECOND]).into(),
        broker(2, 102, &[OTHER]).into(),
        topic("orders", ORDERS).into(),
        partition(ORDERS, 0, &[(1, FIRST), (2, OTHER)]).into(),
        partition(ORDERS, 1, &[(2, OTHER), (1, SECOND)]).into(),
        topic("accounts", ACCOUNTS).into(),
        partition(ACCOUNTS, 0, &[(1, SECOND)]).into(),
        topic("quiet", QUIET).into(),
        partition(QUIET, 0, &[(2, OTHER)]).into(),
        ProducerIdsRecord {
            broker_id: NodeId(-1),
            next_producer_id: ProducerId(5_000),
            ..ProducerIdsRecord::default()
        }
        .into(),
    ]
}

pub(crate) fn image() -> MetadataImage {
    let mut image = MetadataImage::from_snapshot(END, records()).unwrap();
    let orders = ConfigResource::topic("orders");
    image.set_config(orders.clone(), "segment.bytes", "600");
    image.set_config(orders.clone(), "index.interval.bytes", "100");
    image.set_config(orders, "retention.ms", "86400000");
    image.set_config(ConfigResource::topic("accounts"), "cleanup.policy", "compact");
    image
}

/// The nodes, with their directories below `root`.
pub(crate) fn nodes(root: &Path) -> Vec<manifest::Node> {
    let node = |node_id: i32, roles: &[&str], dirs: &[(&str, DirectoryId)], metadata: &str| manifest::Node {
        node_id,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        log_dirs: dirs
            .iter()
            .map(|(name, id)| manifest::LogDir {
                path: path(root, node_id, name).display().to_string(),
                directory_id: id.0.0.to_vec().into(),
            })
            .collect(),
        metadata_log_dir: path(root, node_id, metadata).display().to_string(),
        controller_quorum_voters: "1@one:9093,3@three:9093".to_owned(),
        ..manifest::Node::default()
    };
    vec![
        node(1, &["broker", "controller"], &[("a", FIRST), ("b", SECOND)], "a"),
        node(2, &["broker"], &[("a", OTHER)], "meta"),
        node(3, &["controller"], &[], "meta"),
    ]
}

/// A directory of a node.
pub(crate) fn path(root: &Path, node: i32, name: &str) -> PathBuf {
    root.join(format!("node{node}")).join(name)
}
