//! The shape of a cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result};

/// A node's `node.id`.
pub type NodeId = i32;

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Broker and controller in one process.
    Combined,
    /// Broker only.
    Broker,
    /// Controller only.
    Controller,
}

impl Role {
    /// Tells whether partitions live on it.
    pub fn is_broker(self) -> bool {
        self != Self::Controller
    }

    /// Tells whether it votes in the metadata quorum.
    pub fn is_controller(self) -> bool {
        self != Self::Broker
    }

    pub(crate) fn process_roles(self) -> &'static str {
        match self {
            Self::Combined => "broker,controller",
            Self::Broker => "broker",
            Self::Controller => "controller",
        }
    }
}

/// How the metadata quorum knows its voters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voters {
    /// By `controller.quorum.voters` in every node's configuration (kraft.version 0).
    Static,
    /// By records in the metadata log (KIP-853, kraft.version 1).
    Dynamic,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Its `node.id`.
    pub id: NodeId,
    /// What it does.
    pub role: Role,
    /// How many log dirs it has; a controller uses the first.
    pub log_dirs: usize,
}

/// A cluster to lay out.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterSpec {
    /// Its nodes.
    pub nodes: Vec<NodeSpec>,
    /// How the quorum knows its voters.
    pub voters: Voters,
    /// Whether the feature eligible.leader.replicas is on (KIP-966; Kafka's default from 4.1 on).
    pub eligible_leader_replicas: bool,
    /// Whether brokers check ACLs. Clients of the lab are super users either way.
    pub authorizer: bool,
    /// The cluster id; a random one if not given.
    pub cluster_id: Option<String>,
    /// Heap of each node in MiB.
    pub heap_mib: u32,
    /// Settings of every node over the lab's own; an empty value removes one.
    pub settings: BTreeMap<String, String>,
}

impl ClusterSpec {
    /// Describes `nodes` combined nodes numbered from 1, with static voters and one log dir each.
    pub fn combined(nodes: usize) -> Self {
        Self::of(
            (1..)
                .take(nodes)
                .map(|id| NodeSpec {
                    id,
                    role: Role::Combined,
                    log_dirs: 1,
                })
                .collect(),
        )
    }

    /// Describes brokers numbered from 1 and controllers numbered from 101.
    pub fn separate(brokers: usize, controllers: usize) -> Self {
        let brokers = (1..).take(brokers).map(|id| NodeSpec {
            id,
            role: Role::Broker,
            log_dirs: 1,
        });
        let controllers = (101..).take(controllers).map(|id| NodeSpec {
            id,
            role: Role::Controller,
            log_dirs: 1,
        });
        Self::of(controllers.chain(brokers).collect())
    }

    fn of(nodes: Vec<NodeSpec>) -> Self {
        Self {
            nodes,
            voters: Voters::Static,
            eligible_leader_replicas: true,
            authorizer: true,
            cluster_id: None,
            heap_mib: 400,
            settings: BTreeMap::new(),
        }
    }

    /// Gives every broker `count` log dirs.
    #[must_use]
    pub fn log_dirs(mut self, count: usize) -> Self {
        for node in self.nodes.iter_mut().filter(|node| node.role.is_broker()) {
            node.log_dirs = count;
        }
        self
    }

    /// Chooses how the quorum knows its voters.
    #[must_use]
    pub fn voters(mut self, voters: Voters) -> Self {
        self.voters = voters;
        self
    }

    /// Turns eligible leader replicas off.
    #[must_use]
    pub fn without_eligible_leader_replicas(mut self) -> Self {
        self.eligible_leader_replicas = false;
        self
    }

    /// Adds or replaces a setting of every node.
    #[must_use]
    pub fn setting(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.settings.insert(key.into(), value.to_string());
        self
    }

    /// How many nodes are brokers.
    pub fn brokers(&self) -> usize {
        self.nodes.iter().filter(|node| node.role.is_broker()).count()
    }

    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |reason: String| Err(LabError::Specification { reason });
        if !self.nodes.iter().any(|node| node.role.is_controller()) {
            return refuse("no node is a controller".into());
        }
        if self.brokers() == 0 {
            return refuse("no node is a broker".into());
        }
        for (index, node) in self.nodes.iter().enumerate() {
            if self.nodes.iter().take(index).any(|other| other.id == node.id) {
                return refuse(format!("two nodes have the id {}", node.id));
            }
            if node.log_dirs == 0 {
                return refuse(format!("node {} has no log dir", node.id));
            }
        }
        Ok(())
    }
}
