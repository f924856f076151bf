//! `maxbrod cluster`: what a running coordinator knows.

use std::process::ExitCode;

use maxbrod_proto::operator::{AgentStatus, ClusterStatusReply, ClusterStatusRequest, SnapshotOutcome};
use serde::Serialize;

use crate::args::{Cluster, Global};
use crate::coordinator;
use crate::exit::{Kind, Result};
use crate::output::{Output, bytes, table};

#[derive(Serialize)]
struct StatusDocument {
    /// `None`, like what comes after it: no agent has connected yet, so the cluster is not known.
    cluster_id: Option<String>,
    coordinator_version: String,
    epoch: Option<u64>,
    repository_id: String,
    open_run: Option<u64>,
    base_snapshot: Option<String>,
    stage: Option<String>,
    last_snapshot: Option<LastDocument>,
    /// `None`, like the epoch: the metadata was not read yet.
    metadata_offset: Option<i64>,
    metadata_epoch: Option<i32>,
    agents: Vec<AgentDocument>,
    missing: Vec<MissingDocument>,
}

#[derive(Clone, Default, Serialize)]
struct AgentDocument {
    node_id: i32,
    roles: Vec<String>,
    state: String,
    version: String,
    log_dirs: Vec<LogDirDocument>,
    pinned_files: u64,
    pinned_bytes: u64,
    backlog_bytes: u64,
    last_seen: String,
}

#[derive(Clone, Serialize)]
struct LogDirDocument {
    path: String,
    directory_id: String,
    total_bytes: u64,
    free_bytes: u64,
    pin_method: String,
}

/// How the last snapshot ended, whoever asked for it.
#[derive(Serialize)]
struct LastDocument {
    id: Option<String>,
    run: u64,
    duration_ms: u64,
    gaps: usize,
    error: Option<ErrorDocument>,
}

#[derive(Serialize)]
struct ErrorDocument {
    code: String,
    message: String,
    remedy: String,
}

#[derive(Serialize)]
struct MissingDocument {
    node_id: i32,
    roles: Vec<String>,
}

pub async fn run(command: Cluster, global: &Global, output: Output) -> Result<ExitCode> {
    let mut client = coordinator::connect(global).await?;
    let reply = client
        .cluster_status(ClusterStatusRequest {})
        .await
        .map_err(|status| coordinator::refused(&status))?
        .into_inner();
    let incomplete = !reply.missing.is_empty();
    let status = StatusDocument::from(reply);
    match command {
        Cluster::Status => output.print(&status, || status.text())?,
        Cluster::Agents => {
            let agents = status.agents_and_missing();
            output.print(&agents, || agents_table(&agents))?;
        }
    }
    Ok(if incomplete {
        Kind::Incomplete.code()
    } else {
        ExitCode::SUCCESS
    })
}

impl From<ClusterStatusReply> for StatusDocument {
    fn from(reply: ClusterStatusReply) -> Self {
        let some = |text: String| if text.is_empty() { None } else { Some(text) };
        // Terms, runs and Kafka's epochs are counted from 1 on; proto3 has 0 for what is not there.
        let has_metadata = reply.metadata_epoch > 0 || reply.metadata_offset > 0;
        Self {
            cluster_id: some(reply.cluster_id),
            coordinator_version: reply.version,
            epoch: Some(reply.epoch).filter(|epoch| *epoch > 0),
            repository_id: reply.repository_id,
            open_run: Some(reply.open_run).filter(|run| *run > 0),
            base_snapshot: some(reply.base_snapshot),
            stage: some(reply.stage),
            last_snapshot: reply.last.map(LastDocument::from),
            metadata_offset: has_metadata.then_some(reply.metadata_offset),
            metadata_epoch: has_metadata.then_some(reply.metadata_epoch),
            agents: reply.agents.into_iter().map(AgentDocument::from).collect(),
            missing: reply
                .missing
                .into_iter()
                .map(|node| MissingDocument {
                    node_id: node.node_id,
                    roles: node.roles,
                })
                .collect(),
        }
    }
}

