//! What cannot be vouched for is said, and lowers the level.

use bytes::Bytes;
use maxbrod_kafka::{Offset, PartitionId};

use super::build::*;
use crate::capture::{Absence, AbsentPartition, Capture, Cleaning, CoordinatorRecord, Cut};
use crate::cuts::Level;
use crate::solve::solve;

fn says(capture: &Capture, level: Level, words: &[&str]) {
    let cuts = solve(capture);
    assert_eq!(cuts.level, level, "{:?}", cuts.notes);
    let is_said = |note: &crate::Note| words.iter().all(|word| note.text.contains(word));
    assert!(cuts.notes.iter().any(is_said), "{words:?} is not in {:?}", cuts.notes);
}

fn garbage(offset: i64, key: &'static [u8]) -> CoordinatorRecord {
    CoordinatorRecord {
        offset: Offset(offset),
        key: Bytes::from_static(key),
        value: Some(Bytes::from_static(b"\xff\xff")),
    }
}

#[test]
fn a_state_that_is_not_readable_names_its_id_or_at_least_its_offset() {
    let mut home = home(0, 9, &[], &[state("x", 7, 0, ONGOING, 2, &[])]);
    home.records[0].value = Some(Bytes::from_static(b"\x00\x63rest"));
    says(
        &capture([home.clone()]),
        Level::BestEffort,
        &["transactional id \"x\"", "offset 9"],
    );
    home.records[0] = garbage(9, b"\x00\x07");
    says(
        &capture([home.clone()]),
        Level::BestEffort,
        &["__transaction_state-0", "offset 9"],
    );
    // The producer may be the one that was not readable: nothing is cut for it.
    let data = with_tail(partition("a-0", 10, 20), &[run(12, 7, 0, Data)]);
    let cuts = solve(&capture([home, data]));
    assert_eq!(cut_of(&cuts, "a-0"), 20);
}

