//! `maxbrod snapshot verify`.

use std::process::ExitCode;

use maxbrod_repository::{ErrorKind, Level, VerifyReport, verify_snapshot};
use serde::Serialize;

use crate::args::{Global, VerifyLevel};
use crate::commands::finding::FindingDocument;
use crate::exit::{Kind, Result};
use crate::output::{Output, bytes};
use crate::repository;

#[derive(Serialize)]
struct Document {
    id: String,
    level: &'static str,
    topics: u64,
    partitions: u64,
    chunks: u64,
    packs: u64,
    bytes_read: u64,
    chunks_opened: u64,
    chunks_not_opened: u64,
    findings: Vec<FindingDocument>,
}

pub async fn run(id: &str, level: VerifyLevel, global: &Global, output: Output) -> Result<ExitCode> {
    let journal = repository::open_journal(global).await?;
    let snapshot = journal.snapshot(id)?;
    let bar = output.spinner("verifying");
    let progress = |progress: maxbrod_repository::VerifyProgress| {
        bar.set_message(format!(
            "{} of {}, {} read",
            progress.done,
            progress.total,
            bytes(progress.bytes_read)
        ));
    };
    let (level, name) = match level {
        VerifyLevel::Structure => (Level::Structure, "structure"),
        VerifyLevel::Presence => (Level::Presence, "presence"),
        VerifyLevel::Full => (Level::Full, "full"),
    };
    let report = verify_snapshot(journal.cluster(), snapshot, level, &progress).await?;
    bar.finish_and_clear();
    let document = Document::of(snapshot.committed.snapshot.to_string(), name, &report);
    output.print(&document, || document.text())?;
    Ok(match report.kind() {
        None => ExitCode::SUCCESS,
        Some(ErrorKind::Integrity) => Kind::Integrity.code(),
        Some(ErrorKind::Missing) => Kind::Incomplete.code(),
        Some(_) => Kind::Failed.code(),
    })
}

impl Document {
    fn of(id: String, level: &'static str, report: &VerifyReport) -> Self {
        let counts = report.counts;
        Self {
            id,
            level,
            topics: counts.topics,
            partitions: counts.partitions,
            chunks: counts.chunks,
            packs: counts.packs,
            bytes_read: counts.bytes_read,
            chunks_opened: counts.chunks_opened,
            chunks_not_opened: counts.chunks_sealed,
            findings: report.findings.iter().map(FindingDocument::from).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "snapshot {}: {} topics, {} partitions, {} chunks in {} packs looked at ({})\n",
            self.id, self.topics, self.partitions, self.chunks, self.packs, self.level
        );
        if self.level == "full" {
            text.push_str(&format!(
                "{} read, {} chunks opened",
                bytes(self.bytes_read),
                self.chunks_opened
            ));
            if self.chunks_not_opened > 0 {
                text.push_str(&format!(
                    "; {} were only compared with the hash of what is stored, for want of an identity that opens them",
                    self.chunks_not_opened
                ));
            }
            text.push('\n');
        }
        if self.findings.is_empty() {
            text.push_str("nothing is wrong\n");
        }
        for finding in &self.findings {
            text.push_str(&finding.text());
        }
        text
    }
}
