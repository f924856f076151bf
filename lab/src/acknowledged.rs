//! What producers were told is stored.
//!
//! lab/java/Acknowledgements.java writes the file; its lines are tab-separated:
//! `topic partition offset timestamp keyhash|- hash A|C|X|U transaction|- acknowledged_ms`.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::dump::{field, hexadecimal, next, optional};
use crate::error::{LabError, Result};
use crate::partition::TopicPartition;

/// All acknowledgements of a load, in the order they came.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acknowledged {
    /// One for each record.
    pub acknowledgements: Vec<Acknowledgement>,
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
    /// Reads an acknowledgement log. A last line that a killed load left unfinished is left out.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| LabError::io("opening", path, error))?;
        Self::parse(BufReader::with_capacity(1 << 20, file))
            .map_err(|reason| LabError::malformed(path.display().to_string(), reason))
    }

    /// What was promised to producers before an instant.
    pub fn promised_before(&self, at_ms: i64) -> impl Iterator<Item = &Acknowledgement> {
        self.acknowledgements
            .iter()
            .filter(move |known| known.outcome.is_promised() && known.at_ms < at_ms)
    }

    fn parse(mut lines: impl BufRead) -> Result<Self, String> {
        let mut acknowledgements = Vec::new();
        let mut line = String::new();
        while lines.read_line(&mut line).map_err(|error| error.to_string())? > 0 {
            let Some(whole) = line.strip_suffix('\n') else { break };
            let parsed = acknowledgement(whole);
            acknowledgements.push(parsed.map_err(|reason| format!("line {}: {reason}", acknowledgements.len() + 1))?);
            line.clear();
        }
        Ok(Self { acknowledgements })
    }
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
