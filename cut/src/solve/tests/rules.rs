//! R1 to R4 for clients of version 2.

use maxbrod_kafka::share_group_state::{ShareKey, ShareRecord, ShareSnapshotValue, ShareStateBatch};
use maxbrod_kafka::{Offset, ProducerId};

use super::build::*;
use crate::capture::CoordinatorRecord;
use crate::cuts::{Level, Rule};
use crate::solve::solve;

#[test]
fn without_transactions_every_partition_is_cut_at_its_replicated_prefix() {
    let cuts = solve(&capture([partition("a-0", 5, 20), partition("a-1", 0, 0)]));
    assert_eq!(cuts.level, Level::Transactional);
    assert_eq!((cut_of(&cuts, "a-0"), cut_of(&cuts, "a-1")), (20, 0));
    assert!(cuts.cut_back.is_empty() && cuts.notes.is_empty());
}

#[test]
fn records_of_a_transaction_that_is_not_registered_yet_are_cut() {
    // R1: everything from the first such record on, whoever wrote it.
    let home = home(0, 9, &[state("x", 7, 3, COMPLETE_COMMIT, 2, &[])], &[]);
    let data = with_tail(partition("a-0", 10, 20), &[run(12, 7, 3, Data)]);
    let cuts = solve(&capture([home, data]));
    assert_eq!(cut_of(&cuts, "a-0"), 12);
    assert_eq!(cuts.level, Level::Transactional);
    assert_eq!(cuts.cut_back.len(), 1);
    assert_eq!(
        (cuts.cut_back[0].rule, cuts.cut_back[0].from, cuts.cut_back[0].to),
        (Rule::R1, Offset(20), Offset(12))
    );
    assert_eq!(cuts.cut_back[0].cause, "transactional id \"x\"");
}

#[test]
fn a_batch_that_holds_the_first_late_record_goes_as_a_whole() {
    let home = home(0, 9, &[state("x", 7, 3, COMPLETE_COMMIT, 2, &[])], &[]);
    let mut data = with_tail(partition("a-0", 10, 20), &[run(14, 7, 3, Data)]);
    data.batches.retain(|batch| ![13, 14].contains(&batch.end_offset.0));
    let cuts = solve(&capture([home, data]));
    assert_eq!(cut_of(&cuts, "a-0"), 12);
}

#[test]
fn records_of_registered_transactions_stay() {
    let registered = state("x", 7, 3, ONGOING, 2, &["a-0"]);
    let data = || with_tail(partition("a-0", 10, 20), &[run(12, 7, 3, Data)]);
    let cuts = solve(&capture([home(0, 9, &[], std::slice::from_ref(&registered)), data()]));
    assert_eq!(cut_of(&cuts, "a-0"), 20);
    // In another partition only: not here.
    let elsewhere = state("x", 7, 3, ONGOING, 2, &["a-1"]);
    let cuts = solve(&capture([
        home(0, 9, &[], &[elsewhere]),
        data(),
        partition("a-1", 0, 5),
    ]));
    assert_eq!(cut_of(&cuts, "a-0"), 12);
}

#[test]
fn a_marker_whose_decision_was_not_captured_is_cut() {
    let home = home(0, 9, &[state("x", 7, 3, ONGOING, 2, &["a-0"])], &[]);
    let data = with_tail(partition("a-0", 10, 20), &[run(12, 7, 3, Data), run(15, 7, 4, COMMIT)]);
    let cuts = solve(&capture([home, data]));
    assert_eq!(cut_of(&cuts, "a-0"), 15);
}

#[test]
fn a_commit_some_of_whose_records_are_cut_is_undone() {
    // R1 for y cuts a-0 at 12, with a record of x: x becomes undecided, so that its marker in a-1 goes, too.
    let x = home(
        0,
        9,
        &[state("x", 7, 3, ONGOING, 2, &["a-0", "a-1"])],
        &[state("x", 7, 4, PREPARE_COMMIT, 2, &["a-0", "a-1"])],
    );
    let y = home(1, 4, &[state("y", 8, 0, EMPTY, 2, &[])], &[]);
    let one = with_tail(
        partition("a-0", 10, 20),
        &[run(12, 8, 0, Data), run(13, 7, 3, Data), run(16, 7, 4, COMMIT)],
    );
    let other = with_tail(partition("a-1", 0, 9), &[run(2, 7, 3, Data), run(6, 7, 4, COMMIT)]);
    let cuts = solve(&capture([x, y, one, other]));
    assert_eq!((cut_of(&cuts, "a-0"), cut_of(&cuts, "a-1")), (12, 6));
    assert_eq!(cut_of(&cuts, "__transaction_state-0"), 9);
    let rules: Vec<Rule> = cuts.cut_back.iter().map(|of| of.rule).collect();
    assert_eq!(rules, [Rule::R1, Rule::R2, Rule::R1]);
    assert_eq!(cuts.level, Level::Transactional);
}

