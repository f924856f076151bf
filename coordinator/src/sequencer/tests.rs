//! The sequencer against a simulated cluster: no sockets, no clock.

mod moving;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use maxbrod_cut::Cut;
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};
use proptest::prelude::*;

use super::*;
use crate::config::Require;
use world::{World, batch, key};

const ORDERS: u8 = 1;
const STATE: u8 = 2;
const GROUPS: u8 = 3;

/// Three nodes; two partitions of data, one of each coordinator topic, all replicated thrice.
fn cluster() -> World {
    let mut world = World::new(Require::All, &[1, 2, 3]);
    world.topic(ORDERS, "orders", &[&[1, 2, 3], &[2, 3, 1]]);
    world.topic(STATE, "__transaction_state", &[&[3, 1, 2]]);
    world.topic(GROUPS, "__consumer_offsets", &[&[1, 2, 3]]);
    for topic in [ORDERS, STATE, GROUPS] {
        world.write_all(topic, 0, &[batch(10, 0, 1), batch(20, 0, 2)]);
    }
    world.write_all(ORDERS, 1, &[batch(5, 3, 7)]);
    world
}

fn cut_of(world: &World, topic: u8, partition: i32) -> Option<Cut> {
    let harvest = world.harvest.as_ref().expect("a commit was ordered");
    harvest
        .partitions
        .iter()
        .find(|found| found.order.key == key(topic, partition))
        .map(|found| found.cut)
}

#[test]
fn a_quiet_cluster_is_captured_whole() {
    let mut world = cluster();
    world.start();
    world.create();
    let outcome = world.outcome();
    assert_eq!(outcome.result.as_ref().map(|result| result.id.as_str()), Ok("snapshot"));
    assert_eq!(outcome.gaps, []);
    assert_eq!(cut_of(&world, ORDERS, 0), Some(Cut::After(batch(20, 0, 2))));
    assert_eq!(cut_of(&world, ORDERS, 1), Some(Cut::After(batch(5, 3, 7))));
    assert_eq!(world.harvest.as_ref().map(|harvest| harvest.partitions.len()), Some(4));
    // Followers are read, each partition by one node, which pins what it is about to read.
    assert!(
        world
            .harvest
            .iter()
            .flat_map(|harvest| &harvest.partitions)
            .all(|partition| partition.vouched)
    );
    assert_eq!(world.pinned.len(), 4);
    assert_eq!(world.run_ended, Some((7, 8)));
}

#[test]
fn the_phases_come_in_order_and_each_asks_every_member() {
    let mut world = cluster();
    world.start();
    world.create();
    let phases: Vec<Phase> = world.queries.iter().map(|query| query.phase).collect();
    assert!(phases.is_sorted(), "{phases:?}");
    for phase in [Phase::M, Phase::Q, Phase::G, Phase::P] {
        let asked: BTreeSet<NodeId> = world
            .queries
            .iter()
            .filter(|query| query.phase == phase)
            .map(|query| query.node)
            .collect();
        assert_eq!(asked.len(), 3, "{phase:?}");
    }
    let stages: Vec<Stage> = world.progress.iter().map(|progress| progress.stage).collect();
    for stage in [
        Stage::WaitingForAgents,
        Stage::PhaseM,
        Stage::PhaseQ,
        Stage::PhaseG,
        Stage::PhaseP,
        Stage::Shipping,
        Stage::Committing,
    ] {
        assert!(stages.contains(&stage), "{stage:?} in {stages:?}");
    }
}

#[test]
fn a_lagging_follower_keeps_the_cut_below_the_leaders_end() {
    let mut world = cluster();
    world.write(
        1,
        ORDERS,
        0,
        &[batch(10, 0, 1), batch(20, 0, 2), batch(30, 0, 3), batch(40, 0, 4)],
    );
    world.write(2, ORDERS, 0, &[batch(10, 0, 1), batch(20, 0, 2), batch(30, 0, 3)]);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, ORDERS, 0), Some(Cut::After(batch(20, 0, 2))));
}

