//! Which transaction each run belongs to.

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
    /// Whether it is a marker that ends an open transaction rather than repeats another.
    pub(super) is_effective: Certainty,
    /// Offset of the transaction's first record here, of a marker that ends one; `None` where it is not known.
    pub(super) first_offset: Option<i64>,
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
            is_effective,
            first_offset,
        });
    }
    attributed
}

/// Whether a transaction is open, run after run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Openness {
    state: Certainty,
    first_offset: Option<i64>,
    /// Whether nothing was seen yet that tells.
    is_unknown_before: bool,
}

impl Openness {
    pub(super) fn of(opening: Opening) -> Self {
        match opening {
            Opening::Closed => Self::closed(),
            Opening::Open(transaction) => Self {
                state: Certainty::Yes,
                first_offset: Some(transaction.first_offset.0),
                is_unknown_before: false,
            },
            Opening::Unknown => Self {
                state: Certainty::Unknown,
                first_offset: None,
                is_unknown_before: true,
            },
        }
    }

    pub(super) fn closed() -> Self {
        Self {
            state: Certainty::No,
            first_offset: None,
            is_unknown_before: false,
        }
    }

    pub(super) fn is_open(&self) -> Certainty {
        self.state
    }

    /// Whether the run, if it is a marker, ends a transaction, and where that one began.
    pub(super) fn take(&mut self, run: &TransactionalRun) -> (Certainty, Option<i64>) {
        if run.kind.is_commit().is_some() {
            let before = (self.state, self.first_offset);
            *self = Self::closed();
            return before;
        }
        if self.state != Certainty::Yes {
            // Where it is not known whether one was open, this need not be the first record.
            self.first_offset = (!self.is_unknown_before).then_some(run.base_offset.0);
            self.state = Certainty::Yes;
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
        is_effective: Certainty::No,
        first_offset: None,
    }
}
