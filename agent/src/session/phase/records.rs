//! The records of coordinators' topics in a report.

use std::time::Instant;

use bytes::Bytes;
use maxbrod_proto::agent as wire;

use super::Context;
use crate::log_dir::{Replica, ReplicaError};
use crate::records::{CoordinatorTopic, Entry, Moment, RecordsError, records_since};
use crate::replica::Observed;

/// How often a log is observed until its records are those of what was observed.
const LOOKS: u32 = 4;
/// No record in a report is larger: messages stay below a mebibyte.
const LARGEST_RECORD: usize = 900 << 10;

/// What is told of a coordinator's records.
#[derive(Debug, Default)]
pub(super) struct Told {
    states: Vec<wire::CoordinatorRecord>,
    records: Vec<wire::CoordinatorRecord>,
    error: String,
}

impl Told {
    fn moment(replica: &Replica, moment: &Moment<'_>) -> Self {
        let mut told = Self::default();
        told.states = told.take(replica, &moment.states);
        told.records = told.take(replica, &moment.records);
        told
    }

    fn records(replica: &Replica, entries: &[Entry]) -> Self {
        let mut told = Self::default();
        told.records = told.take(replica, &entries.iter().collect::<Vec<_>>());
        told
    }

    fn error(error: &RecordsError) -> Self {
        Self {
            error: error.to_string(),
            ..Self::default()
        }
    }

    /// All of them share one allocation.
    fn take(&mut self, replica: &Replica, entries: &[&Entry]) -> Vec<wire::CoordinatorRecord> {
        let length = |entry: &Entry| entry.key().len() + entry.value().map_or(0, <[u8]>::len);
        let mut bytes = Vec::with_capacity(entries.iter().map(|entry| length(entry)).sum());
        let mut fitting = Vec::with_capacity(entries.len());
        for entry in entries {
            if length(entry) > LARGEST_RECORD {
                self.error = format!(
                    "report the record of {} at offset {}: it is larger than {LARGEST_RECORD} bytes",
                    replica.name(),
                    entry.offset
                );
                continue;
            }
            bytes.extend_from_slice(entry.key());
            bytes.extend_from_slice(entry.value().unwrap_or_default());
            fitting.push(entry);
        }
        let mut bytes = Bytes::from(bytes);
        let record = |entry: &&Entry| wire::CoordinatorRecord {
            offset: entry.offset,
            key: bytes.split_to(entry.key().len()),
            value: entry.value().map(|value| bytes.split_to(value.len())),
        };
        fitting.into_iter().map(record).collect()
    }

    /// Puts it into a report.
    pub(super) fn fill(self, report: &mut wire::PartitionReport) {
        report.states = self.states;
        report.records = self.records;
        report.records_error = self.error;
    }
}

/// Observes a replica, and tells the records of that very log if they are asked for: both again when the log was truncated in
/// between.
pub(super) fn told_with(
    context: &Context,
    asked: &wire::PartitionQuery,
    replica: &Replica,
    observe: impl Fn() -> Result<Observed, ReplicaError>,
) -> Result<(Observed, Told), ReplicaError> {
    let mut observed = observe()?;
    let topic = CoordinatorTopic::of(&asked.topic);
    let (true, Some(since), Some(topic)) = (asked.records, asked.since, topic) else {
        return Ok((observed, Told::default()));
    };
    for _ in 1..LOOKS {
        match tell(context, replica, topic, since, &observed) {
            Ok(Some(told)) => return Ok((observed, told)),
            Ok(None) => observed = observe()?,
            Err(error) => return Ok((observed, Told::error(&error))),
        }
    }
    let partition = replica.name();
    Ok((observed, Told::error(&RecordsError::Changing { partition })))
}

fn tell(
    context: &Context,
    replica: &Replica,
    topic: CoordinatorTopic,
    since: i64,
    observed: &Observed,
) -> Result<Option<Told>, RecordsError> {
    let catalog = &context.catalog;
    if topic == CoordinatorTopic::TransactionState {
        let show = |moment: Moment<'_>| Told::moment(replica, &moment);
        let now = Instant::now();
        context
            .followers
            .with_moment(catalog, replica, since, observed, now, show)
    } else {
        let entries = records_since(catalog, replica, topic, since, observed)?;
        Ok(entries.map(|entries| Told::records(replica, &entries)))
    }
}
