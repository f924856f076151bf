//! Judges a restored cluster against its original.

mod acknowledged;
mod compacted;
mod moment;
mod report;
mod transactions;

use std::collections::{BTreeMap, BTreeSet};

pub use self::acknowledged::missing_acknowledged;
pub use self::moment::{Moment, Verdict, judge_moment};
pub use self::report::{Problem, Report};
pub use self::transactions::{chain_violations, torn_transactions};
use crate::dump::{Dump, PartitionDump, Record};
use crate::partition::TopicPartition;

/// Where a snapshot cut each partition: the offset after its last record.
pub type Cuts = BTreeMap<TopicPartition, i64>;

/// What a comparison has to know beside the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Topics whose old values compaction may have removed from either side; Kafka's own always count among them.
    pub compacted: BTreeSet<String>,
}

impl Options {
    /// Takes the compacted topics from a description.
    pub fn of(description: &crate::ClusterDescription) -> Self {
        let is_compacted = |topic: &crate::TopicDescription| {
            topic
                .configs
                .get("cleanup.policy")
                .is_some_and(|it| it.contains("compact"))
        };
        let compacted = description.topics.iter().filter(|(_, topic)| is_compacted(topic));
        Self {
            compacted: compacted.map(|(name, _)| name.clone()).collect(),
        }
    }

    fn is_compacted(&self, partition: &TopicPartition) -> bool {
        partition.is_internal() || self.compacted.contains(&partition.topic)
    }
}

/// Compares `restored` with `original`, which may have gone on after the cut.
///
/// In each partition of `cuts` the records below the cut are the same on both sides, offset by offset, from where both logs
/// begin; the restored log begins no later and holds no records of users from the cut on (Kafka may add markers that abort
/// what was open). Of compacted partitions, the last value of each key below the cut is the same, as far as the original
/// still tells it. Nothing that was aborted in the original is visible in the restored cluster.
pub fn compare(original: &Dump, restored: &Dump, cuts: &Cuts, options: &Options) -> Report {
    let mut report = Report::default();
    for (name, &cut) in cuts {
        let (Some(before), Some(after)) = (original.partitions.get(name), restored.partitions.get(name)) else {
            report.problems.push(Problem::MissingPartition {
                partition: name.clone(),
                in_original: !original.partitions.contains_key(name),
            });
            continue;
        };
        report.partitions += 1;
        let compacted = options.is_compacted(name);
        bounds(name, cut, before, after, compacted, &mut report);
        if compacted {
            compacted::compare(name, cut, before, after, &mut report);
        } else {
            plain(name, cut, before, after, &mut report);
        }
    }
    report
}

/// Log start, end and what lies beyond the cut.
fn bounds(
    name: &TopicPartition,
    cut: i64,
    before: &PartitionDump,
    after: &PartitionDump,
    compacted: bool,
    report: &mut Report,
) {
    for (side, original) in [(before, true), (after, false)] {
        if side.reached < side.end && !compacted {
            let (reached, end) = (side.reached, side.end);
            report.problems.push(Problem::Unread {
                partition: name.clone(),
                in_original: original,
                reached,
                end,
            });
        }
    }
    if after.end < cut {
        report.problems.push(Problem::EndsEarly {
            partition: name.clone(),
            end: after.end,
            cut,
        });
    }
    // A log start above the cut is possible only where everything was deleted before the snapshot.
    if after.start > before.start && after.start > 0 {
        report.problems.push(Problem::StartsLate {
            partition: name.clone(),
            start: after.start,
            original: before.start,
        });
    }
    if after.last_stable < after.end {
        report.open.push(name.clone());
    }
    let beyond = after.records.iter().filter(|record| record.offset >= cut);
    if !name.is_internal()
        && let Some(first) = beyond.clone().map(|record| record.offset).next()
    {
        report.problems.push(Problem::BeyondCut {
            partition: name.clone(),
            first,
            records: beyond.count(),
            cut,
        });
    }
}

fn plain(name: &TopicPartition, cut: i64, before: &PartitionDump, after: &PartitionDump, report: &mut Report) {
    let start = before.start.max(after.start);
    let in_range = |record: &&Record| record.offset >= start && record.offset < cut;
    report.unjudged += after.records.iter().filter(|record| record.offset < start).count();
    let mut old = before.records.iter().filter(in_range).peekable();
    let mut new = after.records.iter().filter(in_range).peekable();
    let (mut lost, mut invented) = (Vec::new(), Vec::new());
    loop {
        match (old.peek(), new.peek()) {
            (Some(was), Some(is)) if was.offset == is.offset => {
                judge(name, was, is, report);
                old.next();
                new.next();
            }
            (Some(was), is) if is.is_none_or(|is| was.offset < is.offset) => {
                lost.push(was.offset);
                old.next();
            }
            (_, Some(is)) => {
                invented.push(is.offset);
                new.next();
            }
            (_, None) => break,
        }
    }
    report.lost(name, &lost);
    report.invented(name, &invented);
}

/// Compares the two records at one offset.
fn judge(name: &TopicPartition, was: &Record, is: &Record, report: &mut Report) {
    report.records += 1;
    let what = if was.hash != is.hash {
        "key, value or headers"
    } else if was.timestamp != is.timestamp || was.timestamp_type != is.timestamp_type {
        "timestamp"
    } else {
        report.identical += 1;
        match (was.visible, is.visible) {
            // An aborted or undecided record that consumers of the restored cluster get.
            (false, true) => report.problems.push(Problem::Resurrected {
                partition: name.clone(),
                offset: is.offset,
            }),
            (true, false) => report.undecided += 1,
            _ => {}
        }
        return;
    };
    report.problems.push(Problem::Altered {
        partition: name.clone(),
        offset: is.offset,
        what,
    });
}

#[cfg(test)]
mod tests;
