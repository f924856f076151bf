//! `maxbrod snapshot show`.

use std::process::ExitCode;

use maxbrod_proto::manifest::{HookResult, Root};
use maxbrod_repository::{Journal, PartitionRecord, Tree};
use serde::Serialize;

use super::cut_back::{self, CutBackDocument};
use super::gap::GapDocument;
use crate::args::Global;
use crate::exit::{Kind, Result};
use crate::output::{Output, bytes, table};
use crate::repository;

#[derive(Serialize)]
struct Document {
    id: String,
    cluster_id: String,
    label: String,
    consistency: String,
    run: u64,
    base_run: Option<u64>,
    times: Times,
    topics: u64,
    partitions: u64,
    logical_bytes: u64,
    read_bytes: u64,
    new_bytes: u64,
    chunks: u64,
    highest_leader_epoch: i32,
    metadata_offset: Option<i64>,
    metadata_epoch: Option<i32>,
    nodes: Vec<NodeDocument>,
    gaps: Vec<GapDocument>,
    cut_back: Vec<CutBackDocument>,
    notes: Vec<String>,
    hooks: Vec<HookDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition_list: Option<Vec<PartitionDocument>>,
}

/// Milliseconds since 1970.
#[derive(Serialize)]
struct Times {
    started: i64,
    phase_m: i64,
    phase_q: i64,
    phase_g: i64,
    phase_p: i64,
    metadata: i64,
    shipped: i64,
    written: i64,
}

#[derive(Serialize)]
struct NodeDocument {
    node_id: i32,
    roles: Vec<String>,
    log_dirs: Vec<String>,
    metadata_log_dir: String,
}

/// What an application's checkpoint command said.
#[derive(Serialize)]
struct HookDocument {
    name: String,
    moment: String,
    /// `None`: it did not end by itself.
    exit_code: Option<i32>,
    duration_ms: u64,
    output: String,
    error: Option<String>,
}

#[derive(Serialize)]
struct PartitionDocument {
    topic: String,
    topic_id: String,
    partition: i32,
    log_start: i64,
    cut: i64,
    source_node: i32,
    compacted: bool,
    vouched: bool,
    logical_bytes: u64,
    chunks: u64,
}

pub async fn run(id: &str, partitions: bool, global: &Global, output: Output) -> Result<ExitCode> {
    let journal = repository::open_journal(global).await?;
    let tree = open(&journal, id).await?;
    let mut document = Document::of(tree.root());
    if partitions {
        document.partition_list = Some(list(&tree).await?);
    }
    output.print(&document, || document.text())?;
    Ok(if document.gaps.is_empty() {
        ExitCode::SUCCESS
    } else {
        Kind::Incomplete.code()
    })
}

/// Opens a snapshot's manifest by the snapshot's id, or `latest`.
pub async fn open(journal: &Journal, id: &str) -> Result<Tree> {
    let snapshot = journal.snapshot(id)?;
    Ok(Tree::open(journal.cluster(), &snapshot.committed.root).await?)
}

async fn list(tree: &Tree) -> Result<Vec<PartitionDocument>> {
    let mut list = Vec::new();
    let mut topics = tree.topics();
    while let Some(topic) = topics.next().await? {
        for slot in &topic.partitions {
            let partition = tree.partition(slot).await?;
            list.push(PartitionDocument::of(
                &topic.name,
                partition.record(),
                partition.logical_bytes(),
                partition.chunks(),
            ));
        }
    }
    Ok(list)
}

impl From<&HookResult> for HookDocument {
    fn from(hook: &HookResult) -> Self {
        Self {
            name: hook.name.clone(),
            moment: hook.moment.clone(),
            exit_code: Some(hook.exit_code).filter(|code| *code >= 0),
            duration_ms: hook.duration_ms,
            output: hook.output.clone(),
            error: Some(hook.error.clone()).filter(|error| !error.is_empty()),
        }
    }
}

impl HookDocument {
    fn text(&self) -> String {
        let outcome = self.error.as_deref().unwrap_or("done");
        format!(
            "hook         {} at the {}: {outcome} ({} ms)\n",
            self.name, self.moment, self.duration_ms
        )
    }
}

