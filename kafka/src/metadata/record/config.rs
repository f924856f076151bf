//! Configs, quotas, features and producer ids.

use crate::ids::{BrokerEpoch, NodeId, ProducerId};

message! {
    /// A config was set or deleted.
    pub struct ConfigRecord: versions 0..=0, flexible 0 {
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8;
        /// Of which topic, broker, …; empty for the default of all brokers.
        resource_name: String;
        /// The key.
        name: String;
        /// The value; null deletes.
        value: Option<String>;
    }

    /// One part of whom a quota is for.
    pub struct QuotaEntity {
        /// `user`, `client-id` or `ip`.
        entity_type: String;
        /// Its name; null is the default.
        entity_name: Option<String>;
    }

    /// A quota was set or removed.
    pub struct ClientQuotaRecord: versions 0..=0, flexible 0 {
        /// Whom it is for.
        entity: Vec<QuotaEntity>;
        /// What it limits.
        key: String;
        /// The limit.
        value: f64;
        /// Whether it is removed instead.
        remove: bool;
    }

    /// The finalized level of a feature; 0 removes it.
    pub struct FeatureLevelRecord: versions 0..=0, flexible 0 {
        /// The feature's name.
        name: String;
        /// The level.
        feature_level: i16;
    }

    /// A block of producer ids was given to a broker.
    pub struct ProducerIdsRecord: versions 0..=0, flexible 0 {
        /// The broker, or -1 in snapshots.
        broker_id: NodeId;
        /// Its epoch, or -1 in snapshots.
        broker_epoch: BrokerEpoch = BrokerEpoch(-1);
        /// The first producer id that no block covers yet.
        next_producer_id: ProducerId;
    }

    /// How far a cluster's migration off ZooKeeper has come.
    pub struct ZkMigrationStateRecord: versions 0..=0, flexible 0 {
        /// 0 none, 1 migration, 2 pre-migration, 3 post-migration.
        zk_migration_state: i8;
    }
}