#[test]
fn a_tail_that_an_election_left_is_not_captured() {
    let mut world = cluster();
    // Node 3 was in the old leader's epoch 4, the new leader wrote other batches in epoch 5.
    world.write(1, ORDERS, 0, &[batch(10, 0, 1), batch(25, 5, 8), batch(40, 5, 9)]);
    world.write(2, ORDERS, 0, &[batch(10, 0, 1), batch(25, 5, 8)]);
    world.write(3, ORDERS, 0, &[batch(10, 0, 1), batch(20, 4, 2), batch(30, 4, 3)]);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, ORDERS, 0), Some(Cut::After(batch(10, 0, 1))));
}

#[test]
fn a_common_end_far_back_is_found_by_asking_deeper() {
    let mut world = cluster();
    let long: Vec<_> = (1..=300).map(|i| batch(i * 10, 0, i as u32)).collect();
    world.write(1, ORDERS, 0, &long);
    world.write(2, ORDERS, 0, &long);
    world.write(3, ORDERS, 0, &long[..7]);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, ORDERS, 0), Some(Cut::After(batch(70, 0, 7))));
}

#[test]
fn an_empty_partition_is_part_of_the_snapshot() {
    let mut world = cluster();
    world.topic(9, "empty", &[&[1, 2]]);
    world.write_all(9, 0, &[]);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, 9, 0), Some(Cut::Empty(Offset(0))));
}

#[test]
fn a_change_of_leader_repeats_that_partition_from_its_phase_on() {
    let mut world = cluster();
    world.elect_after(Phase::P, ORDERS, 0, 1);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(world.outcome().gaps, []);
    let asked = |partition| {
        let key = key(ORDERS, partition);
        world
            .queries
            .iter()
            .filter(|query| query.phase == Phase::P && query.partitions.iter().any(|asked| asked.key == key))
            .count()
    };
    assert_eq!(asked(0), 6, "twice by three members");
    assert_eq!(asked(1), 3, "the other partition is not asked again");
}

#[test]
fn a_leader_that_changes_again_and_again_lowers_the_level_and_is_named() {
    let mut world = cluster();
    world.elect_after(Phase::P, ORDERS, 0, 50);
    world.start();
    world.create();
    let outcome = world.outcome();
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.gaps.len(), 1);
    assert_eq!(outcome.gaps[0].what, "partition orders-0");
    assert!(cut_of(&world, ORDERS, 0).is_some());
}

#[test]
fn a_member_that_joins_the_isr_during_a_phase_counts_too() {
    let mut world = cluster();
    world.set_members(ORDERS, 0, &[1, 2]);
    world.write(3, ORDERS, 0, &[batch(10, 0, 1)]);
    world.members_after(Phase::P, ORDERS, 0, &[1, 2, 3]);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, ORDERS, 0), Some(Cut::After(batch(10, 0, 1))));
}

#[test]
fn reports_repeated_and_reordered_change_nothing() {
    let mut quiet = cluster();
    quiet.start();
    quiet.create();
    let mut noisy = cluster();
    noisy.repeat_and_reorder = true;
    noisy.start();
    noisy.create();
    assert!(noisy.outcome().result.is_ok());
    let cuts = |world: &World| -> Vec<_> {
        let harvest = world.harvest.as_ref().expect("committed");
        harvest
            .partitions
            .iter()
            .map(|found| (found.order.key, found.cut, found.shipped.clone()))
            .collect()
    };
    assert_eq!(cuts(&quiet), cuts(&noisy));
}

#[test]
fn with_nobody_connected_the_snapshot_fails_in_time() {
    let mut world = World::new(Require::All, &[]);
    world.start();
    world.create();
    world.pass(Duration::from_secs(60));
    assert_eq!(
        world.outcome().result.as_ref().map_err(|failure| failure.code.as_str()),
        Err("no-metadata")
    );
}

#[test]
fn a_missing_agent_fails_the_snapshot_or_becomes_a_gap_by_policy() {
    let mut strict = cluster();
    strict.leave(3);
    strict.start();
    strict.create();
    strict.pass(Duration::from_secs(60));
    let failure = strict.outcome().result.clone().unwrap_err();
    assert_eq!(failure.code, "agents-missing");
    assert!(failure.message.contains("node 3"), "{}", failure.message);

    let mut lenient = cluster();
    lenient.require(Require::OneReplica);
    lenient.leave(3);
    lenient.start();
    lenient.create();
    lenient.pass(Duration::from_secs(120));
    let outcome = lenient.outcome();
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert!(outcome.gaps.iter().any(|gap| gap.what == "node 3"));
    assert_eq!(
        outcome
            .gaps
            .iter()
            .filter(|gap| gap.what.starts_with("partition"))
            .count(),
        4
    );
    assert!(
        lenient
            .harvest
            .iter()
            .flat_map(|harvest| &harvest.partitions)
            .all(|partition| !partition.vouched)
    );
}

