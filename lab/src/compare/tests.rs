use std::collections::BTreeMap;

use super::{Cuts, Options, Problem, chain_violations, compare, missing_acknowledged, torn_transactions};
use crate::acknowledged::{Acknowledged, Acknowledgement, Outcome};
use crate::dump::{Dump, PartitionDump, Record, TimestampType, TransactionTag};
use crate::partition::TopicPartition;

fn name() -> TopicPartition {
    TopicPartition::new("bank", 0)
}

fn record(offset: i64) -> Record {
    Record {
        offset,
        timestamp: 1_000 + offset,
        timestamp_type: TimestampType::Create,
        visible: true,
        key: None,
        tombstone: false,
        hash: 77 + u128::try_from(offset).unwrap(),
        transaction: None,
        source: None,
        amount: None,
        schema: None,
        cites: None,
    }
}

fn keyed(offset: i64, key: u64) -> Record {
    Record {
        key: Some(key),
        ..record(offset)
    }
}

fn log(start: i64, end: i64, records: impl IntoIterator<Item = Record>) -> PartitionDump {
    PartitionDump {
        start,
        end,
        last_stable: end,
        reached: end,
        records: records.into_iter().collect(),
    }
}

fn dump(partition: PartitionDump) -> Dump {
    Dump {
        partitions: [(name(), partition)].into(),
    }
}

fn cut(offset: i64) -> Cuts {
    [(name(), offset)].into()
}

fn problems(before: PartitionDump, after: PartitionDump, at: i64) -> Vec<Problem> {
    compare(&dump(before), &dump(after), &cut(at), &Options::default()).problems
}

#[test]
fn an_original_that_went_on_after_the_cut_is_no_problem() {
    let report = compare(
        &dump(log(0, 10, (0..10).map(record))),
        &dump(log(0, 8, (0..7).map(record))),
        &cut(7),
        &Options::default(),
    );
    assert_eq!(report.problems, []);
    assert_eq!((report.partitions, report.records, report.identical), (1, 7, 7));
}

#[test]
fn each_way_to_lose_or_invent_a_record_is_named() {
    let original = || log(0, 10, (0..10).map(record));
    let without_some = log(0, 10, [0, 1, 4, 5, 6, 7, 8, 9].map(record));
    assert_eq!(
        problems(original(), without_some.clone(), 10),
        [Problem::Lost {
            partition: name(),
            first: 2,
            records: 2
        }]
    );
    assert_eq!(
        problems(without_some, original(), 10),
        [Problem::Invented {
            partition: name(),
            first: 2,
            records: 2
        }]
    );
    assert_eq!(
        problems(original(), log(0, 6, (0..6).map(record)), 10),
        [
            Problem::EndsEarly {
                partition: name(),
                end: 6,
                cut: 10
            },
            Problem::Lost {
                partition: name(),
                first: 6,
                records: 4
            },
        ]
    );
    assert_eq!(
        problems(original(), original(), 4),
        [Problem::BeyondCut {
            partition: name(),
            first: 4,
            records: 6,
            cut: 4
        }]
    );
    assert_eq!(
        problems(original(), log(3, 10, (3..10).map(record)), 10),
        [Problem::StartsLate {
            partition: name(),
            start: 3,
            original: 0
        }]
    );
    let mut report = compare(&dump(original()), &Dump::default(), &cut(10), &Options::default());
    assert_eq!(
        report.problems.pop(),
        Some(Problem::MissingPartition {
            partition: name(),
            in_original: false
        })
    );
}

#[test]
fn a_changed_byte_and_a_changed_timestamp_are_told_apart() {
    let mut altered: Vec<_> = (0..4).map(record).collect();
    altered[1].hash = 1;
    altered[2].timestamp_type = TimestampType::LogAppend;
    assert_eq!(
        problems(log(0, 4, (0..4).map(record)), log(0, 4, altered), 4),
        [
            Problem::Altered {
                partition: name(),
                offset: 1,
                what: "key, value or headers"
            },
            Problem::Altered {
                partition: name(),
                offset: 2,
                what: "timestamp"
            },
        ]
    );
}

#[test]
fn retention_in_the_original_leaves_older_restored_records_unjudged() {
    let report = compare(
        &dump(log(4, 8, (4..8).map(record))),
        &dump(log(1, 8, (1..8).map(record))),
        &cut(8),
        &Options::default(),
    );
    assert_eq!(report.problems, []);
    assert_eq!((report.identical, report.unjudged), (4, 3));
}

#[test]
fn a_record_of_an_aborted_transaction_must_not_become_visible_but_an_open_one_may_be_aborted() {
    let hidden = |offset| Record {
        visible: false,
        ..record(offset)
    };
    let report = compare(
        &dump(log(0, 3, [hidden(0), record(1), record(2)])),
        &dump(log(0, 4, [record(0), hidden(1), record(2)])),
        &cut(3),
        &Options::default(),
    );
    assert_eq!(
        report.problems,
        [Problem::Resurrected {
            partition: name(),
            offset: 0
        }]
    );
    assert_eq!(report.undecided, 1);
}

