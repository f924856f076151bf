//! The small text files of a log dir and of a partition: offset checkpoints, leader epochs, `partition.metadata`, the
//! clean-shutdown marker (K§1.1, K§1.4).

use thiserror::Error;

use crate::ids::{BrokerEpoch, LeaderEpoch, Offset, PartitionId, TopicId};

#[cfg(test)]
mod tests;

/// Why a text file of Kafka's could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// Not text, or without the two lines in front.
    #[error("read checkpoint: it has no version and entry count")]
    Headless,
    /// Another version than 0.
    #[error("read checkpoint: its version is {0:?}, and only 0 is known")]
    Version(String),
    /// A line that is no entry.
    #[error("read checkpoint: line {line} is no entry: {text:?}")]
    Entry {
        /// Number of the line, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// More or fewer entries than announced.
    #[error("read checkpoint: {announced} entries are announced and {found} are there")]
    Count {
        /// The count in the second line.
        announced: usize,
        /// How many there are.
        found: usize,
    },
    /// Leader epochs or their offsets that don't ascend.
    #[error("read checkpoint: entry {entry} does not come after the one before it")]
    Order {
        /// Number of the entry, from 1.
        entry: usize,
    },
}

impl CheckpointError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Headless => "checkpoint-headless",
            Self::Version(_) => "checkpoint-version",
            Self::Entry { .. } => "checkpoint-entry",
            Self::Count { .. } => "checkpoint-count",
            Self::Order { .. } => "checkpoint-order",
        }
    }
}

/// An entry of `replication-offset-checkpoint` and its siblings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: PartitionId,
    /// What the file tells of it: high watermark, log start, recovery point, first dirty offset.
    pub offset: Offset,
}

/// An entry of `leader-epoch-checkpoint`: batches from `start_offset` on have this epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaderEpochEntry {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Offset of its first batch.
    pub start_offset: Offset,
}

/// Reads an offset checkpoint.
pub fn parse_offset_checkpoint(bytes: &[u8]) -> Result<Vec<OffsetEntry>, CheckpointError> {
    parse(bytes, |text| {
        let mut fields = text.rsplitn(3, ' ');
        let offset = Offset(fields.next()?.parse().ok()?);
        let partition = PartitionId(fields.next()?.parse().ok()?);
        let topic = fields.next()?.to_owned();
        Some(OffsetEntry {
            topic,
            partition,
            offset,
        })
    })
}

/// Writes an offset checkpoint.
pub fn write_offset_checkpoint(entries: &[OffsetEntry]) -> String {
    write(entries, |entry| {
        format!("{} {} {}", entry.topic, entry.partition, entry.offset)
    })
}

/// Reads a leader-epoch checkpoint: epochs and offsets ascend.
pub fn parse_leader_epochs(bytes: &[u8]) -> Result<Vec<LeaderEpochEntry>, CheckpointError> {
    let entries: Vec<LeaderEpochEntry> = parse(bytes, |text| {
        let (epoch, start) = text.split_once(' ')?;
        Some(LeaderEpochEntry {
            epoch: LeaderEpoch(epoch.parse().ok()?),
            start_offset: Offset(start.parse().ok()?),
        })
    })?;
    let ascend = |pair: &[LeaderEpochEntry]| match pair {
        [before, after] => before.epoch < after.epoch && before.start_offset < after.start_offset,
        _ => true,
    };
    match entries.windows(2).position(|pair| !ascend(pair)) {
        Some(before) => Err(CheckpointError::Order { entry: before + 2 }),
        None => Ok(entries),
    }
}

/// What is left of a partition's leader epochs when only its records from `log_start` to `log_end` are
/// (`LeaderEpochFileCache.truncateFromStartAsyncFlush` and `truncateFromEndAsyncFlush`).
pub fn clamp_leader_epochs(entries: &[LeaderEpochEntry], log_start: Offset, log_end: Offset) -> Vec<LeaderEpochEntry> {
    let started = entries.partition_point(|entry| entry.start_offset <= log_start);
    let current = started
        .checked_sub(1)
        .and_then(|index| entries.get(index))
        .map(|entry| LeaderEpochEntry {
            epoch: entry.epoch,
            start_offset: log_start,
        });
    let later = entries.iter().skip(started).copied();
    current
        .into_iter()
        .chain(later)
        .filter(|entry| entry.start_offset < log_end)
        .collect()
}

/// Writes a leader-epoch checkpoint.
pub fn write_leader_epochs(entries: &[LeaderEpochEntry]) -> String {
    write(entries, |entry| format!("{} {}", entry.epoch, entry.start_offset))
}

/// Reads the topic id in a `partition.metadata`.
pub fn parse_partition_metadata(bytes: &[u8]) -> Option<TopicId> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    let (name, version) = fields.next()?;
    if name.trim() != "version" || version.trim() != "0" {
        return None;
    }
    let (name, id) = fields.next()?;
    if name.trim() == "topic_id" {
        id.trim().parse().ok()
    } else {
        None
    }
}

/// Writes a `partition.metadata`.
pub fn write_partition_metadata(topic: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic}")
}

/// Reads the epoch in a `.kafka_cleanshutdown`; `None` for the empty file of older brokers and whatever else has no epoch.
///
/// The file's being there says that the stop was clean, whatever is in it (`CleanShutdownFileHandler`).
pub fn parse_clean_shutdown(bytes: &[u8]) -> Option<BrokerEpoch> {
    let json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let epoch = json.get("brokerEpoch")?.as_i64()?;
    (json.get("version")?.as_i64()? == 0 && epoch >= 0).then_some(BrokerEpoch(epoch))
}

/// Writes a `.kafka_cleanshutdown`, as the broker with this epoch would on a clean stop.
pub fn write_clean_shutdown(epoch: BrokerEpoch) -> String {
    format!("{{\"version\":0,\"brokerEpoch\":{epoch}}}")
}

fn parse<T>(bytes: &[u8], entry: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, CheckpointError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CheckpointError::Headless)?;
    let mut lines = text.lines();
    let version = lines.next().ok_or(CheckpointError::Headless)?;
    if version.trim() != "0" {
        return Err(CheckpointError::Version(version.chars().take(32).collect()));
    }
    let announced: usize = lines
        .next()
        .and_then(|line| line.trim().parse().ok())
        .ok_or(CheckpointError::Headless)?;
    let mut entries = Vec::new();
    for (index, text) in lines.enumerate().filter(|(_, text)| !text.is_empty()) {
        let bad = || CheckpointError::Entry {
            line: index + 3,
            text: text.chars().take(300).collect(),
        };
        entries.push(entry(text).ok_or_else(bad)?);
    }
    if entries.len() != announced {
        return Err(CheckpointError::Count {
            announced,
            found: entries.len(),
        });
    }
    Ok(entries)
}

fn write<T>(entries: &[T], line: impl Fn(&T) -> String) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        text.push_str(&line(entry));
        text.push('\n');
    }
    text
}
