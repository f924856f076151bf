//! Every record of a cluster as a consumer sees it: by offset, hashed.
//!
//! lab/java/Dump.java writes the file; its lines are tab-separated:
//!
//! ```text
//! R index offset timestamp C|L|N visible(0|1) keyhash|- V|T hash transaction|- source|- amount|- schema|- cites|-
//! P index topic partition start end lso reached
//! E records                                       last line: the file is complete
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::str::{FromStr, Split};

use crate::error::{LabError, Result};
use crate::partition::TopicPartition;

/// All records of some topics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dump {
    /// Partitions with their records.
    pub partitions: BTreeMap<TopicPartition, PartitionDump>,
}

/// A partition's records between log start and end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionDump {
    /// The log start offset.
    pub start: i64,
    /// The high watermark when the dump began.
    pub end: i64,
    /// The last stable offset then; below `end` while a transaction is open.
    pub last_stable: i64,
    /// Where reading ended: `end`, unless the records before it are compacted away or could not be had.
    pub reached: i64,
    /// Records by ascending offset; control records are not among them.
    pub records: Vec<Record>,
}

/// A record without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// Whether a `read_committed` consumer gets it.
    pub visible: bool,
    /// Hash of the key, if it has one.
    pub key: Option<u64>,
    /// Whether its value is null.
    pub tombstone: bool,
    /// Hash of key, value and headers.
    pub hash: u128,
    /// The load's transaction it belongs to.
    pub transaction: Option<TransactionTag>,
    /// The record (`topic-0@7`) that a chain made it from.
    pub source: Option<String>,
    /// What it adds to an account; the amounts of a transaction add up to nothing.
    pub amount: Option<i64>,
    /// The schema that it defines.
    pub schema: Option<u64>,
    /// The schema that it was written with.
    pub cites: Option<u64>,
}

/// Who set a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer.
    Create,
    /// The broker.
    LogAppend,
    /// Nobody (message format 0).
    None,
}

/// The load's own mark on records of a transaction: a header that tells how many there must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionTag {
    /// The transactional id.
    pub id: String,
    /// The transaction's number, counted by the producer.
    pub number: u64,
    /// Records in the whole transaction.
    pub records: u32,
}

impl fmt::Display for TransactionTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.id, self.number, self.records)
    }
}

impl FromStr for TransactionTag {
    type Err = String;

    /// Reads `id/number/records`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.rsplitn(3, '/');
        let (Some(records), Some(number), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("transaction tag {text:?}: not id/number/records"));
        };
        Ok(Self {
            id: id.to_owned(),
            number: parse(number, "number")?,
            records: parse(records, "records")?,
        })
    }
}

impl Dump {
    /// Reads a dump file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, or is incomplete.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| LabError::io("opening", path, error))?;
        Self::parse(BufReader::with_capacity(1 << 20, file))
            .map_err(|reason| LabError::malformed(path.display().to_string(), reason))
    }

    /// How many records it holds.
    pub fn record_count(&self) -> usize {
        self.partitions.values().map(|partition| partition.records.len()).sum()
    }

    pub(crate) fn parse(lines: impl BufRead) -> Result<Self, String> {
        let mut records: Vec<Vec<Record>> = Vec::new();
        let mut dump = Self::default();
        let mut complete = None;
        for (number, line) in lines.lines().enumerate() {
            let line = line.map_err(|error| error.to_string())?;
            let mut fields = line.split('\t');
            let parsed = match fields.next() {
                Some("R") => record(&mut fields).and_then(|(index, record)| {
                    if index >= records.len() {
                        records.resize_with(index + 1, Vec::new);
                    }
                    let of_partition = records.get_mut(index).ok_or("index")?;
                    if of_partition.last().is_some_and(|last| last.offset >= record.offset) {
                        return Err(format!("offset {} is not above the one before", record.offset));
                    }
                    of_partition.push(record);
                    Ok(())
                }),
                Some("P") => partition(&mut fields).map(|(index, name, mut partition)| {
                    partition.records = records.get_mut(index).map(std::mem::take).unwrap_or_default();
                    dump.partitions.insert(name, partition);
                }),
                Some("E") => field(&mut fields, "records").map(|count: usize| complete = Some(count)),
                other => Err(format!("{other:?} begins no line of a dump")),
            };
            parsed.map_err(|reason| format!("line {}: {reason}", number + 1))?;
        }
        match complete {
            Some(count) if count == dump.record_count() => Ok(dump),
            Some(count) => Err(format!(
                "it should hold {count} records and holds {}",
                dump.record_count()
            )),
            None => Err("it is incomplete: no last line".into()),
        }
    }
}

/// More partitions than any test has; a damaged index is refused instead of allocated.
const PARTITIONS: usize = 1_000_000;

fn record(fields: &mut Split<'_, char>) -> Result<(usize, Record), String> {
    let index: usize = field(fields, "index")?;
    if index >= PARTITIONS {
        return Err(format!("index {index} is out of range"));
    }
    let record = Record {
        offset: field(fields, "offset")?,
        timestamp: field(fields, "timestamp")?,
        timestamp_type: match next(fields, "timestamp type")? {
            "C" => TimestampType::Create,
            "L" => TimestampType::LogAppend,
            "N" => TimestampType::None,
            other => return Err(format!("timestamp type {other:?}")),
        },
        visible: next(fields, "visible")? == "1",
        key: optional(next(fields, "key")?)
            .map(|hex| hexadecimal(hex).map(|hash| hash as u64))
            .transpose()?,
        tombstone: next(fields, "value")? == "T",
        hash: hexadecimal(next(fields, "hash")?)?,
        transaction: optional(next(fields, "transaction")?).map(str::parse).transpose()?,
        source: optional(next(fields, "source")?).map(str::to_owned),
        amount: optional(next(fields, "amount")?)
            .map(|text| parse(text, "amount"))
            .transpose()?,
        schema: optional(next(fields, "schema")?)
            .map(|text| parse(text, "schema"))
            .transpose()?,
        cites: optional(next(fields, "cited schema")?)
            .map(|text| parse(text, "cited schema"))
            .transpose()?,
    };
    Ok((index, record))
}

fn partition(fields: &mut Split<'_, char>) -> Result<(usize, TopicPartition, PartitionDump), String> {
    let index = field(fields, "index")?;
    let name = TopicPartition::new(next(fields, "topic")?, field(fields, "partition")?);
    let partition = PartitionDump {
        start: field(fields, "start")?,
        end: field(fields, "end")?,
        last_stable: field(fields, "lso")?,
        reached: field(fields, "reached")?,
        records: Vec::new(),
    };
    Ok((index, name, partition))
}

pub(crate) fn next<'a>(fields: &mut Split<'a, char>, name: &str) -> Result<&'a str, String> {
    fields.next().ok_or_else(|| format!("{name} is missing"))
}

pub(crate) fn field<T: FromStr>(fields: &mut Split<'_, char>, name: &str) -> Result<T, String> {
    parse(next(fields, name)?, name)
}

fn parse<T: FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} {text:?} is no number"))
}

pub(crate) fn optional(text: &str) -> Option<&str> {
    (text != "-").then_some(text)
}

pub(crate) fn hexadecimal(text: &str) -> Result<u128, String> {
    u128::from_str_radix(text, 16).map_err(|_| format!("hash {text:?} is not hexadecimal"))
}

#[cfg(test)]
mod tests;