#[test]
fn an_agent_that_appears_in_time_is_waited_for() {
    let mut world = cluster();
    world.leave(3);
    world.start();
    world.create();
    world.pass(Duration::from_secs(5));
    assert!(world.finished.is_none());
    world.join(3);
    world.pass(Duration::from_secs(2));
    assert!(world.outcome().result.is_ok());
    assert_eq!(world.outcome().gaps, []);
}

#[test]
fn an_agent_lost_in_a_phase_is_asked_again_when_it_is_back() {
    let mut world = cluster();
    world.mute(2);
    world.start();
    world.create();
    assert!(world.finished.is_none());
    world.leave(2);
    world.unmute(2);
    world.pass(Duration::from_secs(3));
    world.join(2);
    world.pass(Duration::from_secs(3));
    assert!(world.outcome().result.is_ok(), "{:?}", world.outcome());
}

#[test]
fn a_broker_that_falls_out_of_sync_with_its_agent_does_not_hold_the_snapshot_up() {
    let mut world = cluster();
    world.mute(3);
    world.start();
    world.create();
    world.leave(3);
    for (topic, partition) in [(ORDERS, 0), (ORDERS, 1), (STATE, 0), (GROUPS, 0)] {
        world.set_members(topic, partition, &[1, 2]);
    }
    world.pass(Duration::from_secs(5));
    assert!(world.outcome().result.is_ok(), "{:?}", world.outcome());
    assert_eq!(world.outcome().gaps, []);
}

#[test]
fn another_member_ships_what_an_agent_cannot() {
    let mut world = cluster();
    world.start();
    let source = world.source_of(ORDERS, 0);
    world.fail_shipping(source, ORDERS, 0);
    world.create();
    assert!(world.outcome().result.is_ok());
    let ships: Vec<&Ship> = world
        .ships
        .iter()
        .filter(|ship| ship.cuts.iter().any(|cut| cut.key == key(ORDERS, 0)))
        .collect();
    assert_eq!(ships.len(), 2);
    assert_ne!(ships[0].node, ships[1].node);
    assert!(ships[0].cuts.iter().all(|cut| cut.source.is_none()));
    assert!(
        ships[1].cuts.iter().all(|cut| cut.source.is_some()),
        "the new source is told what it ships"
    );
}

#[test]
fn a_partition_that_nobody_can_ship_fails_the_snapshot_or_becomes_a_gap_by_policy() {
    for require in [Require::All, Require::OneReplica] {
        let mut world = cluster();
        world.require(require);
        world.start();
        for node in [1, 2, 3] {
            world.fail_shipping(node, ORDERS, 0);
        }
        world.create();
        let outcome = world.outcome().clone();
        match (require, outcome.result) {
            (Require::All, Err(failure)) => {
                assert_eq!(failure.code, "partition-not-shipped");
                assert!(failure.message.contains("orders-0"), "{}", failure.message);
                assert_eq!(world.released, 1, "pins are released");
            }
            (Require::OneReplica, Ok(_)) => {
                assert_eq!(outcome.gaps.len(), 1);
                assert_eq!(outcome.gaps[0].what, "partition orders-0");
                assert_eq!(cut_of(&world, ORDERS, 0), None);
            }
            (_, result) => panic!("{require:?}: {result:?}"),
        }
    }
}

#[test]
fn an_agent_lost_while_shipping_goes_on_when_it_is_back() {
    let mut world = cluster();
    world.start();
    world.hold_shipping = true;
    world.create();
    let source = world.source_of(ORDERS, 0);
    world.leave(source);
    world.pass(Duration::from_secs(5));
    world.hold_shipping = false;
    world.join(source);
    world.reship();
    assert!(world.outcome().result.is_ok(), "{:?}", world.finished);
    let by: BTreeSet<NodeId> = world
        .harvest
        .iter()
        .flat_map(|harvest| &harvest.partitions)
        .map(|partition| partition.source)
        .collect();
    assert!(by.contains(&NodeId(source)));
}

