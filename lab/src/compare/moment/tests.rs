use std::collections::BTreeSet;

use super::{Moment, Verdict, judge_moment};
use crate::acknowledged::{Acknowledged, Acknowledgement, Commit, Outcome};
use crate::compare::{Options, Problem};
use crate::describe::ClusterDescription;
use crate::dump::{Dump, PartitionDump, Record, TimestampType, TransactionTag};
use crate::partition::TopicPartition;
use crate::workload::ChainSpec;

const BEGAN: i64 = 1_000;

/// A restored cluster: one committed transfer of two records, one aborted, an input with its outputs in two stages, a schema and
/// a record that cites it, and groups that have read it all.
struct World {
    dump: Dump,
    description: ClusterDescription,
    acknowledged: Acknowledged,
    broken: BTreeSet<String>,
}

fn name(topic: &str) -> TopicPartition {
    TopicPartition::new(topic, 0)
}

fn record(offset: i64) -> Record {
    Record {
        offset,
        timestamp: 7,
        timestamp_type: TimestampType::Create,
        visible: true,
        key: None,
        tombstone: false,
        hash: u128::try_from(offset).unwrap(),
        transaction: None,
        source: None,
        amount: None,
        schema: None,
        cites: None,
    }
}

fn of_transfer(offset: i64, number: u64, amount: i64) -> Record {
    Record {
        transaction: Some(TransactionTag {
            id: "teller-1".into(),
            number,
            records: 2,
        }),
        amount: Some(amount),
        ..record(offset)
    }
}

fn made_from(source: &str) -> Record {
    Record {
        source: Some(source.into()),
        ..record(0)
    }
}

fn log(records: impl IntoIterator<Item = Record>) -> PartitionDump {
    let records: Vec<_> = records.into_iter().collect();
    let end = records.last().map_or(0, |last| last.offset + 1);
    PartitionDump {
        start: 0,
        end,
        last_stable: end,
        reached: end,
        records,
    }
}

fn acknowledgement(topic: &str, offset: i64, outcome: Outcome, transaction: Option<&str>) -> Acknowledgement {
    Acknowledgement {
        partition: name(topic),
        offset,
        timestamp: 7,
        key: None,
        hash: u128::try_from(offset).unwrap(),
        outcome,
        transaction: transaction.map(str::to_owned),
        at_ms: BEGAN - 1,
    }
}

fn chain(from: &str, to: &str) -> ChainSpec {
    ChainSpec {
        id: to.into(),
        group: to.into(),
        from: from.into(),
        to: to.into(),
    }
}

impl World {
    fn new() -> Self {
        let aborted = |offset, amount| Record {
            visible: false,
            ..of_transfer(offset, 2, amount)
        };
        let schema = Record {
            schema: Some(4),
            ..record(0)
        };
        let citing = Record {
            cites: Some(4),
            ..record(0)
        };
        let partitions = [
            (name("bank-a"), log([of_transfer(0, 1, 30), aborted(2, 5)])),
            (name("bank-b"), log([of_transfer(0, 1, -30), aborted(2, -5)])),
            (name("inputs"), log([record(0)])),
            (name("stage-1"), log([made_from("inputs-0@0")])),
            (name("stage-2"), log([made_from("stage-1-0@0")])),
            (name("_schemas"), log([schema])),
            (name("documents"), log([citing])),
        ];
        let at = |topic: &str, offset| [(name(topic).to_string(), offset)].into();
        let groups = [
            ("stage-1".to_owned(), at("inputs", 1)),
            ("stage-2".to_owned(), at("stage-1", 1)),
            ("auditors".to_owned(), at("bank-a", 3)),
        ];
        Self {
            dump: Dump {
                partitions: partitions.into(),
            },
            description: ClusterDescription {
                groups: groups.into(),
                share_groups: [("sharers".to_owned(), at("documents", 1))].into(),
                ..Default::default()
            },
            acknowledged: Acknowledged {
                acknowledgements: vec![
                    acknowledgement("bank-a", 0, Outcome::Committed, Some("teller-1/1/2")),
                    acknowledgement("bank-b", 0, Outcome::Committed, Some("teller-1/1/2")),
                    acknowledgement("bank-a", 2, Outcome::Aborted, Some("teller-1/2/2")),
                    acknowledgement("documents", 0, Outcome::Written, None),
                ],
                commits: vec![Commit {
                    group: "auditors".into(),
                    partition: name("bank-a"),
                    offset: 3,
                    at_ms: BEGAN - 1,
                }],
            },
            broken: BTreeSet::new(),
        }
    }