#[test]
fn a_completed_transaction_that_lost_a_marker_is_to_be_completed_again() {
    // R3: the coordinator sends the marker again if it finds Prepare.
    let x = home(
        0,
        9,
        &[state("x", 7, 3, ONGOING, 2, &["a-0"])],
        &[
            state("x", 7, 4, PREPARE_COMMIT, 2, &["a-0"]),
            state("x", 7, 4, COMPLETE_COMMIT, 2, &[]),
        ],
    );
    let y = home(1, 4, &[state("y", 8, 0, EMPTY, 2, &[])], &[]);
    let data = with_tail(
        partition("a-0", 10, 20),
        &[run(11, 7, 3, Data), run(12, 8, 0, Data), run(16, 7, 4, COMMIT)],
    );
    let cuts = solve(&capture([x, y, data]));
    assert_eq!((cut_of(&cuts, "a-0"), cut_of(&cuts, "__transaction_state-0")), (12, 10));
}

#[test]
fn a_marker_repeated_after_completion_undoes_nothing() {
    let x = home(
        0,
        9,
        &[state("x", 7, 3, ONGOING, 2, &["a-0"])],
        &[
            state("x", 7, 4, PREPARE_COMMIT, 2, &["a-0"]),
            state("x", 7, 4, COMPLETE_COMMIT, 2, &[]),
        ],
    );
    let y = home(1, 4, &[state("y", 8, 0, EMPTY, 2, &[])], &[]);
    let data = with_tail(
        partition("a-0", 10, 20),
        &[
            run(10, 7, 3, Data),
            run(11, 7, 4, COMMIT),
            run(12, 8, 0, Data),
            run(16, 7, 4, COMMIT),
        ],
    );
    let cuts = solve(&capture([x, y, data]));
    assert_eq!((cut_of(&cuts, "a-0"), cut_of(&cuts, "__transaction_state-0")), (12, 11));
}

#[test]
fn where_nobody_knows_what_was_open_the_id_is_named() {
    let x = home(
        0,
        9,
        &[state("x", 7, 3, ONGOING, 2, &["a-0"])],
        &[
            state("x", 7, 4, PREPARE_COMMIT, 2, &["a-0"]),
            state("x", 7, 4, COMPLETE_COMMIT, 2, &[]),
        ],
    );
    let y = home(1, 4, &[state("y", 8, 0, EMPTY, 2, &[])], &[]);
    let mut data = with_tail(partition("a-0", 10, 20), &[run(12, 8, 0, Data), run(16, 7, 4, COMMIT)]);
    data.open_at_start = None;
    let cuts = solve(&capture([x, y, data]));
    assert_eq!(cuts.level, Level::BestEffort);
    assert!(
        cuts.notes
            .iter()
            .any(|note| note.text.contains("transactional id \"x\"") && note.text.contains("a-0"))
    );
}

#[test]
fn markers_of_a_producer_id_given_up_stay_and_records_of_the_next_one_wait_for_it() {
    let mut decided = state("x", 7, 32767, PREPARE_COMMIT, 2, &["a-0"]);
    let value = decided.value.as_mut().unwrap();
    (value.previous_producer_id, value.next_producer_id) = (ProducerId(7), ProducerId(8));
    let data = || {
        with_tail(
            partition("a-0", 10, 20),
            &[run(11, 7, 32766, Data), run(12, 7, 32767, COMMIT), run(14, 8, 0, Data)],
        )
    };
    let cuts = solve(&capture([home(0, 9, &[decided.clone()], &[]), data()]));
    assert_eq!(cut_of(&cuts, "a-0"), 14);
    let mut complete = state("x", 8, 0, COMPLETE_COMMIT, 2, &[]);
    complete.value.as_mut().unwrap().previous_producer_id = ProducerId(7);
    let begun = state("x", 8, 0, ONGOING, 2, &["a-0"]);
    let cuts = solve(&capture([home(0, 9, &[complete], &[begun]), data()]));
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (20, Level::Transactional));
}

#[test]
fn an_abort_by_fencing_explains_markers_of_any_epoch_up_to_its_own() {
    let fenced = state("x", 7, 5, PREPARE_ABORT, 2, &["a-0"]);
    let data = with_tail(partition("a-0", 10, 20), &[run(11, 7, 3, Data), run(12, 7, 5, ABORT)]);
    let cuts = solve(&capture([
        home(0, 9, &[state("x", 7, 3, ONGOING, 2, &["a-0"])], &[fenced]),
        data,
    ]));
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (20, Level::Transactional));
}