#[test]
fn an_unknown_kind_or_version_of_a_groups_record_is_said() {
    let mut groups = partition("__consumer_offsets-3", 0, 5);
    groups.records = vec![
        garbage(2, b"\x00\x63\x00\x01g"),
        garbage(3, b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x00"),
    ];
    says(
        &capture([groups]),
        Level::BestEffort,
        &["__consumer_offsets-3", "offset 2", "1 others"],
    );
}

#[test]
fn a_producer_that_no_coordinator_knows_is_named_and_nothing_is_cut_for_it() {
    let data = with_tail(partition("a-0", 10, 20), &[run(12, 7, 0, Data)]);
    let mut capture = capture([home(0, 9, &[], &[]), data]);
    says(&capture, Level::BestEffort, &["producer 7", "a-0", "offset 12"]);
    assert_eq!(cut_of(&solve(&capture), "a-0"), 20);
    // If it was not looked for again, it is new.
    capture.read_again = false;
    let cuts = solve(&capture);
    assert_eq!((cut_of(&cuts, "a-0"), cuts.level), (12, Level::Transactional));
}

#[test]
fn contradictory_markers_name_the_id() {
    let decided = state("x", 7, 4, PREPARE_COMMIT, 2, &["a-0", "a-1"]);
    let home = home(0, 9, &[state("x", 7, 3, ONGOING, 2, &["a-0", "a-1"])], &[decided]);
    let one = with_tail(partition("a-0", 10, 20), &[run(11, 7, 3, Data), run(12, 7, 4, COMMIT)]);
    let other = with_tail(partition("a-1", 10, 20), &[run(11, 7, 3, Data), run(12, 7, 4, ABORT)]);
    says(
        &capture([home, one, other]),
        Level::BestEffort,
        &["transactional id \"x\"", "a-1", "contradicts"],
    );
}

#[test]
fn an_epoch_that_goes_back_names_the_id() {
    let records = [state("x", 7, 4, EMPTY, 2, &[]), state("x", 7, 3, ONGOING, 2, &["a-0"])];
    says(
        &capture([home(0, 9, &[], &records)]),
        Level::BestEffort,
        &["transactional id \"x\"", "from 4 to 3"],
    );
    let data = with_tail(partition("a-0", 10, 20), &[run(11, 7, 3, COMMIT), run(12, 7, 2, Data)]);
    let home = home(0, 9, &[state("x", 7, 5, COMPLETE_COMMIT, 2, &[])], &[]);
    says(
        &capture([home, data]),
        Level::BestEffort,
        &["transactional id \"x\"", "offset 12 of a-0"],
    );
}

#[test]
fn a_missing_partition_of_transactions_leaves_each_log_by_itself() {
    let mut capture = capture([partition("a-0", 10, 20)]);
    capture.absent.push(AbsentPartition {
        topic: "__transaction_state".into(),
        partition: PartitionId(4),
        reason: Absence::Unvouched,
    });
    says(&capture, Level::CrashConsistent, &["__transaction_state-4"]);
    let mut home = home(2, 9, &[], &[]);
    home.unreadable = Some("compression 9 is unknown".into());
    says(
        &super::build::capture([home]),
        Level::CrashConsistent,
        &["__transaction_state-2", "compression 9"],
    );
}

#[test]
fn a_missing_partition_of_data_names_the_transactions_that_write_to_it() {
    let mut capture = capture([home(0, 9, &[], &[state("x", 7, 3, ONGOING, 2, &["a-1"])])]);
    capture.absent.push(AbsentPartition {
        topic: "a".into(),
        partition: PartitionId(1),
        reason: Absence::Unvouched,
    });
    says(&capture, Level::BestEffort, &["transactional id \"x\"", "a-1"]);
}

#[test]
fn a_deleted_partition_is_no_loss_but_one_created_again_is_said() {
    let mut capture = capture([
        home(0, 9, &[], &[state("x", 7, 3, ONGOING, 2, &["a-1"])]),
        partition("__consumer_offsets-0", 0, 5),
    ]);
    capture.absent.push(AbsentPartition {
        topic: "a".into(),
        partition: PartitionId(1),
        reason: Absence::Deleted,
    });
    assert_eq!(solve(&capture).level, Level::Transactional);
    capture.partitions.push(partition("a-0", 0, 0));
    says(&capture, Level::BestEffort, &["topic a was deleted and created again"]);
}

#[test]
fn records_of_transactions_that_the_cleaner_took_away_meanwhile_are_missed() {
    let mut home = home(
        0,
        9,
        &[],
        &[
            state("x", 7, 3, ONGOING, 2, &[]),
            state("x", 7, 4, PREPARE_COMMIT, 2, &[]),
        ],
    );
    home.records.remove(0);
    says(
        &capture([home]),
        Level::BestEffort,
        &["__transaction_state-0", "1 of 2 records"],
    );
}

#[test]
fn a_compacted_partition_cut_back_into_what_was_cleaned_is_named() {
    let home = home(0, 9, &[state("x", 7, 3, COMPLETE_COMMIT, 2, &[])], &[]);
    let mut data = with_tail(partition("a-0", 10, 20), &[run(12, 7, 3, Data)]);
    data.cleaning = Cleaning::Below(Offset(12));
    assert_eq!(
        solve(&capture([home.clone(), data.clone()])).level,
        Level::Transactional
    );
    data.cleaning = Cleaning::Below(Offset(13));
    says(&capture([home, data]), Level::BestEffort, &["a-0", "compacted"]);
}

#[test]
fn nothing_that_was_there_before_the_snapshot_is_cut() {
    // The commit that would have to be undone was there before.
    let home = home(0, 9, &[state("x", 7, 3, COMPLETE_COMMIT, 2, &[])], &[]);
    let mut data = with_tail(partition("a-0", 10, 20), &[run(10, 7, 3, Data)]);
    data.batches.retain(|batch| batch.end_offset.0 >= 12);
    data.start = Some(Cut::After(batch(12)));
    let mut groups = partition("__consumer_offsets-0", 3, 5);
    groups.records = vec![committed(1, "g", "a-0", 15)];
    data.tail[0].base_offset = Offset(12);
    data.tail[0].next_offset = Offset(13);
    let capture = capture([home, data, groups]);
    says(
        &capture,
        Level::BestEffort,
        &["__consumer_offsets-0", "R4", "group \"g\""],
    );
    assert_eq!(cut_of(&solve(&capture), "__consumer_offsets-0"), 3);
}

#[test]
fn a_partition_that_could_not_be_vouched_for_at_the_start_is_named() {
    let mut data = partition("a-0", 10, 20);
    data.start = None;
    says(&capture([data]), Level::BestEffort, &["a-0"]);
}
