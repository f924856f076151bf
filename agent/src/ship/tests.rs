use proptest::prelude::*;

use super::epochs::Epochs;
use super::merge::{TailPiece, pieces_to_merge};
use super::order::{Cut, Order, SourcePartition};
use super::queue::{Queue, Work};
use crate::partition::PartitionKey;
use crate::replica::End;
use crate::state::EpochRun;

fn epochs(entries: &[(i32, i64)]) -> Epochs {
    Epochs::new(entries.iter().map(|(epoch, start)| EpochRun {
        epoch: *epoch,
        start: *start,
    }))
}

#[test]
fn batches_must_have_the_epoch_of_their_offset() {
    let list = epochs(&[(3, 100), (5, 200)]);
    assert!(list.allow(3, 199) && !list.allow(3, 200) && list.allow(5, 10_000));
    assert!(list.allow(1, 50), "nothing is known below the first entry");
    assert!(list.allow(-1, 150), "old batches carry no epoch");
}

#[test]
fn lists_agree_where_both_know_something() {
    let old = epochs(&[(1, 0), (3, 100), (5, 200)]);
    // The log's start moved on, and Kafka moved the first entry with it; a later leader came.
    let now = epochs(&[(3, 150), (5, 200), (8, 400)]);
    assert!(old.agree(&now, 150, 300));
    assert!(!old.agree(&now, 150, 500));
    assert!(!old.agree(&epochs(&[(3, 100), (4, 180), (5, 200)]), 0, 300));
    assert!(old.agree(&epochs(&[]), 0, 300));
}

proptest! {
    #[test]
    fn agreement_is_the_same_at_every_offset(
        a in prop::collection::vec((0i32..6, 0i64..60), 0..6),
        b in prop::collection::vec((0i32..6, 0i64..60), 0..6),
        from in 0i64..40,
        length in 0i64..40,
    ) {
        let (a, b) = (epochs(&a), epochs(&b));
        let offset_by_offset = (from..from + length).all(|offset| match (a.at(offset), b.at(offset)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        });
        prop_assert_eq!(a.agree(&b, from, from + length), offset_by_offset);
    }

    #[test]
    fn merging_keeps_few_pieces_and_stores_each_byte_a_logarithmic_number_of_times(
        additions in prop::collection::vec(1u64..100_000, 1..400),
    ) {
        let mut pieces: Vec<TailPiece> = Vec::new();
        let (mut stored, mut total) = (0, 0);
        for (number, new) in additions.iter().enumerate() {
            let merged = pieces_to_merge(&pieces, *new);
            let taken: u64 = pieces.split_off(pieces.len() - merged).iter().map(|piece| piece.length).sum();
            pieces.push(TailPiece { base: number as i64, length: taken + new });
            stored += taken + new;
            total += new;
        }
        let log = 64 - total.leading_zeros() as u64;
        prop_assert!(pieces.len() as u64 <= log + 1, "{} pieces", pieces.len());
        prop_assert!(stored <= total * (log + 1), "{} bytes were stored for {}", stored, total);
        prop_assert!(pieces.is_sorted_by(|a, b| a.length > b.length));
    }
}

fn partition(number: i32) -> SourcePartition {
    let key = PartitionKey::from_wire(&[1; 16], number).unwrap();
    SourcePartition {
        key,
        topic: "topic".to_owned(),
        compacted: false,
        class: maxbrod_proto::agent::RetentionClass::Month,
        base: None,
    }
}

fn order(attempt: u32, number: i32) -> Order {
    let cut = Cut {
        end: End {
            next: 1,
            epoch: 1,
            crc: 1,
        },
        empty: false,
        epochs: Epochs::default(),
    };
    Order {
        run: 7,
        attempt,
        key: partition(number).key,
        cut,
    }
}

const NONE: &dyn Fn(&PartitionKey) -> bool = &|_| false;

fn key_of(work: Option<Work>) -> (bool, i32) {
    let work = work.unwrap();
    (matches!(work, Work::Final(..)), work.key().partition.0)
}

#[test]
fn orders_come_before_closed_segments_and_no_partition_twice_at_a_time() {
    let queue = Queue::default();
    queue.assign(7, 1, vec![partition(1), partition(2)]);
    let eager = queue.take(NONE).unwrap();
    assert_eq!(eager.key().partition.0, 1);
    queue.order(order(1, 1), None).unwrap();
    queue.order(order(1, 2), None).unwrap();
    assert!(queue.has_orders());
    // Partition 1 is being worked on.
    assert_eq!(key_of(queue.take(NONE)), (true, 2));
    queue.done(&eager, true);
    assert_eq!(key_of(queue.take(NONE)), (true, 1));
}

#[test]
fn what_only_pins_hold_is_shipped_first_while_space_is_scarce() {
    let queue = Queue::default();
    queue.assign(7, 1, vec![partition(1), partition(2), partition(3)]);
    for number in 1..=3 {
        queue.order(order(1, number), None).unwrap();
    }
    assert_eq!(key_of(queue.take(&|key| key.partition.0 == 3)), (true, 3));
    assert_eq!(key_of(queue.take(NONE)), (true, 1));
}

#[test]
fn small_packs_are_sealed_when_the_last_order_is_done() {
    let queue = Queue::default();
    queue.assign(7, 1, vec![partition(1), partition(2)]);
    queue.order(order(1, 1), None).unwrap();
    queue.order(order(1, 2), None).unwrap();
    assert!(!queue.orders_complete());
    let (first, second) = (queue.take(NONE).unwrap(), queue.take(NONE).unwrap());
    assert!(!queue.done(&first, false).flush);
    assert!(queue.done(&second, false).flush);
}

#[test]
fn being_caught_up_is_said_once_for_each_assignment() {
    let queue = Queue::default();
    queue.assign(7, 1, vec![partition(1)]);
    assert_eq!(queue.caught_up(), None);
    let work = queue.take(NONE).unwrap();
    assert!(queue.backlog() > 0);
    assert_eq!(queue.done(&work, false).caught_up, Some((7, 1)));
    assert_eq!(queue.backlog(), 0);
    queue.look_at(partition(1).key);
    let work = queue.take(NONE).unwrap();
    assert_eq!(queue.done(&work, false).caught_up, None);
    queue.assign(7, 2, Vec::new());
    assert_eq!(queue.caught_up(), Some((7, 2)));
}

#[test]
fn what_was_called_off_is_not_wanted_any_more() {
    let queue = Queue::default();
    queue.assign(7, 1, vec![partition(1)]);
    queue.order(order(1, 1), None).unwrap();
    assert!(queue.wants(&order(1, 1)));
    queue.release(7, 1);
    assert!(!queue.wants(&order(1, 1)) && queue.wants(&order(2, 1)));
    assert!(!queue.has_orders());
    assert!(queue.wants_eager(7, 1));
    queue.open_run(8);
    assert!(!queue.wants_eager(7, 1) && !queue.wants(&order(2, 1)));
}
