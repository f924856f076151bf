use proptest::prelude::*;

use super::{Dump, TimestampType};
use crate::TopicPartition;

const WHOLE: &str = "R\t1\t5\t1700\tC\t1\t-\tV\tff\t-\t-\t-\t-\t-\n\
    R\t0\t0\t1701\tL\t0\t00000000000000aa\tT\t01\tteller/0/12/6\tbank-2@9\t-15\t-\t-\n\
    R\t0\t2\t1702\tN\t1\t-\tV\t02\t-\t-\t-\t12\t11\n\
    P\t0\tbank-chained\t3\t0\t4\t4\t4\n\
    P\t1\tcodec-none\t0\t5\t6\t6\t6\n\
    E\t3\n";

#[test]
fn records_are_gathered_by_partition() {
    let dump = Dump::parse(WHOLE.as_bytes()).unwrap();
    assert_eq!(dump.record_count(), 3);
    let chained = &dump.partitions[&TopicPartition::new("bank-chained", 3)];
    assert_eq!((chained.start, chained.end), (0, 4));
    let first = &chained.records[0];
    assert_eq!((first.key, first.tombstone, first.visible), (Some(0xaa), true, false));
    assert_eq!(first.timestamp_type, TimestampType::LogAppend);
    let transaction = first.transaction.as_ref().unwrap();
    assert_eq!(
        (transaction.id.as_str(), transaction.number, transaction.records),
        ("teller/0", 12, 6)
    );
    assert_eq!(first.source.as_deref(), Some("bank-2@9"));
    assert_eq!(first.amount, Some(-15));
    assert_eq!(
        (chained.records[1].schema, chained.records[1].cites),
        (Some(12), Some(11))
    );
    assert_eq!(
        dump.partitions[&TopicPartition::new("codec-none", 0)].records[0].hash,
        0xff
    );
}

#[test]
fn a_dump_that_was_cut_short_is_refused() {
    let cut = WHOLE.lines().take(5).collect::<Vec<_>>().join("\n");
    assert!(Dump::parse(cut.as_bytes()).unwrap_err().contains("incomplete"));
    let without_a_record: String = WHOLE.lines().skip(1).map(|line| format!("{line}\n")).collect();
    assert_eq!(
        Dump::parse(without_a_record.as_bytes()).unwrap_err(),
        "it should hold 3 records and holds 2"
    );
}

#[test]
fn an_offset_that_goes_back_is_refused_by_line() {
    let twice = "R\t0\t3\t1\tC\t1\t-\tV\tff\t-\t-\t-\t-\t-\nR\t0\t3\t1\tC\t1\t-\tV\tff\t-\t-\t-\t-\t-\n";
    assert_eq!(
        Dump::parse(twice.as_bytes()).unwrap_err(),
        "line 2: offset 3 is not above the one before"
    );
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_no_panic(text in "([RPE]\t)?[0-9a-fCLNVT/\t\n-]{0,200}") {
        let _ = Dump::parse(text.as_bytes());
    }
}