#[test]
fn a_groups_offset_past_what_is_cut_goes_with_it() {
    let x = home(0, 9, &[state("x", 7, 3, COMPLETE_COMMIT, 2, &[])], &[]);
    let data = with_tail(partition("a-0", 10, 20), &[run(14, 7, 3, Data)]);
    let mut groups = partition("__consumer_offsets-0", 0, 5);
    groups.records = vec![committed(1, "g", "a-0", 14), committed(3, "g", "a-0", 15)];
    let cuts = solve(&capture([x, data, groups]));
    assert_eq!((cut_of(&cuts, "a-0"), cut_of(&cuts, "__consumer_offsets-0")), (14, 3));
    assert_eq!(cuts.cut_back[1].cause, "group \"g\" at offset 15 of a-0");
    assert_eq!(cuts.level, Level::Transactional);
}

#[test]
fn an_offset_that_was_past_the_data_in_the_cluster_itself_is_named_and_nothing_is_cut_for_it() {
    let mut groups = partition("__consumer_offsets-0", 0, 5);
    groups.records = vec![
        committed(1, "g", "a-0", 1000),
        committed(2, "h", "a-0", 1000),
        committed(3, "h", "a-0", 7),
    ];
    let cuts = solve(&capture([partition("a-0", 10, 20), groups]));
    assert_eq!(
        (cut_of(&cuts, "__consumer_offsets-0"), cuts.level),
        (5, Level::BestEffort)
    );
    assert_eq!(cuts.notes.len(), 1);
    assert!(cuts.notes[0].text.contains("group \"g\""));
}

#[test]
fn offsets_of_topics_that_are_not_captured_are_left_alone() {
    let mut groups = partition("__consumer_offsets-0", 0, 5);
    groups.records = vec![committed(1, "g", "gone-0", 1000)];
    let cuts = solve(&capture([groups]));
    assert_eq!(
        (cut_of(&cuts, "__consumer_offsets-0"), cuts.level),
        (5, Level::Transactional)
    );
}

#[test]
fn a_transaction_that_read_what_the_cut_leaves_undecided_is_undone() {
    // y read x's records up to offset 12, where x's marker is; x is undecided in the cut.
    let x = home(0, 9, &[state("x", 7, 3, ONGOING, 2, &["a-0"])], &[]);
    let y = home(
        1,
        4,
        &[state("y", 8, 0, ONGOING, 2, &["__consumer_offsets-0"])],
        &[state("y", 8, 1, PREPARE_COMMIT, 2, &["__consumer_offsets-0"])],
    );
    // Whether x's decision was read after phase p or not.
    let mut x_later = x.clone();
    x_later.records = vec![stored(9, &state("x", 7, 4, PREPARE_COMMIT, 2, &["a-0"]))];
    for x in [x, x_later] {
        let data = with_tail(partition("a-0", 10, 20), &[run(11, 7, 3, Data), run(12, 7, 4, COMMIT)]);
        let mut groups = with_tail(partition("__consumer_offsets-0", 0, 5), &[run(2, 8, 0, Data)]);
        groups.records = vec![committed(2, "g", "a-0", 12)];
        let cuts = solve(&capture([x, y.clone(), data, groups]));
        assert_eq!((cut_of(&cuts, "a-0"), cut_of(&cuts, "__transaction_state-1")), (12, 4));
        assert_eq!(cuts.level, Level::Transactional);
    }
}

#[test]
fn a_share_group_that_is_done_with_more_than_is_left_goes_back() {
    let x = home(0, 9, &[state("x", 7, 3, COMPLETE_COMMIT, 2, &[])], &[]);
    let data = with_tail(partition("a-0", 10, 20), &[run(14, 7, 3, Data)]);
    let shared = |at, start, acknowledged| {
        let record = ShareRecord::Snapshot {
            key: ShareKey {
                group: "s".into(),
                topic_id: key("a", 0).topic_id,
                partition: key("a", 0).partition,
            },
            value: Some(ShareSnapshotValue {
                start_offset: Offset(start),
                state_batches: vec![ShareStateBatch {
                    first_offset: Offset(start),
                    last_offset: Offset(acknowledged),
                    ..ShareStateBatch::default()
                }],
                ..ShareSnapshotValue::default()
            }),
        };
        CoordinatorRecord {
            offset: Offset(at),
            key: record.encode_key().unwrap(),
            value: record.encode_value().unwrap(),
        }
    };
    let mut states = partition("__share_group_state-0", 0, 5);
    states.records = vec![shared(1, 11, 13), shared(3, 12, 14)];
    let cuts = solve(&capture([x, data, states]));
    assert_eq!(cut_of(&cuts, "__share_group_state-0"), 3);
}
