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
