//! Checking a journal from its first entry on.

use super::entry::{Entry, genesis};
use super::handle::listed;
use super::state::JournalState;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Hash;
use crate::repository::Cluster;

/// What a check of a journal found.
#[derive(Debug)]
pub struct JournalReport {
    /// How many entries were read.
    pub entries: u64,
    /// What is wrong; empty: nothing.
    pub findings: Vec<JournalFinding>,
    /// What the entries add up to, up to the first one that is wrong.
    pub state: JournalState,
}

/// Something wrong with a journal.
#[derive(Debug)]
pub struct JournalFinding {
    /// The entry.
    pub n: u64,
    /// What is wrong with it, naming the object.
    pub error: Error,
}

impl JournalReport {
    /// The gravest finding's kind.
    pub fn kind(&self) -> Option<ErrorKind> {
        let kinds = self.findings.iter().map(|finding| finding.error.kind());
        kinds.max_by_key(|kind| matches!(kind, ErrorKind::Integrity))
    }
}

/// Reads every entry of a journal and checks the chain and the rules. A missing or damaged entry is a finding; after the
/// first damaged one the rest can only be checked against its neighbours.
pub async fn verify_journal(cluster: &Cluster) -> Result<JournalReport> {
    let names = cluster.names();
    let last = listed(cluster).await?.last().copied();
    let mut report = JournalReport {
        entries: 0,
        findings: Vec::new(),
        state: JournalState::new(genesis(cluster.repository().id(), cluster.id())),
    };
    let mut intact = true;
    let mut previous: Option<Hash> = Some(report.state.head);
    for n in 0..last.map_or(0, |last| last + 1) {
        let object = names.entry(n);
        let found = async {
            let bytes = cluster.store().get(&object).await?;
            Ok((Entry::decode(&bytes, &object)?, Hash::of(&bytes)))
        };
        let (entry, hash) = match found.await {
            Ok(found) => found,
            Err(error @ Error::Store { .. }) => return Err(error),
            Err(error) => {
                report.findings.push(JournalFinding { n, error });
                (intact, previous) = (false, None);
                continue;
            }
        };
        report.entries += 1;
        let wrong = if intact {
            report.state.apply(&entry, hash).err()
        } else if entry.n != n {
            Some(format!("it says that it is entry {}", entry.n))
        } else if previous.is_some_and(|previous| previous != entry.previous) {
            Some("the entry before it is not the one that its writer saw".to_owned())
        } else {
            None
        };
        if let Some(reason) = wrong {
            report.findings.push(JournalFinding {
                n,
                error: Error::damaged(&object, reason),
            });
            intact = false;
        }
        previous = Some(hash);
    }
    Ok(report)
}