#[test]
fn the_partitions_of_an_agent_that_stays_away_are_shipped_by_others() {
    let mut world = cluster();
    world.start();
    world.hold_shipping = true;
    world.create();
    let source = world.source_of(ORDERS, 0);
    world.leave(source);
    world.hold_shipping = false;
    world.reship();
    world.pass(Duration::from_secs(30));
    assert!(world.outcome().result.is_ok(), "{:?}", world.finished);
    let harvest = world.harvest.as_ref().expect("committed");
    assert!(
        harvest
            .partitions
            .iter()
            .all(|partition| partition.source != NodeId(source))
    );
    assert_eq!(harvest.partitions.len(), 4);
}

#[test]
fn a_topic_deleted_meanwhile_is_left_out_and_said() {
    let mut world = cluster();
    world.topic(9, "doomed", &[&[1, 2]]);
    world.write_all(9, 0, &[batch(3, 0, 1)]);
    world.delete_after(Phase::P, 9);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(world.outcome().gaps, []);
    assert_eq!(cut_of(&world, 9, 0), None);
    let notes = &world.harvest.as_ref().expect("committed").notes;
    assert!(
        notes.iter().any(|note| note.text.contains("doomed-0 was deleted")),
        "{notes:?}"
    );
}

#[test]
fn a_replica_that_cannot_be_read_fails_or_becomes_a_gap_by_policy() {
    let mut world = cluster();
    world.damage(2, ORDERS, 0);
    world.start();
    world.create();
    world.pass(Duration::from_secs(60));
    let failure = world.outcome().result.clone().unwrap_err();
    assert_eq!(failure.code, "partition-not-vouched");
    assert!(
        failure.message.contains("orders-0") && failure.message.contains("node 2"),
        "{}",
        failure.message
    );

    let mut world = cluster();
    world.require(Require::OneReplica);
    world.damage(2, ORDERS, 0);
    world.start();
    world.create();
    world.pass(Duration::from_secs(120));
    assert!(world.outcome().result.is_ok());
    assert_eq!(world.outcome().gaps.len(), 1);
}

#[test]
fn a_replica_that_appears_a_moment_later_is_asked_again() {
    let mut world = cluster();
    world.damage(2, ORDERS, 0);
    world.start();
    world.create();
    assert!(world.finished.is_none());
    world.repair();
    world.pass(Duration::from_secs(1));
    assert!(world.outcome().result.is_ok());
}

#[test]
fn a_cancelled_snapshot_releases_its_pins_and_the_next_one_goes_through() {
    let mut world = cluster();
    world.start();
    world.hold_shipping = true;
    world.create();
    world.handle(Event::Cancel);
    assert_eq!(
        world.outcome().result.as_ref().map_err(|failure| failure.code.as_str()),
        Err("cancelled")
    );
    assert_eq!(world.released, 1);
    world.hold_shipping = false;
    let first = world.queries.last().map(|query| query.attempt);
    world.create();
    assert!(world.outcome().result.is_ok());
    assert!(
        world.queries.last().map(|query| query.attempt) > first,
        "answers to the first attempt are told apart"
    );
}

#[test]
fn without_a_majority_of_controllers_the_metadata_is_a_named_gap() {
    let mut world = cluster();
    world.standing = Standing::NoMajority {
        silent: vec![NodeId(8), NodeId(9)],
    };
    world.start();
    world.create();
    world.pass(Duration::from_secs(60));
    let outcome = world.outcome();
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.gaps.len(), 1);
    assert_eq!(outcome.gaps[0].what, "metadata");
    assert!(
        outcome.gaps[0].why.contains("node 8, node 9"),
        "{}",
        outcome.gaps[0].why
    );
}

