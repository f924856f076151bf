//! The fixed point of the rules, each of which says: if this log is cut below here, that one is cut there at the latest.
//!
//! Cuts only ever go down, so that every bound is applied at most once and the order does not matter.

use std::cmp::Reverse;
use std::collections::HashMap;

use maxbrod_kafka::Offset;

use crate::capture::{Capture, CapturedPartition, Cut};
use crate::cuts::Rule;

/// If `watched` is cut below `below`, `lowered` is cut at `to` at the latest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) watched: usize,
    pub(super) below: i64,
    pub(super) lowered: usize,
    pub(super) to: i64,
    pub(super) rule: Rule,
    pub(super) cause: Cause,
}

/// Whose record it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// That of a transactional id, by its index.
    Transaction(usize),
    /// That of a producer that no coordinator knows.
    Producer(i64),
    /// That of a group, by the index of its commit.
    Commit(usize),
}

/// A cut that was made lower.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lowering {
    pub(super) partition: usize,
    pub(super) rule: Rule,
    pub(super) from: Offset,
    pub(super) to: Offset,
    pub(super) cause: Cause,
}

/// The cuts while they go down.
#[derive(Debug)]
pub(super) struct Descent<'a> {
    capture: &'a Capture,
    cuts: Vec<Cut>,
    /// The last lowering of each partition by each rule, in the order of the first.
    pub(super) lowerings: Vec<Lowering>,
    index: HashMap<(usize, Rule), usize>,
    /// What would have had to be cut below what was there before the snapshot began, and was not.
    pub(super) stopped: Vec<Lowering>,
}

impl<'a> Descent<'a> {
    /// Cuts everything as high as its replicas allow.
    pub(super) fn from_ends(capture: &'a Capture) -> Self {
        Self {
            capture,
            cuts: capture.partitions.iter().map(|partition| partition.end).collect(),
            lowerings: Vec::new(),
            index: HashMap::new(),
            stopped: Vec::new(),
        }
    }

    /// Where a partition is cut.
    pub(super) fn offset(&self, partition: usize) -> i64 {
        self.cuts.get(partition).map_or(i64::MAX, |cut| cut.offset().0)
    }

    pub(super) fn cuts(&self) -> impl Iterator<Item = (&'a CapturedPartition, Cut)> + '_ {
        self.capture.partitions.iter().zip(self.cuts.iter().copied())
    }

    /// Applies the bounds until none is left to apply.
    pub(super) fn apply(&mut self, mut bounds: Vec<Bound>) {
        bounds.sort_by_key(|bound| (bound.watched, Reverse(bound.below)));
        // Which bounds wait for each partition: from the first that is not due, to the last.
        let mut waiting: HashMap<usize, (usize, usize)> = HashMap::new();
        for (place, bound) in bounds.iter().enumerate() {
            waiting.entry(bound.watched).or_insert((place, place)).1 = place + 1;
        }
        let mut worklist: Vec<usize> = bounds.iter().rev().map(|bound| bound.watched).collect();
        worklist.dedup();
        while let Some(watched) = worklist.pop() {
            let cut = self.offset(watched);
            while let Some((next, end)) = waiting.get_mut(&watched)
                && *next < *end
                && let Some(bound) = bounds.get(*next)
                && cut < bound.below
            {
                *next += 1;
                if self.lower(bound.lowered, bound.to, bound.rule, bound.cause) {
                    worklist.push(bound.lowered);
                }
            }
        }
    }

    /// Cuts a partition at the last batch end that is not above an offset, but never below its start.
    pub(super) fn lower(&mut self, partition: usize, to: i64, rule: Rule, cause: Cause) -> bool {
        let (Some(captured), Some(cut)) = (self.capture.partitions.get(partition), self.cuts.get_mut(partition)) else {
            return false;
        };
        let from = cut.offset();
        if from.0 <= to {
            return false;
        }
        let lowest = highest_cut(captured, i64::MIN);
        let wanted = highest_cut(captured, to).or(lowest).unwrap_or(*cut);
        let mut lowering = Lowering {
            partition,
            rule,
            from,
            to: wanted.offset(),
            cause,
        };
        if wanted.offset().0 > to {
            self.stopped.push(lowering);
        }
        if wanted.offset() >= from {
            return false;
        }
        *cut = wanted;
        match self
            .index
            .get(&(partition, rule))
            .and_then(|index| self.lowerings.get_mut(*index))
        {
            Some(earlier) => {
                lowering.from = earlier.from;
                *earlier = lowering;
            }
            None => {
                self.index.insert((partition, rule), self.lowerings.len());
                self.lowerings.push(lowering);
            }
        }
        true
    }
}

/// The highest possible cut that is not above an offset and not below the start, if there is one; for an offset below all, the
/// lowest.
fn highest_cut(captured: &CapturedPartition, limit: i64) -> Option<Cut> {
    let start = captured.start;
    let floor = start.map_or(i64::MIN, |start| start.offset().0);
    if limit == i64::MIN {
        let first = captured.batches.iter().find(|batch| batch.end_offset.0 >= floor);
        return start.or(first.map(|batch| Cut::After(*batch)));
    }
    let above = captured.batches.partition_point(|batch| batch.end_offset.0 <= limit);
    let batch = captured.batches.get(..above).and_then(|batches| batches.last());
    let batch = batch.filter(|batch| batch.end_offset.0 >= floor);
    match (batch, start) {
        (Some(batch), _) => Some(Cut::After(*batch)),
        (None, Some(start)) if start.offset().0 <= limit => Some(start),
        (None, _) => None,
    }
}