    fn log(&mut self, topic: &str) -> &mut PartitionDump {
        self.dump.partitions.get_mut(&name(topic)).unwrap()
    }

    fn judge(&self) -> Verdict {
        judge_moment(&Moment {
            dump: &self.dump,
            description: &self.description,
            acknowledged: &self.acknowledged,
            began_ms: BEGAN,
            chains: &[chain("inputs", "stage-1"), chain("stage-1", "stage-2")],
            options: &Options::default(),
            broken: &self.broken,
        })
    }

    fn problems(&self) -> Vec<Problem> {
        self.judge().problems
    }
}

fn unkept(topic: &str, offset: i64, reason: &'static str) -> Problem {
    Problem::Unkept {
        partition: name(topic),
        offset,
        reason,
    }
}

fn broken_chain(source: &str, outputs: usize, expected: usize) -> Problem {
    Problem::ChainBroken {
        source: source.into(),
        outputs,
        expected,
    }
}

#[test]
fn a_cluster_in_one_moment_is_clean_and_all_of_it_is_judged() {
    assert_eq!(
        World::new().judge(),
        Verdict {
            transactions: 1,
            transfers: 2,
            outputs: 2,
            promised: 3,
            offsets: 4,
            citations: 1,
            problems: Vec::new(),
        }
    );
}

#[test]
fn half_a_transfer_is_torn_and_leaves_money_over() {
    let mut world = World::new();
    world.log("bank-b").records.remove(0);
    world.acknowledged.acknowledgements.remove(1);
    assert_eq!(
        world.problems(),
        [
            Problem::Torn {
                id: "teller-1".into(),
                number: 1,
                visible: 1,
                records: 2
            },
            Problem::WrongSum { sum: 30 },
        ]
    );
}

#[test]
fn money_that_is_whole_by_count_but_not_by_amount_is_seen() {
    let mut world = World::new();
    world.log("bank-b").records[0].amount = Some(-29);
    assert_eq!(world.problems(), [Problem::WrongSum { sum: 1 }]);
    // Where the oldest records were deleted nothing needs to add up.
    world.log("bank-a").start = 1;
    assert_eq!(world.problems(), []);
}

#[test]
fn a_producer_whose_older_records_were_deleted_is_not_judged_by_the_rest_of_them() {
    let mut world = World::new();
    world.log("bank-a").start = 1;
    world.log("bank-a").records.remove(0);
    let new = of_transfer(3, 5, 9);
    world.log("bank-a").records.push(new);
    world.log("bank-a").end = 4;
    world.log("bank-a").last_stable = 4;
    assert_eq!(world.problems(), []);
}

#[test]
fn an_aborted_record_must_not_be_visible_wherever_it_is() {
    let mut world = World::new();
    for topic in ["bank-a", "bank-b"] {
        world.log(topic).records[1].visible = true;
    }
    let resurrected = |topic| Problem::Resurrected {
        partition: name(topic),
        offset: 2,
    };
    // That of bank-b was never acknowledged; its transaction is known from the other.
    assert_eq!(world.problems(), [resurrected("bank-a"), resurrected("bank-b")]);
}

