use proptest::prelude::*;

use super::*;

#[test]
fn the_preallocated_tail_of_an_active_segments_index_holds_no_entries() {
    let entry = OffsetIndexEntry {
        relative_offset: 9,
        position: 4_200,
    };
    let mut bytes = Vec::new();
    entry.write(&mut bytes);
    bytes.resize(4_096, 0);
    assert_eq!(OffsetIndexEntry::parse_all(&bytes), [entry]);
    assert_eq!(OffsetIndexEntry::parse_all(&[0; 800]), []);
    assert_eq!(TimeIndexEntry::parse_all(&[0; 1_200]), []);
}

#[test]
fn lookup_finds_the_greatest_entry_that_is_not_above_the_target() {
    let entries = [10, 20, 30].map(|offset| OffsetIndexEntry {
        relative_offset: offset,
        position: offset * 100,
    });
    let found = |target| OffsetIndexEntry::lookup(&entries, target).map(|entry| entry.relative_offset);
    assert_eq!(
        (found(9), found(10), found(29), found(99)),
        (None, Some(10), Some(20), Some(30))
    );
}

#[test]
fn the_time_index_says_before_which_offset_nothing_is_newer() {
    let entries = [(100, 3), (250, 9)].map(|(timestamp, relative_offset)| TimeIndexEntry {
        timestamp,
        relative_offset,
    });
    let found = |target| TimeIndexEntry::lookup(&entries, target).map(|entry| entry.relative_offset);
    assert_eq!(
        (found(99), found(100), found(249), found(250)),
        (None, Some(3), Some(3), Some(9))
    );
}

#[test]
fn a_reader_is_told_the_aborted_transactions_that_it_meets() {
    let aborted = |producer, first, last, stable| AbortedTransaction {
        producer_id: ProducerId(producer),
        first_offset: Offset(first),
        last_offset: Offset(last),
        last_stable_offset: Offset(stable),
    };
    let entries = [aborted(1, 0, 9, 4), aborted(2, 4, 12, 13), aborted(3, 20, 30, 31)];
    let met = |from, until| {
        let (found, complete) = AbortedTransaction::overlapping(&entries, Offset(from), Offset(until));
        let producers: Vec<i64> = found.iter().map(|entry| entry.producer_id.0).collect();
        (producers, complete)
    };
    assert_eq!(met(0, 4), (vec![1], true));
    assert_eq!(met(9, 13), (vec![1, 2], true));
    assert_eq!(met(10, 25), (vec![2, 3], true));
    assert_eq!(met(31, 40), (vec![], false));
}

#[test]
fn a_torn_transaction_index_is_refused() {
    assert_eq!(AbortedTransaction::parse_all(&[0; 35]), None);
}

proptest! {
    #[test]
    fn indexes_read_back_as_written(steps in prop::collection::vec((1i32..9_000, 1i32..9_000), 0..50)) {
        let (mut offset, mut position) = (0, 0);
        let mut written = Vec::new();
        let mut bytes = Vec::new();
        let mut times = Vec::new();
        for (a, b) in steps {
            offset += a;
            position += b;
            written.push(OffsetIndexEntry { relative_offset: offset, position });
            written.last().unwrap().write(&mut bytes);
            TimeIndexEntry { timestamp: i64::from(position), relative_offset: offset }.write(&mut times);
        }
        prop_assert_eq!(TimeIndexEntry::parse_all(&times).len(), written.len());
        prop_assert_eq!(OffsetIndexEntry::parse_all(&bytes), written);
    }

    #[test]
    fn aborted_transactions_read_back_as_written(numbers: [i64; 4]) {
        let entry = AbortedTransaction {
            producer_id: ProducerId(numbers[0]),
            first_offset: Offset(numbers[1]),
            last_offset: Offset(numbers[2]),
            last_stable_offset: Offset(numbers[3]),
        };
        let mut bytes = Vec::new();
        entry.write(&mut bytes);
        prop_assert_eq!(AbortedTransaction::parse_all(&bytes), Some(vec![entry]));
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>) {
        let _ = (OffsetIndexEntry::parse_all(&bytes), TimeIndexEntry::parse_all(&bytes), AbortedTransaction::parse_all(&bytes));
    }
}
