//! What `cluster status` and `cluster agents` show.

use std::collections::BTreeSet;

use jiff::Timestamp;
use maxbrod_kafka::NodeId;
use maxbrod_proto::agent::{LogDir, PinMethod};
use maxbrod_proto::operator::{AgentStatus, ClusterStatusReply, ExpectedNode, LogDirStatus};

use super::Conductor;
use crate::registry::Agent;

impl Conductor {
    pub(super) fn status(&self) -> ClusterStatusReply {
        let lease = &self.instruments.lease;
        let base = self.instruments.base();
        let registry = self.instruments.registry();
        let connected: BTreeSet<NodeId> = self.sessions.keys().copied().collect();
        let mut reply = ClusterStatusReply {
            cluster_id: lease.cluster_id().0.clone(),
            epoch: lease.epoch(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            repository_id: lease.cluster().repository().id().to_string(),
            open_run: self.sequencer.run().unwrap_or(0),
            base_snapshot: base
                .tree()
                .map(|tree| tree.root().snapshot_id.clone())
                .unwrap_or_default(),
            stage: self
                .sequencer
                .stage()
                .map(|stage| stage.name().to_owned())
                .unwrap_or_default(),
            agents: registry.agents().map(agent_status).collect(),
            last: self.last.clone(),
            ..ClusterStatusReply::default()
        };
        drop(registry);
        self.add_seen(&mut reply);
        if let Some(view) = &self.view {
            reply.metadata_offset = view.layout.offset.0;
            reply.metadata_epoch = view.layout.epoch.0;
            for node in view
                .layout
                .brokers
                .union(&view.layout.controllers)
                .filter(|node| !connected.contains(node))
            {
                let roles = [
                    ("broker", &view.layout.brokers),
                    ("controller", &view.layout.controllers),
                ];
                let roles = roles
                    .iter()
                    .filter(|(_, nodes)| nodes.contains(node))
                    .map(|(role, _)| (*role).to_owned());
                reply.missing.push(ExpectedNode {
                    node_id: node.0,
                    roles: roles.collect(),
                });
            }
        }
        reply
    }

    /// Agents that were here before this coordinator started, and have not been since.
    fn add_seen(&self, reply: &mut ClusterStatusReply) {
        let known: BTreeSet<i32> = reply.agents.iter().map(|agent| agent.node_id).collect();
        let seen = self
            .instruments
            .cache
            .agents(&self.instruments.lease.cluster_id().0)
            .unwrap_or_default();
        for agent in seen.into_iter().filter(|agent| !known.contains(&agent.node)) {
            reply.agents.push(AgentStatus {
                node_id: agent.node,
                roles: agent.roles.split(',').map(str::to_owned).collect(),
                state: "disconnected".to_owned(),
                version: agent.version,
                last_seen: rfc3339(agent.last_seen),
                ..AgentStatus::default()
            });
        }
        reply.agents.sort_by_key(|agent| agent.node_id);
    }
}

fn agent_status(agent: &Agent) -> AgentStatus {
    AgentStatus {
        node_id: agent.hello.node_id,
        roles: agent.roles(),
        state: if agent.connected { "connected" } else { "disconnected" }.to_owned(),
        version: agent.hello.software_version.clone(),
        log_dirs: agent.log_dirs().iter().map(log_dir).collect(),
        pinned_files: agent.status.pinned_files,
        pinned_bytes: agent.status.pinned_bytes,
        backlog_bytes: agent.status.backlog_bytes,
        last_seen: rfc3339(agent.last_seen),
    }
}

fn log_dir(dir: &LogDir) -> LogDirStatus {
    let id: Option<[u8; 16]> = dir.directory_id.as_ref().try_into().ok();
    LogDirStatus {
        path: dir.path.clone(),
        directory_id: id.map(|id| maxbrod_kafka::Uuid(id).to_string()).unwrap_or_default(),
        total_bytes: dir.total_bytes,
        free_bytes: dir.free_bytes,
        pin_method: match dir.pin_method() {
            PinMethod::Link => "link",
            PinMethod::Descriptor => "descriptor",
            PinMethod::Unspecified => "",
        }
        .to_owned(),
    }
}

fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map(|time| time.to_string())
        .unwrap_or_default()
}
