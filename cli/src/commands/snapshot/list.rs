//! `maxbrod snapshot list`.

use std::process::ExitCode;

use maxbrod_repository::Snapshot;
use serde::Serialize;

use crate::args::Global;
use crate::exit::Result;
use crate::output::{Output, bytes, table};
use crate::repository;

#[derive(Serialize)]
struct Row {
    id: String,
    cut: String,
    committed: String,
    label: String,
    consistency: &'static str,
    run: u64,
    base: Option<u64>,
    topics: u64,
    partitions: u64,
    logical_bytes: u64,
    new_bytes: u64,
    freeze_ms: u64,
    gaps: u64,
    held: Option<String>,
}

pub async fn run(global: &Global, output: Output) -> Result<ExitCode> {
    let journal = repository::open_journal(global).await?;
    let rows: Vec<Row> = journal.state().snapshots.values().map(Row::of).collect();
    output.print(&rows, || {
        if rows.is_empty() {
            return "no snapshots yet".to_owned();
        }
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let mut state = row.consistency.to_owned();
                if row.gaps > 0 {
                    state.push_str(&format!(", {} MISSING", row.gaps));
                }
                if row.held.is_some() {
                    state.push_str(", held");
                }
                vec![
                    row.id.clone(),
                    row.cut.clone(),
                    state,
                    row.partitions.to_string(),
                    bytes(row.logical_bytes),
                    bytes(row.new_bytes),
                    row.label.clone(),
                ]
            })
            .collect();
        table(
            &["ID", "MOMENT", "STATE", "PARTITIONS", "HOLDS", "NEW", "LABEL"],
            &cells,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Row {
    fn of(snapshot: &Snapshot) -> Self {
        let committed = &snapshot.committed;
        Self {
            id: committed.snapshot.to_string(),
            cut: committed.cut.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            committed: committed.committed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            label: committed.label.clone(),
            consistency: committed.consistency.as_str(),
            run: committed.run,
            base: snapshot.base,
            topics: committed.totals.topics,
            partitions: committed.totals.partitions,
            logical_bytes: committed.totals.logical_bytes,
            new_bytes: committed.totals.new_bytes,
            freeze_ms: committed.freeze_ms,
            gaps: committed.totals.gaps,
            held: snapshot.held.clone(),
        }
    }
}