#[test]
fn seeding_is_waited_for() {
    let mut world = cluster();
    world.hold_seeding = true;
    world.start();
    world.create();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.sequencer.stage(), Some(Stage::Seeding));
    for node in [1, 2, 3] {
        for backlog in [1 << 40, 1 << 40] {
            world.handle(Event::Status {
                node: NodeId(node),
                run: 7,
                backlog,
                shipped: 1,
            });
        }
    }
    assert_eq!(world.sequencer.stage(), Some(Stage::Seeding));
    for node in [1, 2, 3] {
        world.handle(Event::Status {
            node: NodeId(node),
            run: 7,
            backlog: 1 << 20,
            shipped: 1 << 40,
        });
    }
    assert!(world.outcome().result.is_ok());
}

#[test]
fn a_failed_commit_fails_the_snapshot_and_keeps_the_run() {
    let mut world = cluster();
    world.commit_failure = Some(Failure::new("partition-incomplete", "commit: a hole", "look"));
    world.start();
    world.create();
    assert_eq!(
        world.outcome().result.as_ref().map_err(|failure| failure.code.as_str()),
        Err("partition-incomplete")
    );
    assert_eq!(world.released, 1);
    assert_eq!(world.sequencer.run(), Some(7));
    world.commit_failure = None;
    world.create();
    assert!(world.outcome().result.is_ok());
}

#[test]
fn new_topics_are_assigned_while_nothing_else_happens() {
    let mut world = cluster();
    world.start();
    let before = world.assigns.len();
    world.topic(9, "fresh", &[&[1, 2]]);
    world.write_all(9, 0, &[]);
    world.pass(Duration::from_secs(15));
    let told: Vec<&Assign> = world.assigns[before..].iter().collect();
    assert!(
        told.iter()
            .any(|assign| assign.partitions.iter().any(|order| order.key == key(9, 0))),
        "{told:?}"
    );
    assert!(told.len() < 3, "only the node concerned is told");
}

#[test]
fn the_leader_epochs_of_the_cut_go_with_the_order_to_ship() {
    let mut world = cluster();
    world.write_all(ORDERS, 0, &[batch(10, 0, 1), batch(20, 4, 2)]);
    world.start();
    world.create();
    let order = world
        .ships
        .iter()
        .flat_map(|ship| &ship.cuts)
        .find(|cut| cut.key == key(ORDERS, 0))
        .expect("ordered");
    assert_eq!(
        order.leader_epochs,
        [(LeaderEpoch(0), Offset(0)), (LeaderEpoch(4), Offset(10))]
    );
}

/// Something that goes wrong, or right again, while a snapshot is taken.
#[derive(Clone, Debug)]
enum Mishap {
    Leave(i32),
    Join(i32),
    Mute(i32),
    Unmute(i32),
    Elect(usize, u32),
    Isr(usize, BTreeSet<i32>),
    IsrNow(usize, BTreeSet<i32>),
    Damage(i32, usize),
    Repair,
    FailShipping(i32, usize),
    Delete,
    Pass(u64),
}

const PARTITIONS: [(u8, i32); 4] = [(ORDERS, 0), (ORDERS, 1), (STATE, 0), (GROUPS, 0)];

fn mishap() -> impl Strategy<Value = Mishap> {
    let node = 1i32..4;
    let isr = || prop::collection::btree_set(1i32..4, 1..4);
    prop_oneof![
        node.clone().prop_map(Mishap::Leave),
        node.clone().prop_map(Mishap::Join),
        node.clone().prop_map(Mishap::Mute),
        node.clone().prop_map(Mishap::Unmute),
        (0usize..4, 1u32..4).prop_map(|(partition, times)| Mishap::Elect(partition, times)),
        (0usize..4, isr()).prop_map(|(partition, isr)| Mishap::Isr(partition, isr)),
        (0usize..4, isr()).prop_map(|(partition, isr)| Mishap::IsrNow(partition, isr)),
        (node.clone(), 0usize..4).prop_map(|(node, partition)| Mishap::Damage(node, partition)),
        Just(Mishap::Repair),
        (node, 0usize..4).prop_map(|(node, partition)| Mishap::FailShipping(node, partition)),
        Just(Mishap::Delete),
        (1u64..40_000).prop_map(Mishap::Pass),
    ]
}

fn phase_of(partition: usize) -> Phase {
    match PARTITIONS[partition].0 {
        STATE => Phase::Q,
        GROUPS => Phase::G,
        _ => Phase::P,
    }
}

