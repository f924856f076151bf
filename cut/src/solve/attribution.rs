//! Which transaction each run belongs to.

use std::collections::BTreeMap;

use maxbrod_kafka::ProducerId;

use super::ids::{BEFORE, NEVER, TransactionalId, TransactionalIds};
use super::runs::{Opening, Strand};
use crate::capture::{TransactionalRun, TransactionalRunKind};

/// A run, and what is known of its transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributed {
    pub(super) run: TransactionalRun,
    /// Where the coordinator's log first has what must precede the run: the partition's registration before a record, the
    /// decision before a marker. Two offsets where more than one transaction is possible: the lowest and the highest.
    pub(super) explained: (i64, i64),
    /// The transaction, an index into those of the id, where it is certain.
    pub(super) transaction: Option<usize>,
    /// Where it is not certain, the first and the last that are possible.
    pub(super) candidates: Option<(usize, usize)>,
    /// Whether it is a marker that ends an open transaction rather than repeats another.
    pub(super) is_effective: Certainty,
    /// Offset of the transaction's first record here, of a marker that ends one; `None` where it is not known.
    pub(super) first_offset: Option<i64>,
}

impl Attributed {
    /// The first and the last transaction that are possible.
    pub(super) fn possible(&self) -> Option<(usize, usize)> {
        self.transaction.map(|certain| (certain, certain)).or(self.candidates)
    }

    /// The lowest decision to commit that the run can depend on, where its transaction is not certain.
    pub(super) fn lowest_commit(&self, id: &TransactionalId) -> Option<i64> {
        let (first, last) = self.candidates?;
        let possible = id.transactions.get(first..=last)?.iter();
        let commits = possible
            .filter_map(|of| of.decision)
            .filter(|of| of.is_commit && of.at > BEFORE);
        commits.map(|decision| decision.at).min()
    }
}

/// Yes, no, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Certainty {
    Yes,
    No,
    Unknown,
}

/// Attributes the runs of an id whose transactions have each an epoch of their own (version 2, K§6.1 F6).
pub(super) fn by_epoch(strand: &Strand, id: &TransactionalId, ids: &TransactionalIds) -> Vec<Attributed> {
    let mut openness = Openness::of(strand.opening);
    let mut attributed = Vec::with_capacity(strand.runs.len());
    for run in &strand.runs {
        let Some(producer) = ids.producer(run.producer_id) else {
            continue;
        };
        let (explained, transaction) = match run.kind {
            TransactionalRunKind::Data => {
                let transaction = id.transaction_of_records(run.producer_id, run.producer_epoch);
                let of = transaction.and_then(|index| id.transactions.get(index));
                let registered = of.and_then(|of| of.listed_at(strand.partition)).unwrap_or(NEVER);
                let passed = id.passed(producer, |epoch| epoch > run.producer_epoch);
                (registered.min(passed), transaction)
            }
            TransactionalRunKind::Commit { .. } | TransactionalRunKind::Abort { .. } => {
                let transaction = id.transaction_of_markers(run.producer_id, run.producer_epoch);
                (id.passed(producer, |epoch| epoch >= run.producer_epoch), transaction)
            }
        };
        let (is_effective, first_offset) = openness.take(run);
        attributed.push(Attributed {
            run: *run,
            explained: (explained, explained),
            transaction,
            candidates: None,
            is_effective,
            first_offset,
        });
    }
    attributed
}

/// Whether transactions are open, run after run. Each producer id has its own: an id that gave one up can have markers of the
/// old one repeated while it writes with the new one.
#[derive(Clone, Debug)]
pub(super) struct Openness {
    /// What is not seen yet: closed, or not known.
    unseen: Certainty,
    seen: BTreeMap<ProducerId, Open>,
}

/// An open transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    is_open: bool,
    first_offset: Option<i64>,
}

impl Openness {
    pub(super) fn of(opening: Opening) -> Self {
        let unseen = match opening {
            Opening::Closed | Opening::Open(_) => Certainty::No,
            Opening::Unknown => Certainty::Unknown,
        };
        let mut seen = BTreeMap::new();
        if let Opening::Open(transaction) = opening {
            let open = Open {
                is_open: true,
                first_offset: Some(transaction.first_offset.0),
            };
            seen.insert(transaction.producer_id, open);
        }
        Self { unseen, seen }
    }

    pub(super) fn closed() -> Self {
        Self::of(Opening::Closed)
    }

    /// Whether any transaction is open.
    pub(super) fn is_open(&self) -> Certainty {
        match self.seen.values().any(|of| of.is_open) {
            true => Certainty::Yes,
            false if self.seen.is_empty() => self.unseen,
            false => Certainty::No,
        }
    }

    /// Whether one of this producer is.
    fn is_open_of(&self, producer: ProducerId) -> Certainty {
        match self.seen.get(&producer) {
            Some(of) if of.is_open => Certainty::Yes,
            Some(_) => Certainty::No,
            None => self.unseen,
        }
    }

    /// Whether the run, if it is a marker, ends a transaction, and where that one began.
    pub(super) fn take(&mut self, run: &TransactionalRun) -> (Certainty, Option<i64>) {
        let is_open = self.is_open_of(run.producer_id);
        let first_offset = self.seen.get(&run.producer_id).and_then(|of| of.first_offset);
        if run.kind.is_commit().is_some() {
            let closed = Open {
                is_open: false,
                first_offset: None,
            };
            self.seen.insert(run.producer_id, closed);
            return (is_open, first_offset);
        }
        if is_open != Certainty::Yes {
            let open = Open {
                is_open: true,
                // Where it is not known whether one was open, this need not be the first record.
                first_offset: (is_open == Certainty::No).then_some(run.base_offset.0),
            };
            self.seen.insert(run.producer_id, open);
        }
        (Certainty::No, None)
    }
}

/// An older client's run from before its anchor: nothing of it can be cut (K§6.7).
pub(super) fn before_anchor(run: &TransactionalRun) -> Attributed {
    Attributed {
        run: *run,
        explained: (BEFORE, BEFORE),
        transaction: None,
        candidates: None,
        is_effective: Certainty::No,
        first_offset: None,
    }
}
