//! Compacted partitions: the last value of each key.

use std::collections::BTreeMap;

use super::{Problem, Report, judge};
use crate::dump::{PartitionDump, Record};
use crate::partition::TopicPartition;

/// Compares by key, since either side's cleaner may have been at work since the cut.
///
/// A key whose newest record in the original lies beyond the cut, or whose tombstone is gone there, may have had any older
/// value at the cut: those count as unjudged. Records at the same offset are the same in any case.
pub(super) fn compare(
    name: &TopicPartition,
    cut: i64,
    before: &PartitionDump,
    after: &PartitionDump,
    report: &mut Report,
) {
    let old: BTreeMap<i64, &Record> = before.records.iter().map(|record| (record.offset, record)).collect();
    for is in after.records.iter().filter(|record| record.offset < cut) {
        match old.get(&is.offset) {
            Some(was) => judge(name, was, is, report),
            None => report.unjudged += 1,
        }
    }
    let newest = last_by_key(before, i64::MAX);
    let restored = last_by_key(after, cut);
    for (key, was) in newest.into_iter().filter(|(_, was)| was.offset < cut) {
        let is = restored.get(&key).map(|record| record.offset);
        // The cleaner of the restored cluster may have purged the tombstone meanwhile.
        if is != Some(was.offset) && !(was.tombstone && is.is_none()) {
            report.problems.push(Problem::StaleKey {
                partition: name.clone(),
                key,
                offset: is,
                original: was.offset,
            });
        }
    }
}

fn last_by_key(partition: &PartitionDump, cut: i64) -> BTreeMap<u64, &Record> {
    let below = partition.records.iter().filter(|record| record.offset < cut);
    below.filter_map(|record| Some((record.key?, record))).collect()
}