impl PartitionDocument {
    fn of(topic: &str, record: &PartitionRecord, logical_bytes: u64, chunks: u64) -> Self {
        Self {
            topic: topic.to_owned(),
            topic_id: record.topic_id.to_string(),
            partition: record.partition.0,
            log_start: record.log_start.0,
            cut: record.end.offset().0,
            source_node: record.source.0,
            compacted: record.compacted,
            vouched: record.vouched,
            logical_bytes,
            chunks,
        }
    }
}

impl Document {
    fn of(root: &Root) -> Self {
        let times = root.times.unwrap_or_default();
        let totals = root.totals.unwrap_or_default();
        Self {
            id: root.snapshot_id.clone(),
            cluster_id: root.cluster_id.clone(),
            label: root.label.clone(),
            consistency: root.consistency.clone(),
            run: root.run,
            base_run: root.base_run,
            times: Times {
                started: times.started,
                phase_m: times.phase_m,
                phase_q: times.phase_q,
                phase_g: times.phase_g,
                phase_p: times.phase_p,
                metadata: times.metadata,
                shipped: times.shipped,
                written: times.written,
            },
            topics: totals.topics,
            partitions: totals.partitions,
            logical_bytes: totals.logical_bytes,
            read_bytes: totals.read_bytes,
            new_bytes: totals.new_bytes,
            chunks: totals.chunks,
            highest_leader_epoch: root.highest_leader_epoch,
            metadata_offset: root.metadata.as_ref().map(|image| image.offset),
            metadata_epoch: root.metadata.as_ref().map(|image| image.epoch),
            nodes: root
                .nodes
                .iter()
                .map(|node| NodeDocument {
                    node_id: node.node_id,
                    roles: node.roles.clone(),
                    log_dirs: node.log_dirs.iter().map(|dir| dir.path.clone()).collect(),
                    metadata_log_dir: node.metadata_log_dir.clone(),
                })
                .collect(),
            gaps: root.gaps.iter().map(GapDocument::from).collect(),
            cut_back: root.cut_back.iter().map(CutBackDocument::from).collect(),
            notes: root.notes.clone(),
            hooks: root.hooks.iter().map(HookDocument::from).collect(),
            partition_list: None,
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "snapshot     {} {}\ncluster      {}\nconsistency  {}\nrun          {} on base {}\nphases       {} ms\nholds        {} topics, {} partitions, {} in {} chunks\nread         {}\nstored       {} new\n",
            self.id,
            self.label,
            self.cluster_id,
            self.consistency,
            self.run,
            self.base_run.map_or_else(|| "none".to_owned(), |run| run.to_string()),
            self.times.metadata - self.times.phase_m,
            self.topics,
            self.partitions,
            bytes(self.logical_bytes),
            self.chunks,
            bytes(self.read_bytes),
            bytes(self.new_bytes),
        );
        for node in &self.nodes {
            text.push_str(&format!(
                "node {:<8}{} {}\n",
                node.node_id,
                node.roles.join("+"),
                node.log_dirs.join(", ")
            ));
        }
        for hook in &self.hooks {
            text.push_str(&hook.text());
        }
        for line in cut_back::lines(&self.cut_back) {
            text.push_str(&format!("{line}\n"));
        }
        for note in &self.notes {
            text.push_str(&format!("note         {note}\n"));
        }
        for gap in &self.gaps {
            text.push_str(&format!("MISSING      {}: {} ({})\n", gap.what, gap.why, gap.remedy));
        }
        if let Some(list) = &self.partition_list {
            let rows: Vec<Vec<String>> = list
                .iter()
                .map(|row| {
                    vec![
                        format!("{}-{}", row.topic, row.partition),
                        row.log_start.to_string(),
                        row.cut.to_string(),
                        row.source_node.to_string(),
                        bytes(row.logical_bytes),
                        row.chunks.to_string(),
                        if row.vouched { "yes".to_owned() } else { "NO".to_owned() },
                    ]
                })
                .collect();
            text.push('\n');
            text.push_str(&table(
                &["PARTITION", "START", "CUT", "FROM NODE", "BYTES", "CHUNKS", "VOUCHED"],
                &rows,
            ));
        }
        text
    }
}
