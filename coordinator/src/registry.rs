//! Which agents are connected: one session per node, and who is refused (DESIGN §5).
//!
//! A session has a number that its unary calls carry, so that a call of an old session is told apart.

use std::collections::BTreeMap;

use maxbrod_kafka::NodeId;
use maxbrod_proto::PROTOCOL_VERSION;
use maxbrod_proto::agent::{Hello, LogDir, Role, Status};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Why an agent is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It belongs to another cluster.
    #[error(
        "admit the agent of node {node}: its cluster id is {theirs:?}, this coordinator backs up {ours:?}; \
         point it to that cluster's coordinator"
    )]
    ForeignCluster {
        /// The node.
        node: NodeId,
        /// The agent's cluster.
        theirs: String,
        /// The coordinator's.
        ours: String,
    },
    /// It speaks another protocol.
    #[error(
        "admit the agent of node {node}: it speaks protocol version {theirs}, this coordinator {PROTOCOL_VERSION}; update the older of the two"
    )]
    ProtocolVersion {
        /// The node.
        node: NodeId,
        /// The agent's version.
        theirs: u32,
    },
    /// Another agent has the node's session.
    #[error("admit the agent of node {node}: another live agent has this node id; stop one of them")]
    TwoAgents {
        /// The node.
        node: NodeId,
    },
    /// Its first message makes no sense.
    #[error("admit an agent: {why}")]
    Malformed {
        /// What is wrong.
        why: String,
    },
}

impl Refusal {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ForeignCluster { .. } => "agent-foreign-cluster",
            Self::ProtocolVersion { .. } => "agent-protocol-version",
            Self::TwoAgents { .. } => "agent-node-id-taken",
            Self::Malformed { .. } => "agent-hello-malformed",
        }
    }
}

/// An agent that was admitted, connected or not.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The session's number.
    pub session: u64,
    /// Whether the session is open.
    pub connected: bool,
    /// What it said first.
    pub hello: Hello,
    /// What it said last.
    pub status: Status,
    /// When that was, in seconds since 1970.
    pub last_seen: i64,
}

impl Agent {
    /// Its node.
    pub fn node(&self) -> NodeId {
        NodeId(self.hello.node_id)
    }

    /// Whether its node is a controller.
    pub fn is_controller(&self) -> bool {
        self.hello.roles().any(|role| role == Role::Controller)
    }

    /// The names of its node's roles.
    pub fn roles(&self) -> Vec<String> {
        self.hello
            .roles()
            .filter_map(|role| match role {
                Role::Broker => Some("broker".to_owned()),
                Role::Controller => Some("controller".to_owned()),
                Role::Unspecified => None,
            })
            .collect()
    }

    /// Its node's log dirs, as last seen.
    pub fn log_dirs(&self) -> &[LogDir] {
        if self.status.log_dirs.is_empty() {
            &self.hello.log_dirs
        } else {
            &self.status.log_dirs
        }
    }
}

/// All agents seen since the start.
#[derive(Debug, Default)]
pub struct Registry {
    agents: BTreeMap<NodeId, Agent>,
    last_session: u64,
}

impl Registry {
    /// Begins with session numbers that no earlier coordinator gave out.
    pub fn new(epoch: u64) -> Self {
        Self {
            agents: BTreeMap::new(),
            last_session: epoch << 32,
        }
    }

    /// Admits an agent and gives its session a number. The same process may come back on a new connection, and takes over its
    /// own session; another process of the same node is refused as long as that session lives.
    pub fn admit(&mut self, cluster_id: &str, hello: Hello, now: i64) -> Result<u64, Refusal> {
        let node = NodeId(hello.node_id);
        check(cluster_id, &hello)?;
        if self
            .agents
            .get(&node)
            .is_some_and(|agent| agent.connected && agent.hello.incarnation != hello.incarnation)
        {
            return Err(Refusal::TwoAgents { node });
        }
        self.last_session += 1;
        let session = self.last_session;
        let agent = Agent {
            session,
            connected: true,
            hello,
            status: Status::default(),
            last_seen: now,
        };
        self.agents.insert(node, agent);
        Ok(session)
    }

    /// Ends a session. False: it had been taken over by a newer one.
    pub fn end(&mut self, session: u64, now: i64) -> bool {
        match self.agents.values_mut().find(|agent| agent.session == session) {
            Some(agent) => {
                agent.connected = false;
                agent.last_seen = now;
                true
            }
            None => false,
        }
    }

    /// Takes in what an agent says about itself.
    pub fn note(&mut self, session: u64, status: Status, now: i64) {
        if let Some(agent) = self.agents.values_mut().find(|agent| agent.session == session) {
            agent.status = status;
            agent.last_seen = now;
        }
    }

    /// The agent of a live session.
    pub fn session(&self, session: u64) -> Option<&Agent> {
        self.agents
            .values()
            .find(|agent| agent.session == session && agent.connected)
    }

    /// All agents, by node.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }
}

/// Whether an agent's first message can be accepted by the coordinator of a cluster.
pub fn check(cluster_id: &str, hello: &Hello) -> Result<(), Refusal> {
    let node = NodeId(hello.node_id);
    if hello.protocol_version != PROTOCOL_VERSION {
        return Err(Refusal::ProtocolVersion {
            node,
            theirs: hello.protocol_version,
        });
    }
    if hello.cluster_id.is_empty() {
        return Err(Refusal::Malformed {
            why: format!("the agent of node {node} names no cluster id"),
        });
    }
    if hello.cluster_id != cluster_id {
        return Err(Refusal::ForeignCluster {
            node,
            theirs: hello.cluster_id.clone(),
            ours: cluster_id.to_owned(),
        });
    }
    if hello.incarnation.len() != 16 {
        return Err(Refusal::Malformed {
            why: format!("the agent of node {node} has no incarnation of 16 bytes"),
        });
    }
    Ok(())
}
