//! What a config belongs to.

use super::ConfigRecord;

/// The kinds of resources that have configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKind(pub i8);

impl ResourceKind {
    /// A topic.
    pub const TOPIC: Self = Self(2);
    /// A broker, or with an empty name all of them.
    pub const BROKER: Self = Self(4);
    /// A subscription to client metrics (KIP-714).
    pub const CLIENT_METRICS: Self = Self(16);
    /// A group.
    pub const GROUP: Self = Self(32);
}

/// What a config belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name; empty for the default of its kind.
    pub name: String,
}

impl ConfigResource {
    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self {
            kind: ResourceKind::TOPIC,
            name: name.into(),
        }
    }

    /// A broker.
    pub fn broker(node: crate::ids::NodeId) -> Self {
        Self {
            kind: ResourceKind::BROKER,
            name: node.0.to_string(),
        }
    }

    /// All brokers.
    pub fn all_brokers() -> Self {
        Self {
            kind: ResourceKind::BROKER,
            name: String::new(),
        }
    }

    /// What a record is about.
    pub fn of(record: &ConfigRecord) -> Self {
        Self {
            kind: ResourceKind(record.resource_type),
            name: record.resource_name.clone(),
        }
    }
}
