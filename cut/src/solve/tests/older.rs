//! Clients of versions 0 and 1 (K§6.7).

use maxbrod_kafka::Offset;

use super::build::*;
use crate::cuts::{Cuts, Level};
use crate::solve::{solve, unanchored};

const PARTS: &[&str] = &["a-0"];

/// An id whose epoch stays 0 in all its transactions; the last records were read after phase p.
fn older(before: i8, records: &[i8], later: &[i8]) -> crate::CapturedPartition {
    let of = |status: &i8| {
        state(
            "x",
            7,
            0,
            *status,
            0,
            if *status == COMPLETE_COMMIT { &[] } else { PARTS },
        )
    };
    let records: Vec<_> = records.iter().map(of).collect();
    let mut home = home(0, 9, &[of(&before)], &records);
    let end = home.end.offset().0;
    home.records.extend(
        later
            .iter()
            .enumerate()
            .map(|(at, status)| stored(end + at as i64, &of(status))),
    );
    home
}

fn cuts_of(home: crate::CapturedPartition, tail: &[crate::TransactionalRun], is_open: bool) -> Cuts {
    let mut data = with_tail(partition("a-0", 10, 20), tail);
    if is_open {
        data.open_at_start = Some(vec![crate::OpenTransaction {
            producer_id: maxbrod_kafka::ProducerId(7),
            producer_epoch: maxbrod_kafka::ProducerEpoch(0),
            first_offset: Offset(4),
        }]);
    }
    solve(&capture([home, data]))
}

#[test]
fn each_transaction_of_one_epoch_is_told_apart_by_order() {
    let home = || {
        older(
            COMPLETE_COMMIT,
            &[],
            &[ONGOING, PREPARE_COMMIT, COMPLETE_COMMIT, ONGOING],
        )
    };
    let tail = [run(11, 7, 0, Data), run(12, 7, 0, COMMIT), run(14, 7, 0, Data)];
    // All of it came after phase q.
    let cuts = cuts_of(home(), &tail, false);
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (11, Level::Transactional));
}

#[test]
fn a_marker_decided_after_the_phase_is_cut_and_the_records_stay_undecided() {
    let home = older(ONGOING, &[], &[PREPARE_COMMIT, COMPLETE_COMMIT]);
    let cuts = cuts_of(home, &[run(11, 7, 0, Data), run(12, 7, 0, COMMIT)], false);
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (12, Level::Transactional));
}

#[test]
fn a_marker_of_a_transaction_open_before_the_start_is_not_taken_for_a_repeated_one() {
    let home = older(ONGOING, &[], &[PREPARE_COMMIT]);
    let cuts = cuts_of(home, &[run(12, 7, 0, COMMIT)], true);
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (12, Level::Transactional));
    let home = older(COMPLETE_COMMIT, &[], &[]);
    let cuts = cuts_of(home, &[run(12, 7, 0, COMMIT)], false);
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (20, Level::Transactional));
}

#[test]
fn an_id_that_decides_during_a_sweep_is_asked_for_again() {
    let home = older(ONGOING, &[PREPARE_COMMIT, COMPLETE_COMMIT], &[]);
    assert_eq!(unanchored(&capture([home.clone()])), ["x"]);
    // A sweep later it has come to rest.
    let mut home = home;
    home.sweeps.push(Offset(11));
    assert!(unanchored(&capture([home.clone()])).is_empty());
    let mut data = with_tail(partition("a-0", 10, 20), &[run(11, 7, 0, Data), run(12, 7, 0, COMMIT)]);
    data.sweeps.push(Offset(13));
    let cuts = solve(&capture([home, data]));
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (20, Level::Transactional));
}

#[test]
fn without_a_quiet_sweep_it_takes_luck_to_tell_transactions_apart() {
    // Which of two commits the only marker belongs to decides whether it is late.
    let busy = || older(ONGOING, &[PREPARE_COMMIT, COMPLETE_COMMIT, ONGOING], &[PREPARE_COMMIT]);
    let tail = [run(11, 7, 0, Data), run(12, 7, 0, COMMIT)];
    let cuts = cuts_of(busy(), &tail, false);
    assert_eq!(cuts.level, Level::BestEffort);
    assert!(
        cuts.notes
            .iter()
            .any(|note| note.text.contains("transactional id \"x\"") && note.text.contains("a-0"))
    );
    // Two markers belong to both.
    let tail = [
        run(11, 7, 0, Data),
        run(12, 7, 0, COMMIT),
        run(14, 7, 0, Data),
        run(15, 7, 0, COMMIT),
    ];
    let cuts = cuts_of(busy(), &tail, false);
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (15, Level::Transactional));
}

#[test]
fn markers_that_do_not_match_the_decisions_are_named() {
    let home = older(ONGOING, &[], &[PREPARE_COMMIT, COMPLETE_COMMIT]);
    let cuts = cuts_of(home, &[run(11, 7, 0, Data), run(12, 7, 0, ABORT)], false);
    assert_eq!(cuts.level, Level::BestEffort);
    assert!(cuts.notes[0].text.contains("transactional id \"x\""));
}