impl From<AgentStatus> for AgentDocument {
    fn from(agent: AgentStatus) -> Self {
        Self {
            node_id: agent.node_id,
            roles: agent.roles,
            state: agent.state,
            version: agent.version,
            log_dirs: agent
                .log_dirs
                .into_iter()
                .map(|dir| LogDirDocument {
                    path: dir.path,
                    directory_id: dir.directory_id,
                    total_bytes: dir.total_bytes,
                    free_bytes: dir.free_bytes,
                    pin_method: dir.pin_method,
                })
                .collect(),
            pinned_files: agent.pinned_files,
            pinned_bytes: agent.pinned_bytes,
            backlog_bytes: agent.backlog_bytes,
            last_seen: agent.last_seen,
        }
    }
}

impl From<SnapshotOutcome> for LastDocument {
    fn from(outcome: SnapshotOutcome) -> Self {
        Self {
            id: Some(outcome.id).filter(|id| !id.is_empty()),
            run: outcome.run,
            duration_ms: outcome.duration_ms,
            gaps: outcome.gaps.len(),
            error: outcome.error.map(|error| ErrorDocument {
                code: error.code,
                message: error.message,
                remedy: error.remedy,
            }),
        }
    }
}

impl LastDocument {
    fn text(&self) -> String {
        match (&self.id, &self.error) {
            (_, Some(error)) => format!("FAILED [{}]: {}", error.code, error.message),
            (Some(id), None) if self.gaps > 0 => format!("{id}, {} things MISSING", self.gaps),
            (Some(id), None) => id.clone(),
            (None, None) => "not known".to_owned(),
        }
    }
}

impl StatusDocument {
    /// The agents, and the nodes that should have one that is connected: state `missing` where none ever was.
    fn agents_and_missing(&self) -> Vec<AgentDocument> {
        let known: Vec<i32> = self.agents.iter().map(|agent| agent.node_id).collect();
        let missing = self.missing.iter().filter(|node| !known.contains(&node.node_id));
        let mut all = self.agents.clone();
        all.extend(missing.map(|node| AgentDocument {
            node_id: node.node_id,
            roles: node.roles.clone(),
            state: "missing".to_owned(),
            ..AgentDocument::default()
        }));
        all.sort_by_key(|agent| agent.node_id);
        all
    }

    fn text(&self) -> String {
        let number = |number: Option<u64>| number.map_or_else(|| "none yet".to_owned(), |number| number.to_string());
        let mut text = format!(
            "cluster       {}\ncoordinator   {} (epoch {})\nrepository    {}\nopen run      {}\nbase          {}\nrunning       {}\nlast          {}\nmetadata      {}\n\n",
            self.cluster_id
                .as_deref()
                .unwrap_or("not known before an agent connects"),
            self.coordinator_version,
            number(self.epoch),
            self.repository_id,
            number(self.open_run),
            self.base_snapshot.as_deref().unwrap_or("none yet"),
            self.stage.as_deref().unwrap_or("no snapshot"),
            self.last_snapshot
                .as_ref()
                .map_or_else(|| "none since the coordinator started".to_owned(), LastDocument::text),
            match (self.metadata_offset, self.metadata_epoch) {
                (Some(offset), Some(epoch)) => format!("offset {offset}, epoch {epoch}"),
                _ => "not read yet".to_owned(),
            },
        );
        text.push_str(&agents_table(&self.agents));
        for node in &self.missing {
            text.push_str(&format!(
                "MISSING  node {} ({}): no agent is connected\n",
                node.node_id,
                node.roles.join(", ")
            ));
        }
        text
    }
}

fn agents_table(agents: &[AgentDocument]) -> String {
    let rows: Vec<Vec<String>> = agents
        .iter()
        .map(|agent| {
            let dirs = agent
                .log_dirs
                .iter()
                .map(|dir| format!("{} ({} free)", dir.path, bytes(dir.free_bytes)));
            vec![
                agent.node_id.to_string(),
                agent.roles.join("+"),
                agent.state.clone(),
                agent.version.clone(),
                format!("{} ({} files)", bytes(agent.pinned_bytes), agent.pinned_files),
                dirs.collect::<Vec<_>>().join(", "),
            ]
        })
        .collect();
    table(&["NODE", "ROLES", "STATE", "VERSION", "PINNED", "LOG DIRS"], &rows)
}
