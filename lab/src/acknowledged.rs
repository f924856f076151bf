//! What clients were told is stored.
//!
//! lab/java/Acknowledgements.java and lab/c/teller.c write the files; their lines are tab-separated:
//!
//! ```text
//! topic partition offset timestamp keyhash|- hash A|C|X|U transaction|- acknowledged_ms    a record
//! @ group topic partition offset acknowledged_ms                                           a group's offset
//! ```

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::dump::{field, hexadecimal, next, optional};
use crate::error::{LabError, Result};
use crate::partition::TopicPartition;

/// All acknowledgements of a load, in the order they came, process by process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acknowledged {
    /// One for each record.
    pub acknowledgements: Vec<Acknowledgement>,
    /// Offsets that groups committed outside transactions.
    pub commits: Vec<Commit>,
}

/// An offset that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The group.
    pub group: String,
    /// Its position's partition.
    pub partition: TopicPartition,
    /// Where it goes on.
    pub offset: i64,
    /// When it knew that this is stored, in milliseconds since the epoch.
    pub at_ms: i64,
}

/// A record that a broker acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Its partition.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// The timestamp that the producer gave it.
    pub timestamp: i64,
    /// Hash of the key, if it has one; as in [`Record::key`](crate::Record::key).
    pub key: Option<u64>,
    /// Hash of key, value and headers; as in [`Record::hash`](crate::Record::hash).
    pub hash: u128,
    /// What became of it.
    pub outcome: Outcome,
    /// Its transaction as `id/number/records`.
    pub transaction: Option<String>,
    /// When the producer knew the outcome, in milliseconds since the epoch.
    pub at_ms: i64,
}

/// What became of an acknowledged record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written outside a transaction.
    Written,
    /// Its transaction was committed.
    Committed,
    /// Its transaction was aborted.
    Aborted,
    /// The producer was not told how its transaction ended.
    Unknown,
}

impl Outcome {
    /// Tells whether the producer was promised that consumers will get the record.
    pub fn is_promised(self) -> bool {
        matches!(self, Self::Written | Self::Committed)
    }
}

impl Acknowledged {
    /// Reads an acknowledgement log, and those that old clients wrote beside it as `<path>.<name>`. A last line that a killed
    /// load left unfinished is left out.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let mut all = Self::default();
        for path in [path.to_owned()].into_iter().chain(of_old_clients(path)?) {
            let file = File::open(&path).map_err(|error| LabError::io("opening", &path, error))?;
            let one = Self::parse(BufReader::with_capacity(1 << 20, file))
                .map_err(|reason| LabError::malformed(path.display().to_string(), reason))?;
            all.acknowledgements.extend(one.acknowledgements);
            all.commits.extend(one.commits);
        }
        Ok(all)
    }

    /// What was promised to producers before an instant.
    pub fn promised_before(&self, at_ms: i64) -> impl Iterator<Item = &Acknowledgement> {
        self.acknowledgements
            .iter()
            .filter(move |known| known.outcome.is_promised() && known.at_ms < at_ms)
    }

    fn parse(mut lines: impl BufRead) -> Result<Self, String> {
        let mut acknowledged = Self::default();
        let mut line = String::new();
        let mut number = 0;
        while lines.read_line(&mut line).map_err(|error| error.to_string())? > 0 {
            let Some(whole) = line.strip_suffix('\n') else { break };
            number += 1;
            let parsed = match whole.strip_prefix("@\t") {
                Some(rest) => commit(rest).map(|commit| acknowledged.commits.push(commit)),
                None => acknowledgement(whole).map(|record| acknowledged.acknowledgements.push(record)),
            };
            parsed.map_err(|reason| format!("line {number}: {reason}"))?;
            line.clear();
        }
        Ok(acknowledged)
    }
}

/// The files beside `path` whose names go on with a dot.
fn of_old_clients(path: &Path) -> Result<Vec<PathBuf>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(Vec::new());
    };
    let directory = if directory.as_os_str().is_empty() {
        Path::new(".")
    } else {
        directory
    };
    let prefix = format!("{}.", name.to_string_lossy());
    let entries = fs::read_dir(directory).map_err(|error| LabError::io("listing", directory, error))?;
    let mut paths: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    Ok(paths)
}

fn commit(line: &str) -> Result<Commit, String> {
    let fields = &mut line.split('\t');
    Ok(Commit {
        group: next(fields, "group")?.to_owned(),
        partition: TopicPartition::new(next(fields, "topic")?, field(fields, "partition")?),
        offset: field(fields, "offset")?,
        at_ms: field(fields, "time")?,
    })
}

fn acknowledgement(line: &str) -> Result<Acknowledgement, String> {
    let fields = &mut line.split('\t');
    Ok(Acknowledgement {
        partition: TopicPartition::new(next(fields, "topic")?, field(fields, "partition")?),
        offset: field(fields, "offset")?,
        timestamp: field(fields, "timestamp")?,
        key: optional(next(fields, "key")?)
            .map(|hex| hexadecimal(hex).map(|hash| hash as u64))
            .transpose()?,
        hash: hexadecimal(next(fields, "hash")?)?,
        outcome: match next(fields, "outcome")? {
            "A" => Outcome::Written,
            "C" => Outcome::Committed,
            "X" => Outcome::Aborted,
            "U" => Outcome::Unknown,
            other => return Err(format!("outcome {other:?}")),
        },
        transaction: optional(next(fields, "transaction")?).map(str::to_owned),
        at_ms: field(fields, "time")?,
    })
}

#[cfg(test)]
mod tests;
