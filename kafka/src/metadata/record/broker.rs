//! Brokers and controllers: registration, fencing, shutdown, log directories.

use crate::ids::{BrokerEpoch, DirectoryId, NodeId, Uuid};

message! {
    /// Where a node listens.
    pub struct Endpoint {
        /// The listener's name.
        name: String;
        /// The host that clients are told.
        host: String;
        /// The port that clients are told.
        port: u16;
        /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
        security_protocol: i16;
    }

    /// The levels of one feature that a node supports.
    pub struct SupportedFeature {
        /// The feature's name.
        name: String;
        /// The lowest level.
        min_supported_version: i16;
        /// The highest level.
        max_supported_version: i16;
    }

    /// A broker came up, with a new incarnation and epoch.
    pub struct RegisterBrokerRecord: versions 0..=4, flexible 0 {
        /// Its node id.
        broker_id: NodeId;
        /// Whether it runs on ZooKeeper still.
        is_migrating_zk_broker: bool [since 2];
        /// Random, new with each start of the process.
        incarnation_id: Uuid;
        /// The metadata offset of its registration.
        broker_epoch: BrokerEpoch;
        /// Its listeners.
        end_points: Vec<Endpoint>;
        /// What it supports.
        features: Vec<SupportedFeature>;
        /// Its rack.
        rack: Option<String>;
        /// Whether it may not lead.
        fenced: bool = true;
        /// Whether it is shutting down in order.
        in_controlled_shutdown: bool [since 1];
        /// Its log directories that are online.
        log_dirs: Vec<DirectoryId> [since 3, tag 0];
        /// Its log directories that take no new replicas (KIP-1066); null until its first heartbeat says.
        cordoned_log_dirs: Option<Vec<DirectoryId>> [since 4, tag 1];
    }

    /// A broker was taken out of the cluster.
    pub struct UnregisterBrokerRecord: versions 0..=0, flexible 0 {
        /// Its node id.
        broker_id: NodeId;
        /// The epoch it had.
        broker_epoch: BrokerEpoch;
    }

    /// A broker was fenced; replaced by [`BrokerRegistrationChangeRecord`] in Kafka 3.1.
    pub struct FenceBrokerRecord: versions 0..=0, flexible 0 {
        /// Its node id.
        id: NodeId;
        /// Its epoch.
        epoch: BrokerEpoch;
    }

    /// A broker was unfenced; replaced by [`BrokerRegistrationChangeRecord`] in Kafka 3.1.
    pub struct UnfenceBrokerRecord: versions 0..=0, flexible 0 {
        /// Its node id.
        id: NodeId;
        /// Its epoch.
        epoch: BrokerEpoch;
    }

    /// What changed about a registered broker.
    pub struct BrokerRegistrationChangeRecord: versions 0..=3, flexible 0 {
        /// Its node id.
        broker_id: NodeId;
        /// Its epoch.
        broker_epoch: BrokerEpoch;
        /// 1 fenced, -1 unfenced, 0 no change.
        fenced: i8 [tag 0];
        /// 1 it is in controlled shutdown, 0 no change.
        in_controlled_shutdown: i8 [since 1, tag 1];
        /// The log directories now online; empty if no change.
        log_dirs: Vec<DirectoryId> [since 2, tag 2];
        /// The log directories now cordoned; null if no change.
        cordoned_log_dirs: Option<Vec<DirectoryId>> [since 3, tag 3];
    }

    /// A controller came up.
    pub struct RegisterControllerRecord: versions 0..=0, flexible 0 {
        /// Its node id.
        controller_id: NodeId;
        /// Random, new with each start of the process.
        incarnation_id: Uuid;
        /// Left over from the migration off ZooKeeper.
        zk_migration_ready: bool;
        /// Its listeners.
        end_points: Vec<Endpoint>;
        /// What it supports.
        features: Vec<SupportedFeature>;
    }

    /// A controller was taken out of the cluster (Kafka after 4.3).
    pub struct UnregisterControllerRecord: versions 0..=0, flexible 0 {
        /// Its node id.
        controller_id: NodeId;
    }
}
