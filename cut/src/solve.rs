//! From captured phases to cuts.
//!
//! `ids` reads what the coordinators stored, `runs` sorts the tails by whose they are, `attribution` and `alignment`
//! find the transaction of each run, `rules` and `offsets` turn that into bounds between two logs each, `bounds` lowers the
//! cuts until all hold. What cannot be known is never guessed: the rules are not applied to it, since a cut for a wrong reason
//! can tear what was there before the snapshot (K§6.6), and it is named.

mod alignment;
mod attribution;
mod bounds;
mod findings;
mod ids;
mod offsets;
mod participants;
mod report;
mod rules;
mod runs;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;

pub(crate) use rules::Rules;

use self::alignment::Surroundings;
use self::attribution::Attributed;
use self::bounds::{Cause, Descent};
use self::findings::Findings;
use self::ids::{TransactionalId, TransactionalIds};
use self::participants::Participants;
use self::report::Report;
use self::rules::{Demands, Home, Settled};
use self::runs::{Strand, Strands};
use crate::capture::{Capture, CapturedPartition, PartitionKind};
use crate::cuts::{Cuts, Rule};

/// Chooses the cut of every captured partition, so that the rules R1–R4 hold between them (K§6.5–6.7).
///
/// Every cut is at the end of a batch, not above the partition's `end` and not below its `start`. The level says how far the
/// rules could be applied; the notes name every transactional id, group and partition that cannot be vouched for.
pub fn solve(capture: &Capture) -> Cuts {
    solve_by(capture, Rules::ALL)
}

/// The transactional ids for whose sake M and q are to be repeated: those of older clients whose transactions no sweep told
/// apart so far (K§6.7), and those that commit groups' offsets, of which a second q tells what they can have read.
///
/// Looks at the captured partitions of `__transaction_state` only.
pub fn unanchored(capture: &Capture) -> Vec<String> {
    let participants = Participants::of(capture);
    let ids = TransactionalIds::read(capture, &participants, &mut Findings::new());
    let is_meant = |id: &TransactionalId| {
        let log = capture.partitions.get(id.home);
        log.is_some_and(|log| id.needs_another_sweep(log))
    };
    ids.ids.into_iter().filter(is_meant).map(|id| id.name).collect()
}

pub(crate) fn solve_by(capture: &Capture, rules: Rules) -> Cuts {
    let capture = &*in_order(capture);
    let mut findings = Findings::new();
    let participants = Participants::of(capture);
    let transactions_are_known = report::capture(capture, &mut findings);
    let mut ids = TransactionalIds::read(capture, &participants, &mut findings);
    let commits = offsets::commits(capture, &participants, &mut findings);

    let mut descent = Descent::from_ends(capture);
    let mut demands = Demands::default();
    if rules.offsets {
        demands.of_commits(&commits);
    }
    if transactions_are_known {
        let has_gap = |(_, partition): &(usize, &CapturedPartition)| report::missing_records(partition).is_some();
        let gaps: BTreeSet<usize> = capture
            .partitions
            .iter()
            .enumerate()
            .filter(has_gap)
            .map(|(home, _)| home)
            .collect();
        let strands = Strands::of(capture, &mut ids, &mut findings);
        runs::find_contradictory_markers(capture, &mut ids, &strands);
        if capture.read_again || ids.has_unreadable_states || !gaps.is_empty() {
            runs::report_unknown_producers(capture, &strands, &mut findings);
        } else if rules.late {
            // New since the phase q.
            for (partition, run) in &strands.unknown {
                let cause = Cause::Producer(run.producer_id.0);
                descent.lower(*partition, run.base_offset.0, Rule::R1, cause);
            }
        }
        let mut attributed = attribute(capture, &mut ids, strands, rules);
        // Where states are missing, a rule can find cause where there is none.
        attributed.retain(|(strand, _)| ids.ids.get(strand.id).is_some_and(|id| !gaps.contains(&id.home)));
        let is_older = |(strand, _): &(Strand, Vec<Attributed>)| ids.ids.get(strand.id).is_some_and(|id| id.is_older);
        let has_older = attributed.iter().any(is_older);
        for (strand, runs) in &attributed {
            if let Some(id) = ids.ids.get(strand.id) {
                let start = capture.partitions.get(strand.partition).and_then(|of| of.start);
                let home = Home {
                    id,
                    settled: settled(capture, id.home, has_older),
                };
                demands.of_strand(strand, home, runs, start.map_or(0, |start| start.offset().0), rules);
            }
        }
        if rules.offsets {
            demands.of_chains(&commits, &ids, &attributed, |home| settled(capture, home, has_older));
        }
    }
    descent.apply(std::mem::take(&mut demands.bounds));
    Report {
        capture,
        ids: &ids,
        commits: &commits,
        rules,
    }
    .finish(&descent, &demands.doubts, findings)
}