impl World {
    fn suffer(&mut self, mishap: &Mishap) {
        let list = |isr: &BTreeSet<i32>| isr.iter().copied().collect::<Vec<i32>>();
        match mishap {
            Mishap::Leave(node) => self.leave(*node),
            Mishap::Join(node) => self.join(*node),
            Mishap::Mute(node) => self.mute(*node),
            Mishap::Unmute(node) => self.unmute(*node),
            Mishap::Elect(partition, times) => {
                let (topic, number) = PARTITIONS[*partition];
                self.elect_after(phase_of(*partition), topic, number, *times);
            }
            Mishap::Isr(partition, isr) => {
                let (topic, number) = PARTITIONS[*partition];
                self.members_after(phase_of(*partition), topic, number, &list(isr));
            }
            Mishap::IsrNow(partition, isr) => {
                let (topic, number) = PARTITIONS[*partition];
                self.set_members(topic, number, &list(isr));
            }
            Mishap::Damage(node, partition) => self.damage(*node, PARTITIONS[*partition].0, PARTITIONS[*partition].1),
            Mishap::Repair => self.repair(),
            Mishap::FailShipping(node, partition) => {
                self.fail_shipping(*node, PARTITIONS[*partition].0, PARTITIONS[*partition].1);
            }
            Mishap::Delete => self.delete_after(Phase::M, ORDERS),
            Mishap::Pass(millis) => self.pass(Duration::from_millis(*millis)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever goes wrong: a snapshot comes to an end. If it was taken, each partition is in it, or is a named gap, or was
    /// deleted and said to be; what is vouched for is held by every in-sync replica; and without gaps nothing is missing.
    #[test]
    fn a_snapshot_is_never_silently_partial(
        lengths in prop::collection::vec((0usize..12, 0usize..3), 12),
        before in prop::collection::vec(mishap(), 0..4),
        during in prop::collection::vec(mishap(), 0..12),
        lenient: bool,
        noisy: bool,
    ) {
        let mut world = cluster();
        if lenient { world.require(Require::OneReplica); }
        world.repeat_and_reorder = noisy;
        // Replicas of one history, each as far as it got, some with a tail of their own that an election left.
        for (index, (kept, tail)) in lengths.iter().enumerate() {
            let (node, (topic, partition)) = (1 + index as i32 % 3, PARTITIONS[index / 3]);
            let mut log: Vec<_> = (1..=*kept as i64).map(|end| batch(end * 10, 1, end as u32)).collect();
            for extra in 0..*tail as i64 {
                log.push(batch(*kept as i64 * 10 + extra * 7 + 3 + i64::from(node), 1 + node, 900 + extra as u32));
            }
            world.write(node, topic, partition, &log);
        }
        world.start();
        for mishap in &before { world.suffer(mishap); }
        world.create();
        for mishap in &during { world.suffer(mishap); }
        world.pass(Duration::from_secs(1_500));
        let outcome = world.finished.clone().expect("a snapshot comes to an end");
        let Ok(_) = &outcome.result else {
            prop_assert!(world.sequencer.stage().is_none());
            return Ok(());
        };
        let harvest = world.harvest.clone().expect("committed");
        for (topic, number) in PARTITIONS {
            let key = key(topic, number);
            let name = harvest.view.layout.name_of(&key);
            let found = harvest.partitions.iter().find(|found| found.order.key == key);
            let is_named = outcome.gaps.iter().any(|gap| gap.what == format!("partition {name}"));
            let Some((_, state)) = harvest.view.layout.partition(&key) else {
                prop_assert!(found.is_none(), "{name} is not in the metadata");
                prop_assert!(harvest.notes.iter().any(|note| note.partition == Some(key)), "nothing is said of {key:?}");
                continue;
            };
            match found {
                Some(found) if found.vouched => {
                    for member in &state.members {
                        prop_assert!(world.holds(*member, key, &found.cut, found.order.compacted), "{name}: {member} lacks {:?}", found.cut);
                    }
                }
                Some(_) => prop_assert!(is_named, "{name} is not vouched for, and nothing says so"),
                None => prop_assert!(is_named && harvest.missing.contains(&key), "{name} is missing, and nothing says so"),
            }
            prop_assert!(lenient || found.is_some(), "{name} is missing although all were required");
        }
    }
}
