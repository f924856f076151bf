//! Verifying a snapshot.

mod content;
mod walk;

use std::collections::BTreeMap;

use futures::StreamExt as _;

use self::content::{PackChunk, check_pack};
use self::walk::Walk;

use crate::error::{Error, ErrorKind, Result};
use crate::journal::Snapshot;
use crate::name::PackName;
use crate::repository::Cluster;
use crate::tree::Tree;

/// How thoroughly a snapshot is verified; each level includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The manifest is whole and says what it must: every partition is covered from its log start to its cut.
    Structure,
    /// Every pack is there and long enough.
    Presence,
    /// Every byte is read and has its hash; where the identities given allow it, every chunk is opened.
    Full,
}

/// What a verification found.
#[derive(Debug)]
pub struct VerifyReport {
    /// How thorough it was.
    pub level: Level,
    /// Sums.
    pub counts: VerifyCounts,
    /// What is wrong; empty: nothing.
    pub findings: Vec<Finding>,
}

/// What a verification looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyCounts {
    /// Topics.
    pub topics: u64,
    /// Partitions.
    pub partitions: u64,
    /// References to chunks.
    pub chunks: u64,
    /// Packs referred to.
    pub packs: u64,
    /// Bytes read from packs.
    pub bytes_read: u64,
    /// Chunks that were opened and have their id.
    pub chunks_opened: u64,
    /// Chunks whose stored bytes have their hash, but that could not be opened for want of an identity.
    pub chunks_sealed: u64,
}

/// Something wrong with a snapshot.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong, naming the object.
    pub error: Error,
    /// What it concerns: partitions by name, or everything.
    pub concerns: String,
    /// What to do.
    pub remedy: &'static str,
}

impl VerifyReport {
    /// The gravest finding's kind; `None`: nothing was found.
    pub fn kind(&self) -> Option<ErrorKind> {
        let kinds = || self.findings.iter().map(|finding| finding.error.kind());
        kinds()
            .find(|kind| *kind == ErrorKind::Integrity)
            .or_else(|| kinds().next())
    }
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Steps done: partitions, then packs.
    pub done: u64,
    /// Steps known so far.
    pub total: u64,
    /// Bytes read from packs.
    pub bytes_read: u64,
}

const REMEDY: &str = "restore from another snapshot, or bring the object back from a copy of the repository; snapshots that \
                      build on this one need it, too";

/// Verifies one snapshot. `Err` only where the store fails; what is wrong with the snapshot is in the report.
pub async fn verify_snapshot(
    cluster: &Cluster,
    snapshot: &Snapshot,
    level: Level,
    progress: &(dyn Fn(VerifyProgress) + Sync),
) -> Result<VerifyReport> {
    let mut report = VerifyReport {
        level,
        counts: VerifyCounts::default(),
        findings: Vec::new(),
    };
    let tree = match Tree::open(cluster, &snapshot.committed.root).await {
        Ok(tree) => tree,
        Err(error) => {
            report.find(error, "the whole snapshot".to_owned())?;
            return Ok(report);
        }
    };
    let mut walk = Walk::new(&tree, level);
    walk.run(&mut report, snapshot.committed.totals.partitions, progress)
        .await?;
    let packs = walk.packs;
    report.counts.packs = packs.len() as u64;
    if level == Level::Structure {
        return Ok(report);
    }
    let own = match tree.packs_added().await {
        Ok(packs) => packs
            .into_iter()
            .map(|pack| (pack.name, pack.length))
            .collect::<BTreeMap<_, _>>(),
        Err(error) => {
            report.find(error, "the list of packs".to_owned())?;
            BTreeMap::new()
        }
    };
    let total = packs.len() as u64;
    let checks = packs.into_iter().map(|(name, chunks)| {
        let own = own.get(&name).copied();
        async move {
            (
                chunks.concerns.clone(),
                check_pack(cluster, name, chunks, own, level).await,
            )
        }
    });
    let mut checks = futures::stream::iter(checks).buffered(if level == Level::Full { 3 } else { 16 });
    let mut done = 0;
    while let Some((concerns, result)) = checks.next().await {
        done += 1;
        match result {
            Ok(checked) => {
                report.counts.bytes_read += checked.bytes_read;
                report.counts.chunks_opened += checked.opened;
                report.counts.chunks_sealed += checked.sealed;
                for error in checked.errors {
                    report.find(error, concerns.clone())?;
                }
            }
            Err(error) => report.find(error, concerns)?,
        }
        progress(VerifyProgress {
            done,
            total,
            bytes_read: report.counts.bytes_read,
        });
    }
    Ok(report)
}

impl VerifyReport {
    /// Adds a finding; an error that is not about the snapshot ends the verification.
    fn find(&mut self, error: Error, concerns: String) -> Result<()> {
        match error.kind() {
            ErrorKind::Integrity | ErrorKind::Missing => {
                self.findings.push(Finding {
                    error,
                    concerns,
                    remedy: REMEDY,
                });
                Ok(())
            }
            ErrorKind::Usage | ErrorKind::Failed => Err(error),
        }
    }
}

/// The chunks of one pack that a snapshot refers to.
#[derive(Clone, Debug, Default)]
struct PackChunks {
    chunks: Vec<PackChunk>,
    /// Where the last one ends.
    end: u64,
    /// Some partition that needs it.
    concerns: String,
}

type Packs = BTreeMap<PackName, PackChunks>;