#[test]
fn each_stage_of_a_chain_is_judged_by_its_own_offsets() {
    let mut world = World::new();
    world.log("stage-1").records.clear();
    assert_eq!(
        world.problems(),
        [broken_chain("inputs-0@0", 0, 1), broken_chain("stage-1-0@0", 1, 0)],
        "an input without output, and an output of what is not there"
    );

    let mut world = World::new();
    world.description.groups.remove("stage-2");
    assert_eq!(
        world.problems(),
        [broken_chain("stage-1-0@0", 1, 0)],
        "it would be transformed again"
    );

    let mut world = World::new();
    let again = Record {
        offset: 1,
        ..made_from("stage-1-0@0")
    };
    world.log("stage-2").records.push(again);
    assert_eq!(world.problems(), [broken_chain("stage-1-0@0", 2, 1)]);
}

#[test]
fn offsets_of_any_group_past_the_data_are_found() {
    let mut world = World::new();
    world.log("bank-a").end = 2;
    world.log("bank-a").last_stable = 2;
    world.log("documents").end = 0;
    world.log("documents").last_stable = 0;
    let beyond = |group: &str, topic, offset, end| Problem::OffsetBeyond {
        group: group.into(),
        partition: name(topic),
        offset,
        end,
    };
    assert_eq!(
        world.problems(),
        [
            beyond("auditors", "bank-a", 3, Some(2)),
            beyond("sharers", "documents", 1, Some(0))
        ]
    );
    world.dump.partitions.remove(&name("documents"));
    world.broken.insert("documents".into());
    assert!(world.problems().contains(&beyond("sharers", "documents", 1, None)));
}

#[test]
fn an_offset_acknowledged_before_the_snapshot_is_promised_unless_its_topic_was_broken() {
    let mut world = World::new();
    world
        .description
        .groups
        .insert("auditors".into(), [("bank-a-0".to_owned(), 2)].into());
    assert_eq!(
        world.problems(),
        [Problem::OffsetBehind {
            group: "auditors".into(),
            partition: name("bank-a"),
            offset: Some(2),
            acknowledged: 3
        }]
    );
    world.broken.insert("bank-a".into());
    assert_eq!(world.problems(), []);
    world.broken.clear();
    world.acknowledged.commits[0].at_ms = BEGAN;
    assert_eq!(world.problems(), []);
}

#[test]
fn open_and_hanging_transactions_are_found() {
    let mut world = World::new();
    world.log("inputs").last_stable = 0;
    world
        .description
        .hanging_transactions
        .push("inputs-0@0 producer 5".into());
    assert_eq!(
        world.problems(),
        [
            Problem::Undecided {
                partition: name("inputs"),
                last_stable: 0,
                end: 1
            },
            Problem::Hanging {
                what: "inputs-0@0 producer 5".into()
            },
        ]
    );
}

#[test]
fn what_was_acknowledged_before_the_snapshot_is_promised_unless_its_topic_was_broken() {
    let mut world = World::new();
    world.log("documents").records.clear();
    assert_eq!(world.problems(), [unkept("documents", 0, "it is missing")]);
    world.broken.insert("documents".into());
    assert_eq!(world.problems(), []);
}

#[test]
fn a_cited_schema_has_to_be_there() {
    let mut world = World::new();
    world.log("_schemas").records.clear();
    assert_eq!(
        world.problems(),
        [Problem::SchemaMissing {
            partition: name("documents"),
            offset: 0,
            schema: 4
        }]
    );
    // Nobody gets a record that is not visible, so what it cites does not matter.
    world.log("documents").records[0].visible = false;
    world.acknowledged.acknowledgements.pop();
    assert_eq!(world.problems(), []);
}

#[test]
fn a_verdict_is_told_in_a_line_and_one_for_each_problem() {
    let mut world = World::new();
    world
        .description
        .hanging_transactions
        .push("bank-a-0@0 producer 5".into());
    assert_eq!(
        world.judge().to_string(),
        "1 transactions, 2 transfers, 2 outputs, 3 promised records, 4 offsets, 1 citations judged\n  \
         hanging transaction: bank-a-0@0 producer 5"
    );
}
