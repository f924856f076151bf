//! `maxbrod audit`: the journal as a trail of what was done, and its check.

use std::process::ExitCode;

use maxbrod_repository::{Entry, ErrorKind, verify_journal};
use serde::Serialize;

use super::finding::FindingDocument;
use crate::args::{Audit, Global};
use crate::exit::{Failure, Kind, Result};
use crate::output::{Output, table};
use crate::repository;

#[derive(Serialize)]
struct VerifyDocument {
    entries: u64,
    findings: Vec<FindingDocument>,
}

pub async fn run(command: Audit, global: &Global, output: Output) -> Result<ExitCode> {
    match command {
        Audit::Show => show(global, output).await,
        Audit::Verify => verify(global, output).await,
    }
}

async fn show(global: &Global, output: Output) -> Result<ExitCode> {
    let mut entries = repository::open_journal(global).await?.entries().await?;
    // Checkpoints repeat what the other entries say.
    for entry in &mut entries {
        entry.checkpoint = None;
    }
    output.print(&entries, || {
        let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
        table(&["ENTRY", "TIME", "EPOCH", "EVENT", "BY", "DETAIL"], &rows)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn row(entry: &Entry) -> Vec<String> {
    let mut detail = serde_json::to_value(&entry.event).unwrap_or_default();
    if let Some(fields) = detail.as_object_mut() {
        fields.remove("kind");
        fields.remove("root");
        fields.remove("totals");
    }
    vec![
        entry.n.to_string(),
        entry.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        entry.epoch.to_string(),
        entry.event.kind().to_owned(),
        entry.writer.clone(),
        detail.to_string(),
    ]
}

async fn verify(global: &Global, output: Output) -> Result<ExitCode> {
    let cluster = repository::open_cluster(global).await?;
    let report = verify_journal(&cluster).await?;
    let findings: Vec<FindingDocument> = report.findings.iter().map(FindingDocument::from).collect();
    let document = VerifyDocument {
        entries: report.entries,
        findings,
    };
    output.print(&document, || {
        if document.findings.is_empty() && document.entries == 0 {
            return "MISSING  the journal: it has no entry, bring it back from a copy of the repository".to_owned();
        }
        if document.findings.is_empty() {
            return format!(
                "{} entries, the hash chain is whole, every entry keeps the rules",
                document.entries
            );
        }
        document.findings.iter().map(FindingDocument::text).collect()
    })?;
    match report.kind() {
        // A journal is never empty: a coordinator's term is its first entry.
        None if report.entries == 0 => Ok(Kind::Incomplete.code()),
        None => Ok(ExitCode::SUCCESS),
        Some(ErrorKind::Integrity) => Ok(Kind::Integrity.code()),
        Some(ErrorKind::Missing) => Ok(Kind::Incomplete.code()),
        Some(_) => Err(
            Failure::new(Kind::Failed, "journal", "the journal could not be checked to its end")
                .remedy("`maxbrod audit verify --json` tells what was found; check the store and run it again"),
        ),
    }
}
