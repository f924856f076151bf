use proptest::prelude::*;

use super::*;

fn batch(end: i64, epoch: i32, crc: u32) -> BatchEnd {
    BatchEnd {
        end_offset: Offset(end),
        leader_epoch: LeaderEpoch(epoch),
        crc,
    }
}

fn log(node: i32, start: i64, batches: &[BatchEnd], whole: bool) -> ReplicaLog {
    let log_end = batches.last().map_or(Offset(start), |last| last.end_offset);
    ReplicaLog {
        node: NodeId(node),
        log_start: Offset(start),
        log_end,
        batches: batches.to_vec(),
        whole,
    }
}

#[test]
fn the_prefix_ends_where_the_slowest_member_ends() {
    let all = [batch(10, 0, 1), batch(20, 0, 2), batch(30, 0, 3)];
    let members = [log(1, 0, &all, true), log(2, 0, &all[..2], true), log(3, 0, &all, true)];
    assert_eq!(common_prefix(&members, Matching::Bytes), Prefix::At(batch(20, 0, 2)));
}

#[test]
fn a_tail_that_an_election_left_behind_is_not_common() {
    // Node 2 still holds an old leader's batches where the new leader wrote others: the smallest end lies above the prefix.
    let leader = [batch(10, 4, 1), batch(25, 6, 7), batch(40, 6, 8)];
    let follower = [batch(10, 4, 1), batch(20, 5, 5), batch(30, 5, 6)];
    let members = [log(1, 0, &leader, true), log(2, 0, &follower, true)];
    assert_eq!(common_prefix(&members, Matching::Bytes), Prefix::At(batch(10, 4, 1)));
}

#[test]
fn equal_ends_of_other_bytes_are_not_common() {
    let members = [
        log(1, 0, &[batch(10, 0, 1), batch(20, 1, 2)], true),
        log(2, 0, &[batch(10, 0, 1), batch(20, 1, 3)], true),
    ];
    assert_eq!(common_prefix(&members, Matching::Bytes), Prefix::At(batch(10, 0, 1)));
    assert_eq!(common_prefix(&members, Matching::Position), Prefix::At(batch(20, 1, 2)));
}

#[test]
fn a_report_that_starts_too_late_is_asked_for_again() {
    let members = [
        log(1, 0, &[batch(90, 0, 9), batch(100, 0, 10)], false),
        log(2, 0, &[batch(50, 0, 5)], false),
    ];
    assert_eq!(
        common_prefix(&members, Matching::Bytes),
        Prefix::Deeper { since: Offset(50) }
    );
}

#[test]
fn an_empty_follower_makes_the_prefix_empty() {
    let members = [log(1, 0, &[batch(10, 0, 1)], true), log(2, 0, &[], true)];
    assert_eq!(common_prefix(&members, Matching::Bytes), Prefix::Empty(Offset(0)));
}

#[test]
fn a_member_whose_records_were_all_deleted_agrees_with_what_ends_there() {
    let members = [
        log(1, 0, &[batch(10, 0, 1), batch(20, 0, 2)], true),
        log(2, 20, &[], true),
    ];
    assert_eq!(common_prefix(&members, Matching::Bytes), Prefix::At(batch(20, 0, 2)));
}

#[test]
fn nothing_is_vouched_for_without_members_or_common_batches() {
    assert_eq!(common_prefix(&[], Matching::Bytes), Prefix::Nothing);
    let members = [log(1, 0, &[batch(10, 0, 1)], true), log(2, 0, &[batch(10, 0, 2)], true)];
    assert_eq!(common_prefix(&members, Matching::Bytes), Prefix::Nothing);
}

proptest! {
    /// Replicas of one history, cut at random places, with random divergent tails: the prefix is the shared history that
    /// all hold, and never a batch of a tail.
    #[test]
    fn the_prefix_is_the_longest_shared_history(
        sizes in prop::collection::vec(1i64..50, 1..40),
        members in prop::collection::vec((0usize..40, 0usize..4, 0usize..6), 2..5),
    ) {
        let mut end = 0;
        let history: Vec<BatchEnd> = sizes.iter().enumerate().map(|(i, size)| { end += size; batch(end, 1, i as u32) }).collect();
        let mut shortest = history.len();
        let logs: Vec<ReplicaLog> = members.iter().enumerate().map(|(node, (kept, tail, reported))| {
            let kept = (*kept).min(history.len());
            shortest = shortest.min(kept);
            let mut batches = history[..kept].to_vec();
            for extra in 0..*tail {
                let last = batches.last().map_or(0, |b| b.end_offset.0);
                batches.push(batch(last + 1 + node as i64, 10 + node as i32, extra as u32));
            }
            let skipped = batches.len().saturating_sub(reported + 1);
            let whole = skipped == 0;
            log(node as i32, 0, &batches[skipped..], whole)
        }).collect();
        let expected = if shortest == 0 { Prefix::Empty(Offset(0)) } else { Prefix::At(history[shortest - 1]) };
        match common_prefix(&logs, Matching::Bytes) {
            Prefix::Deeper { since } => prop_assert!(since <= logs.iter().map(|l| l.log_end).min().unwrap()),
            Prefix::Nothing => prop_assert_eq!(shortest, 0),
            found => if logs.iter().all(|l| l.whole) { prop_assert_eq!(found, expected) } else {
                prop_assert!(matches!((found, expected), (Prefix::At(a), Prefix::At(b)) if a == b) || found == expected);
            },
        }
    }
}
