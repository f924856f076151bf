//! Nothing acknowledged before a snapshot began is missing from it.

use std::collections::BTreeMap;

use super::{Options, Problem};
use crate::acknowledged::{Acknowledged, Acknowledgement, Outcome};
use crate::dump::{Dump, PartitionDump, Record, TimestampType};

/// What was acknowledged before `began_ms` (milliseconds since the epoch) and is missing, altered or invisible in `restored`,
/// and what was aborted (whenever that was) and is visible.
///
/// Records below the restored log start are not judged: they were deleted. In compacted topics a newer record of the same
/// key will do.
pub fn missing_acknowledged(
    restored: &Dump,
    acknowledged: &Acknowledged,
    began_ms: i64,
    options: &Options,
) -> Vec<Problem> {
    let indexed: BTreeMap<_, _> = restored
        .partitions
        .iter()
        .map(|(name, partition)| (name, Index::of(partition)))
        .collect();
    let problem = |known: &Acknowledgement, reason| Problem::Unkept {
        partition: known.partition.clone(),
        offset: known.offset,
        reason,
    };
    let mut problems = Vec::new();
    for known in acknowledged.promised_before(began_ms) {
        let Some(partition) = indexed.get(&known.partition) else {
            problems.push(problem(known, "its partition is not there"));
            continue;
        };
        if known.offset < partition.start {
            continue;
        }
        match partition.records.get(&known.offset) {
            Some(record) if record.hash != known.hash => problems.push(problem(known, "another record is there")),
            Some(record) if record.timestamp_type == TimestampType::Create && record.timestamp != known.timestamp => {
                problems.push(problem(known, "its timestamp differs"));
            }
            Some(record) if !record.visible => problems.push(problem(known, "consumers do not get it")),
            Some(_) => {}
            None if options.is_compacted(&known.partition) && partition.is_superseded(known) => {}
            None => problems.push(problem(known, "it is missing")),
        }
    }
    for known in acknowledged
        .acknowledgements
        .iter()
        .filter(|known| known.outcome == Outcome::Aborted)
    {
        let at_offset = indexed
            .get(&known.partition)
            .and_then(|partition| partition.records.get(&known.offset));
        // Beyond the cut the restored cluster writes other records at these offsets.
        if at_offset.is_some_and(|record| record.hash == known.hash && record.visible) {
            problems.push(Problem::Resurrected {
                partition: known.partition.clone(),
                offset: known.offset,
            });
        }
    }
    problems
}

struct Index<'a> {
    start: i64,
    records: BTreeMap<i64, &'a Record>,
    /// The offset of the last record of each key.
    last: BTreeMap<u64, i64>,
}

impl<'a> Index<'a> {
    fn of(partition: &'a PartitionDump) -> Self {
        let records = partition.records.iter();
        Self {
            start: partition.start,
            last: records
                .clone()
                .filter_map(|record| Some((record.key?, record.offset)))
                .collect(),
            records: records.map(|record| (record.offset, record)).collect(),
        }
    }

    fn is_superseded(&self, known: &Acknowledgement) -> bool {
        known
            .key
            .and_then(|key| self.last.get(&key))
            .is_some_and(|&newer| newer > known.offset)
    }
}
