//! Which transaction a run of an older client belongs to (K§6.7).
//!
//! Clients of transaction versions 0 and 1 keep their epoch, so that neither a record nor a marker says whose it is. What is
//! known: after the anchoring sweep the transactions that registered a partition leave their markers there in the order of
//! their decisions, each at least one; a committed one has records in every partition it registered; only a transaction's first
//! marker can end an open run. All ways to match markers and decisions are looked at together, marker by marker.

use super::attribution::{Attributed, Certainty, Openness, before_anchor};
use super::ids::{BEFORE, NEVER, Transaction, TransactionalId};
use super::runs::Strand;
use crate::capture::{CapturedPartition, TransactionalRun, TransactionalRunKind};

/// How many pairs of a marker and a decision are looked at.
const MOST_PAIRS: usize = 4_000_000;

/// What the logs around a strand look like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    /// The strand's partition.
    pub(super) partition: &'a CapturedPartition,
    /// Up to where the coordinator's log was read before the partition was.
    pub(super) home_end: i64,
    /// Whether it was read once more afterwards.
    pub(super) read_again: bool,
}

/// Attributes the runs of a strand, or says why that cannot be done.
pub(super) fn align(
    strand: &Strand,
    id: &TransactionalId,
    surroundings: Surroundings<'_>,
) -> Result<Vec<Attributed>, &'static str> {
    let Some(anchor) = id.anchor else {
        return Err("no sweep saw it");
    };
    let sweep = match (
        surroundings.partition.start,
        surroundings.partition.sweeps.get(anchor.sweep),
    ) {
        (Some(_), Some(sweep)) => sweep.0,
        _ => return Err("it was not captured in the sweep that tells its transactions apart"),
    };
    let mut openness = Openness::of(strand.opening);
    let early = strand.runs.partition_point(|run| run.next_offset.0 <= sweep);
    let (early, late) = strand.runs.split_at_checked(early).unwrap_or((&strand.runs, &[]));
    for run in early {
        openness.take(run);
    }
    let listed = id
        .transactions
        .get(anchor.first..)
        .unwrap_or_default()
        .iter()
        .enumerate();
    let listed: Vec<(usize, &Transaction)> = listed
        .filter(|(_, transaction)| transaction.listed_at(strand.partition).is_some())
        .map(|(index, transaction)| (anchor.first + index, transaction))
        .collect();
    let positions = listed.iter().filter(|(index, _)| *index < anchor.after).count();
    let starts = |openness: &Openness| match openness.is_open() {
        // Nothing was completed meanwhile: what was decided before is still open there, or its marker lies before.
        Certainty::No if anchor.is_firm => (positions, positions),
        Certainty::Yes if anchor.is_firm => (0, 0),
        _ => (0, positions),
    };
    let matching = |openness: Openness| {
        let lattice = Lattice::of(late, openness.clone(), &listed, starts(&openness), surroundings);
        lattice.attribute(strand.partition)
    };
    let aligned = match openness.is_open() {
        Certainty::Unknown => match (matching(Openness::closed()), matching(openness)) {
            (Ok(one), Ok(other)) => Ok(either(&one, &other)),
            (one, other) => one.or(other),
        },
        Certainty::Yes | Certainty::No => matching(openness.clone()),
    };
    Ok(early.iter().map(before_anchor).chain(aligned?).collect())
}

/// What is true of both.
fn either(one: &[Attributed], other: &[Attributed]) -> Vec<Attributed> {
    let both = one.iter().zip(other);
    both.map(|(one, other)| Attributed {
        run: one.run,
        explained: (
            one.explained.0.min(other.explained.0),
            one.explained.1.max(other.explained.1),
        ),
        transaction: one.transaction.filter(|_| one.transaction == other.transaction),
        candidates: match (one.possible(), other.possible()) {
            (Some(one), Some(other)) if one != other => Some((one.0.min(other.0), one.1.max(other.1))),
            (one, other) => one.or(other),
        },
        is_effective: match one.is_effective == other.is_effective {
            true => one.is_effective,
            false => Certainty::Unknown,
        },
        first_offset: one.first_offset.filter(|_| one.first_offset == other.first_offset),
    })
    .collect()
}

/// A marker, and the run that it ends.
#[derive(Clone, Copy, Debug)]
struct Marker<'a> {
    run: &'a TransactionalRun,
    is_commit: bool,
    is_effective: bool,
    first_offset: Option<i64>,
    /// The records that it ends, if they are in the tail.
    records: Option<&'a TransactionalRun>,
}

