//! The rules of the cut (K§6.5), as bounds.

use super::attribution::{Attributed, Certainty};
use super::bounds::{Bound, Cause};
use super::ids::{BEFORE, NEVER, TransactionalId};
use super::runs::Strand;
use crate::cuts::Rule;

/// Which rules are applied. Only tests leave any out, to show that each is needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) late: bool,
    pub(crate) commits: bool,
    pub(crate) completes: bool,
    pub(crate) offsets: bool,
    /// Whether transactions of older clients that cannot be told apart lower the level (the accept test, K§6.7).
    pub(crate) accept_test: bool,
}

impl Rules {
    pub(crate) const ALL: Self = Self {
        late: true,
        commits: true,
        completes: true,
        offsets: true,
        accept_test: true,
    };
}

/// Something that is only wrong if the cuts end up so: one below an offset while another is above one.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    pub(super) below: (usize, i64),
    pub(super) above: (usize, i64),
    pub(super) about: Cause,
    pub(super) text: &'static str,
    /// Where.
    pub(super) partition: usize,
}

/// A transactional id, and what is known of when its states were stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home<'a> {
    pub(super) id: &'a TransactionalId,
    pub(super) settled: Option<Settled>,
}

/// Where a coordinator's log ended at the q before the last, if there was one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    /// What is below was stored before the last q began.
    pub(super) at: i64,
    /// Whether what is not can be undone in vain: it is younger than everything below any start, and nothing relies on more.
    pub(super) can_undo: bool,
}

/// What the rules demand, and what they cannot say.
#[derive(Debug, Default)]
pub(super) struct Demands {
    pub(super) bounds: Vec<Bound>,
    pub(super) doubts: Vec<Doubt>,
}

impl Demands {
    /// R1, R2 and R3 for the runs of one transactional id in one partition.
    pub(super) fn of_strand(&mut self, strand: &Strand, home: Home<'_>, runs: &[Attributed], start: i64, rules: Rules) {
        let id = home.id;
        for attributed in runs {
            if rules.late && attributed.run.base_offset.0 >= start {
                self.late(strand, id, attributed);
            }
            let is_record = attributed.run.kind.is_commit().is_none();
            let Some(transaction) = attributed.transaction.and_then(|index| id.transactions.get(index)) else {
                self.uncertain(strand, id, attributed);
                continue;
            };
            if let Some(decision) = transaction.decision
                && rules.commits
                && is_record
                && decision.is_commit
            {
                self.undo(strand, id, attributed, decision.at, Rule::R2);
            }
            if let Some(complete) = transaction.complete
                && rules.completes
                && !is_record
            {
                let is_effective = match (attributed.is_effective, home.settled) {
                    // Completed before the last q began: had its marker been cut, it had come later. It is a repeated one.
                    (Certainty::Unknown, Some(settled)) if complete < settled.at => Certainty::No,
                    (Certainty::Unknown, Some(settled)) if settled.can_undo => Certainty::Yes,
                    (known, _) => known,
                };
                match is_effective {
                    Certainty::Yes => self.undo(strand, id, attributed, complete, Rule::R3),
                    Certainty::No => {}
                    // Cutting for a repeated marker could cut what was there before; not cutting can leave its partition open.
                    Certainty::Unknown => self.doubts.push(Doubt {
                        below: (strand.partition, attributed.run.next_offset.0),
                        above: (id.home, complete),
                        about: Cause::Transaction(strand.id),
                        text: "the records that its marker ends lie before the snapshot's start, if there are any",
                        partition: strand.partition,
                    }),
                }
            }
        }
    }

    /// R2 and R3 where the transaction is not certain: nothing is wrong as long as the run stays.
    fn uncertain(&mut self, strand: &Strand, id: &TransactionalId, attributed: &Attributed) {
        let is_repeated = attributed.run.kind.is_commit().is_some() && attributed.is_effective == Certainty::No;
        if let Some(commit) = attributed.lowest_commit(id).filter(|_| !is_repeated) {
            self.doubts.push(Doubt {
                below: (strand.partition, attributed.run.next_offset.0),
                above: (id.home, commit),
                about: Cause::Transaction(strand.id),
                text: "more than one of its transactions can have written there",
                partition: strand.partition,
            });
        }
    }

    /// R1: a run needs what must precede it.
    fn late(&mut self, strand: &Strand, id: &TransactionalId, attributed: &Attributed) {
        let (lowest, highest) = attributed.explained;
        if lowest > BEFORE {
            self.bounds.push(Bound {
                watched: id.home,
                below: lowest.saturating_add(1),
                lowered: strand.partition,
                to: attributed.run.base_offset.0,
                rule: Rule::R1,
                cause: Cause::Transaction(strand.id),
            });
        }
        // An abort that ends nothing does no harm wherever it belongs: the coordinator sends another of the same epoch.
        let is_harmless = attributed.run.kind.is_commit() == Some(false) && attributed.is_effective == Certainty::No;
        if lowest < highest && !is_harmless {
            self.doubts.push(Doubt {
                below: (id.home, highest.saturating_add(1)),
                above: (id.home, lowest),
                about: Cause::Transaction(strand.id),
                text: "more than one of its transactions can have written there",
                partition: strand.partition,
            });
        }
    }

    /// R2 and R3: where a run is cut, the state that presupposes it is cut as well.
    fn undo(&mut self, strand: &Strand, id: &TransactionalId, attributed: &Attributed, at: i64, rule: Rule) {
        if at > BEFORE && at < NEVER {
            self.bounds.push(Bound {
                watched: strand.partition,
                below: attributed.run.next_offset.0,
                lowered: id.home,
                to: at,
                rule,
                cause: Cause::Transaction(strand.id),
            });
        }
    }
}