/// Finds the transaction of each run, for every id that there is no doubt about.
fn attribute(
    capture: &Capture,
    ids: &mut TransactionalIds,
    strands: Strands,
    rules: Rules,
) -> Vec<(Strand, Vec<Attributed>)> {
    let mut attributed = Vec::with_capacity(strands.strands.len());
    for strand in strands.strands {
        let (Some(id), Some(partition)) = (ids.ids.get(strand.id), capture.partitions.get(strand.partition)) else {
            continue;
        };
        if !id.is_older {
            let runs = attribution::by_epoch(&strand, id, ids);
            attributed.push((strand, runs));
            continue;
        }
        let home_end = capture.partitions.get(id.home).map_or(0, |home| home.end.offset().0);
        let surroundings = Surroundings {
            partition,
            home_end,
            read_again: capture.read_again,
        };
        match alignment::align(&strand, id, surroundings) {
            Ok(mut runs) => {
                for run in &mut runs {
                    // Whosever it is, its epoch was reached before.
                    let reached = ids.producer(run.run.producer_id).map_or(ids::BEFORE, |producer| {
                        id.passed(producer, |epoch| epoch >= run.run.producer_epoch)
                    });
                    run.explained = (run.explained.0.max(reached), run.explained.1.max(reached));
                }
                attributed.push((strand, runs));
            }
            Err(why) => {
                let name = ids::name(&partition.topic, partition.key.partition);
                if let Some(id) = ids.ids.get_mut(strand.id).filter(|_| rules.accept_test) {
                    id.doubt(format!("in {name} {why}"));
                }
            }
        }
    }
    attributed.retain(|(strand, _)| ids.ids.get(strand.id).is_some_and(|id| id.doubts.is_empty()));
    attributed
}

/// The capture with the batches of each partition ascending.
fn in_order(capture: &Capture) -> Cow<'_, Capture> {
    let is_sorted = |of: &CapturedPartition| of.batches.is_sorted_by_key(|batch| batch.end_offset);
    let mut capture = Cow::Borrowed(capture);
    if !capture.partitions.iter().all(is_sorted) {
        for partition in &mut capture.to_mut().partitions {
            partition.batches.sort_by_key(|batch| batch.end_offset);
        }
    }
    capture
}

/// Where a coordinator's log ended at the q before the last, if there was one. A whole phase M came before that q.
///
/// The markers of older clients are only looked at from a later M on, so that with them nothing is undone in vain.
fn settled(capture: &Capture, home: usize, has_older: bool) -> Option<Settled> {
    let sweeps = &capture.partitions.get(home)?.sweeps;
    let at = sweeps.get(1..)?.last()?.0;
    Some(Settled {
        at,
        can_undo: !has_older,
    })
}

/// Whether a partition is one of a coordinator of transactions.
fn holds_transactions(kind: PartitionKind) -> bool {
    kind == PartitionKind::TransactionState
}