/// The markers after the anchor against the transactions in question.
///
/// Position 0 stands for whatever came before them, position j for the j-th, the last for decisions that were not read.
struct Lattice<'a> {
    late: &'a [TransactionalRun],
    markers: Vec<Marker<'a>>,
    /// The records after the last marker.
    trailing: Option<&'a TransactionalRun>,
    /// Whether anything is open after the last marker.
    ends_open: bool,
    listed: &'a [(usize, &'a Transaction)],
    decided: usize,
    /// The positions that are possible before the first marker.
    starts: (usize, usize),
    surroundings: Surroundings<'a>,
}

impl<'a> Lattice<'a> {
    fn of(
        late: &'a [TransactionalRun],
        mut openness: Openness,
        listed: &'a [(usize, &'a Transaction)],
        starts: (usize, usize),
        surroundings: Surroundings<'a>,
    ) -> Self {
        let mut markers = Vec::new();
        let mut records = None;
        for run in late {
            let (was_open, first_offset) = openness.take(run);
            match run.kind.is_commit() {
                Some(is_commit) => markers.push(Marker {
                    run,
                    is_commit,
                    // What is not known is supposed to be open here; that it was closed is looked at apart.
                    is_effective: was_open != Certainty::No,
                    first_offset,
                    records: records.take(),
                }),
                None => records = Some(run),
            }
        }
        Self {
            late,
            markers,
            trailing: records,
            ends_open: openness.is_open() == Certainty::Yes,
            listed,
            decided: listed.iter().take_while(|(_, of)| of.decision.is_some()).count(),
            starts,
            surroundings,
        }
    }

    /// The position of decisions that were not read.
    fn unread(&self) -> usize {
        self.decided + 1
    }

    fn transaction(&self, position: usize) -> Option<&'a Transaction> {
        self.listed.get(position.checked_sub(1)?).map(|(_, of)| *of)
    }

    /// Whether the transaction at a position can have left this marker.
    fn is_marker_of(&self, position: usize, marker: &Marker<'_>) -> bool {
        let Some(transaction) = self.transaction(position) else {
            return false;
        };
        transaction.producer_id == marker.run.producer_id
            && transaction.decision.is_some_and(|decision| {
                decision.is_commit == marker.is_commit && decision.epoch == marker.run.producer_epoch
            })
    }

    /// Whether the transaction at a position can have written these records.
    fn are_records_of(&self, position: usize, run: &TransactionalRun) -> bool {
        let Some(transaction) = self.transaction(position) else {
            return false;
        };
        transaction.producer_id == run.producer_id && transaction.epoch.is_none_or(|epoch| epoch == run.producer_epoch)
    }

    /// Whether a marker can repeat an earlier one: it ends nothing, and its epoch was reached before the next transaction.
    fn repeats(&self, position: usize, marker: &Marker<'_>) -> bool {
        let is_later = |next: &Transaction| {
            next.producer_id == marker.run.producer_id
                && next.epoch.is_some_and(|epoch| epoch < marker.run.producer_epoch)
        };
        !marker.is_effective && !self.transaction(position + 1).is_some_and(is_later)
    }

    /// Whether a marker can be the first of the transaction at a position.
    fn begins(&self, position: usize, marker: &Marker<'_>) -> bool {
        if position == self.unread() {
            return !self.surroundings.read_again && (marker.is_effective || !marker.is_commit);
        }
        self.is_marker_of(position, marker)
            && (marker.is_effective || !marker.is_commit)
            && marker.records.is_none_or(|run| self.are_records_of(position, run))
    }

    /// Whether the strand can end after the markers of the position.
    fn can_end(&self, position: usize) -> bool {
        // What was complete before the partition was captured has its marker there (F4).
        let is_overdue = |of: &Transaction| of.complete.is_some_and(|at| at < self.surroundings.home_end);
        let next = self.listed.get(position..self.decided).unwrap_or_default();
        if next.iter().any(|(_, of)| is_overdue(of)) {
            return false;
        }
        match self.trailing {
            Some(_) if position == self.unread() => true,
            Some(run) if self.transaction(position + 1).is_some() => self.are_records_of(position + 1, run),
            Some(_) => !self.surroundings.read_again,
            None if self.ends_open => position == self.unread() || self.transaction(position + 1).is_some(),
            None => true,
        }
    }

    /// The positions before and after each marker that belong to a whole matching.
    fn reachable(&self) -> Result<Vec<Vec<bool>>, &'static str> {
        let width = self.unread() + 1;
        if width.saturating_mul(self.markers.len() + 1) > MOST_PAIRS {
            return Err("it has too many markers to tell its transactions apart");
        }
        let mut forward = vec![vec![false; width]];
        for (position, is_start) in forward.first_mut().into_iter().flatten().enumerate() {
            *is_start = self.starts.0 <= position && position <= self.starts.1;
        }
        for marker in &self.markers {
            let before = forward.last().map(Vec::as_slice).unwrap_or_default();
            let after = (0..width)
                .map(|position| self.leads(before, position, marker))
                .collect();
            forward.push(after);
        }
        let mut allowed: Vec<bool> = (0..width).map(|position| self.can_end(position)).collect();
        for (place, column) in forward.iter_mut().enumerate().rev() {
            if let Some(marker) = self.markers.get(place) {
                let stays = |position| allowed.get(position) == Some(&true) && self.repeats(position, marker);
                let goes = |position| allowed.get(position + 1) == Some(&true) && self.begins(position + 1, marker);
                allowed = (0..width).map(|position| stays(position) || goes(position)).collect();
            }
            for (is_reached, is_allowed) in column.iter_mut().zip(&allowed) {
                *is_reached &= is_allowed;
            }
            allowed.clone_from(column);
        }
        match allowed.contains(&true) {
            true => Ok(forward),
            false => Err("its markers do not match its decisions"),
        }
    }

    fn leads(&self, before: &[bool], position: usize, marker: &Marker<'_>) -> bool {
        let from_same = before.get(position) == Some(&true) && self.repeats(position, marker);
        let previous = position.checked_sub(1).and_then(|previous| before.get(previous));
        from_same || (previous == Some(&true) && self.begins(position, marker))
    }

    fn attribute(&self, partition: usize) -> Result<Vec<Attributed>, &'static str> {
        let columns = self.reachable()?;
        // After each marker, and after the last: the lowest and highest position.
        let spans: Vec<(usize, usize)> = columns
            .iter()
            .filter_map(|column| Some((column.iter().position(|of| *of)?, column.iter().rposition(|of| *of)?)))
            .collect();
        let mut attributed = Vec::with_capacity(self.late.len());
        let mut passed = 0;
        for run in self.late {
            let is_marker = run.kind != TransactionalRunKind::Data;
            let marker = self.markers.get(passed);
            passed += usize::from(is_marker);
            // Records belong to the marker that ends them, or to whoever comes after the last.
            let (lowest, highest) = match marker {
                Some(_) if is_marker => spans.get(passed),
                Some(_) => spans.get(passed + 1),
                None => spans.last(),
            }
            .copied()
            .ok_or("its markers do not match its decisions")?;
            let after = usize::from(marker.is_none());
            let (lowest, highest) = (lowest + after, highest + after);
            let explain = |position| match is_marker {
                true => self.decided_at(position),
                false => self.listed_at(position, partition),
            };
            let known = self.listed.get(lowest.wrapping_sub(1)).map(|(index, _)| *index);
            attributed.push(Attributed {
                run: *run,
                explained: (explain(lowest), explain(highest)),
                transaction: known.filter(|_| lowest == highest && !(is_marker && lowest > self.decided)),
                candidates: self.candidates(lowest, highest),
                is_effective: match marker.filter(|marker| is_marker && marker.is_effective) {
                    Some(_) => Certainty::Yes,
                    None => Certainty::No,
                },
                first_offset: marker.filter(|_| is_marker).and_then(|marker| marker.first_offset),
            });
        }
        Ok(attributed)
    }

    /// The transactions at these positions.
    fn candidates(&self, lowest: usize, highest: usize) -> Option<(usize, usize)> {
        let first = self.listed.get(lowest.max(1) - 1)?.0;
        let last = self
            .listed
            .get(highest.checked_sub(1)?.min(self.listed.len().checked_sub(1)?))?
            .0;
        Some((first, last))
    }

    fn decided_at(&self, position: usize) -> i64 {
        if position == 0 {
            return BEFORE;
        }
        let decision = self.transaction(position).and_then(|of| of.decision);
        decision.map_or(NEVER, |decision| decision.at)
    }

    fn listed_at(&self, position: usize, partition: usize) -> i64 {
        if position == 0 {
            return BEFORE;
        }
        self.transaction(position)
            .and_then(|of| of.listed_at(partition))
            .unwrap_or(NEVER)
    }
}