#[test]
fn compacted_partitions_are_compared_by_the_last_value_of_each_key() {
    let options = Options {
        compacted: ["bank".to_owned()].into(),
    };
    // Key 1 was overwritten after the cut, key 2 is as it was, key 3 is stale.
    let original = log(0, 9, [keyed(2, 2), keyed(4, 3), keyed(8, 1)]);
    let restored = log(0, 6, [keyed(0, 1), keyed(2, 2), keyed(3, 3)]);
    let report = compare(&dump(original.clone()), &dump(restored), &cut(6), &options);
    assert_eq!(
        report.problems,
        [Problem::StaleKey {
            partition: name(),
            key: 3,
            offset: Some(3),
            original: 4
        }]
    );
    let good = log(0, 6, [keyed(0, 1), keyed(1, 2), keyed(2, 2), keyed(4, 3)]);
    let report = compare(&dump(original), &dump(good), &cut(6), &options);
    assert_eq!((report.problems.len(), report.identical, report.unjudged), (0, 2, 2));
}

fn acknowledged(outcome: Outcome, key: Option<u64>, at_ms: i64) -> Acknowledged {
    let record = record(2);
    Acknowledged {
        acknowledgements: vec![Acknowledgement {
            partition: name(),
            offset: record.offset,
            timestamp: record.timestamp,
            key,
            hash: record.hash,
            outcome,
            transaction: None,
            at_ms,
        }],
        commits: Vec::new(),
    }
}

#[test]
fn what_was_promised_before_the_snapshot_must_be_there_and_visible() {
    let options = Options::default();
    let promised = acknowledged(Outcome::Committed, None, 50);
    let judge = |partition: PartitionDump, began| missing_acknowledged(&dump(partition), &promised, began, &options);
    let unkept = |reason| {
        vec![Problem::Unkept {
            partition: name(),
            offset: 2,
            reason,
        }]
    };
    assert_eq!(judge(log(0, 3, (0..3).map(record)), 60), []);
    assert_eq!(judge(log(0, 2, (0..2).map(record)), 60), unkept("it is missing"));
    assert_eq!(judge(log(0, 2, (0..2).map(record)), 50), []);
    assert_eq!(judge(log(3, 4, [record(3)]), 60), [], "deleted by retention");
    assert_eq!(
        judge(
            log(
                0,
                3,
                [Record {
                    visible: false,
                    ..record(2)
                }]
            ),
            60
        ),
        unkept("consumers do not get it")
    );
    assert_eq!(
        judge(log(0, 3, [Record { hash: 0, ..record(2) }]), 60),
        unkept("another record is there")
    );

    let aborted = acknowledged(Outcome::Aborted, None, 50);
    assert_eq!(
        missing_acknowledged(&dump(log(0, 3, (0..3).map(record))), &aborted, 0, &options),
        [Problem::Resurrected {
            partition: name(),
            offset: 2
        }]
    );
}

#[test]
fn in_a_compacted_topic_only_a_newer_value_of_the_same_key_excuses_a_missing_record() {
    let options = Options {
        compacted: ["bank".to_owned()].into(),
    };
    let promised = acknowledged(Outcome::Written, Some(5), 50);
    let judge = |records: Vec<Record>| missing_acknowledged(&dump(log(0, 9, records)), &promised, 60, &options);
    assert_eq!(judge(vec![keyed(7, 5)]), []);
    assert_eq!(judge(vec![keyed(1, 5), keyed(7, 6)]).len(), 1);
}

fn tagged(offset: i64, visible: bool) -> Record {
    let transaction = Some(TransactionTag {
        id: "teller".into(),
        number: 4,
        records: 2,
    });
    Record {
        transaction,
        visible,
        ..record(offset)
    }
}

#[test]
fn a_transaction_is_visible_as_a_whole_or_not_at_all() {
    let torn = [Problem::Torn {
        id: "teller".into(),
        number: 4,
        visible: 1,
        records: 2,
    }];
    assert_eq!(
        torn_transactions(&dump(log(0, 2, [tagged(0, true), tagged(1, true)]))),
        []
    );
    assert_eq!(
        torn_transactions(&dump(log(0, 2, [tagged(0, false), tagged(1, false)]))),
        []
    );
    assert_eq!(
        torn_transactions(&dump(log(0, 2, [tagged(0, true), tagged(1, false)]))),
        torn
    );
    assert_eq!(
        torn_transactions(&dump(log(1, 2, [tagged(1, true)]))),
        [],
        "the rest was deleted"
    );
}

#[test]
fn each_input_below_the_committed_offset_has_one_output_and_no_other_has_any() {
    let output = |offset, source: &str| Record {
        source: Some(source.into()),
        ..record(offset)
    };
    let check = |outputs: Vec<Record>, position| {
        let to = TopicPartition::new("chained", 0);
        let partitions = [(name(), log(0, 3, (0..3).map(record))), (to, log(0, 9, outputs))].into();
        let committed: BTreeMap<_, _> = [(name(), position)].into();
        chain_violations(&Dump { partitions }, "bank", "chained", &committed)
    };
    let broken = |source: &str, outputs, expected| {
        vec![Problem::ChainBroken {
            source: source.into(),
            outputs,
            expected,
        }]
    };
    assert_eq!(check(vec![output(0, "bank-0@0"), output(1, "bank-0@1")], 2), []);
    assert_eq!(check(vec![output(0, "bank-0@0")], 2), broken("bank-0@1", 0, 1));
    assert_eq!(
        check(vec![output(0, "bank-0@0"), output(1, "bank-0@0")], 1),
        broken("bank-0@0", 2, 1)
    );
    assert_eq!(
        check(vec![output(0, "bank-0@0"), output(1, "bank-0@2")], 1),
        broken("bank-0@2", 1, 0)
    );
    assert_eq!(check(vec![output(0, "bank-0@9")], 0), broken("bank-0@9", 1, 0));
}
