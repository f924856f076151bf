//! What a snapshot waits for, what vouches in a missing agent's place, and what is created meanwhile.

use std::time::Duration;

use maxbrod_cut::{Cut, Level};

use super::world::{World, batch, key};
use super::*;
use crate::config::HookMoment;

const FRESH: u8 = 9;

#[test]
fn a_topic_that_appears_while_decisions_are_read_is_captured() {
    let mut world = cluster();
    world.create_after(Phase::Q, FRESH, "fresh");
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, FRESH, 0), Some(Cut::After(batch(3, 0, 7))));
    assert!(
        world.pinned.contains(&(NodeId(1), key(FRESH, 0))),
        "what is shipped was pinned"
    );
}

#[test]
fn a_topic_that_appears_after_the_last_capture_is_not_in_the_snapshot() {
    let mut world = cluster();
    world.create_after(Phase::P, FRESH, "fresh");
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, FRESH, 0), None);
}

#[test]
fn reports_that_come_in_pieces_are_put_together() {
    let mut world = cluster();
    world.in_pieces = true;
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(cut_of(&world, ORDERS, 0), Some(Cut::After(batch(20, 0, 2))));
}

/// Node 2's agent is missing, and its replica of orders-0 is the shortest.
fn without_an_agent() -> World {
    let mut world = cluster();
    world.require(Require::OneReplica);
    world.write(2, ORDERS, 0, &[batch(10, 0, 1)]);
    world.start();
    world.leave(2);
    world
}

#[test]
fn the_leaders_second_checkpoint_vouches_for_a_member_without_agent() {
    let mut world = without_an_agent();
    world.checkpoint_every(Duration::from_secs(5));
    world.create();
    world.pass(Duration::from_secs(31));
    assert!(world.finished.is_none(), "two files must appear in each phase");
    world.pass(Duration::from_secs(60));
    assert!(world.outcome().result.is_ok());
    // Node 2 leads orders-1: nobody is left whose watermark could be read.
    let named: Vec<&str> = world.outcome().gaps.iter().map(|gap| gap.what.as_str()).collect();
    assert_eq!(named, ["node 2", "partition orders-1"]);
    assert_eq!(
        cut_of(&world, ORDERS, 0),
        Some(Cut::After(batch(10, 0, 1))),
        "the replica that nobody read ends there"
    );
}

#[test]
fn without_checkpoints_a_missing_agent_leaves_its_partitions_unvouched() {
    let mut world = without_an_agent();
    world.create();
    world.pass(Duration::from_secs(60));
    assert!(world.outcome().result.is_ok());
    assert_eq!(world.outcome().gaps.len(), 5, "{:?}", world.outcome().gaps);
}

#[test]
fn a_level_that_is_required_is_tried_again_and_then_fails_the_snapshot() {
    let mut world = cluster();
    world.policy(Policy {
        consistency: Level::Transactional,
        ..Policy::of(Require::All)
    });
    world.standing = Standing::Unsettled;
    world.start();
    world.create();
    world.pass(Duration::from_secs(300));
    let failure = world.outcome().result.clone().unwrap_err();
    assert_eq!(failure.code, "consistency-not-reached");
    assert!(failure.message.contains("after 3 tries"), "{}", failure.message);
    assert!(
        failure.message.contains("metadata"),
        "the reason is named: {}",
        failure.message
    );
    assert_eq!(world.released, 3, "each attempt's pins are released");
    assert_eq!(
        world.ships.len(),
        0,
        "nothing is shipped for an attempt that does not count"
    );
    world.standing = Standing::Committed;
    world.create();
    world.pass(Duration::from_secs(60));
    assert!(world.outcome().result.is_ok());
}

#[test]
fn a_quiet_cluster_is_captured_as_one_moment() {
    let mut world = cluster();
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    assert_eq!(
        world.harvest.as_ref().map(|harvest| harvest.level),
        Some(Level::Transactional)
    );
}

fn hooked() -> World {
    let mut world = cluster();
    world.policy(Policy {
        hooks_at_start: true,
        hooks_at_cut: true,
        ..Policy::of(Require::All)
    });
    world
}

#[test]
fn applications_checkpoint_before_the_phases_and_at_the_cut() {
    let mut world = hooked();
    world.hold_hooks = true;
    world.start();
    world.create();
    assert_eq!(world.sequencer.stage(), Some(Stage::Hooks));
    assert!(world.queries.is_empty(), "no phase begins before they have answered");
    world.handle(world.hooks_ended());
    world.pass(Duration::from_secs(1));
    let at_the_cut = world.hooks.last().expect("they are run").clone();
    assert_eq!(at_the_cut.moment, HookMoment::Cut);
    let orders = at_the_cut
        .cuts
        .iter()
        .find(|(topic, partition, _)| topic == "orders" && partition.0 == 0);
    assert_eq!(orders.map(|(_, _, offset)| *offset), Some(Offset(20)));
    assert!(
        world.finished.is_none() && world.harvest.is_none(),
        "the commit waits for them"
    );
    world.handle(world.hooks_ended());
    world.pass(Duration::from_secs(1));
    assert!(world.outcome().result.is_ok());
    let harvest = world.harvest.as_ref().expect("committed");
    let moments: Vec<HookMoment> = harvest.hooks.iter().map(|result| result.moment).collect();
    assert_eq!(moments, [HookMoment::Start, HookMoment::Cut]);
}

#[test]
fn a_hook_that_fails_and_must_not_is_the_end_of_the_snapshot() {
    let mut world = hooked();
    world.hook_error = Some("it ended with exit code 9".to_owned());
    world.start();
    world.create();
    let failure = world.outcome().result.clone().unwrap_err();
    assert_eq!(failure.code, "hook-failed");
    assert!(failure.message.contains("application"), "{}", failure.message);
    assert_eq!(world.released, 1);
}

#[test]
fn an_unclean_election_is_said_and_lowers_the_level() {
    let mut world = cluster();
    world.members_after(Phase::M, ORDERS, 0, &[2]);
    world.usurp_after(Phase::Q, ORDERS, 0, 3);
    world.start();
    world.create();
    world.pass(Duration::from_secs(5));
    assert!(world.outcome().result.is_ok());
    let harvest = world.harvest.as_ref().expect("committed");
    let said = |note: &maxbrod_cut::Note| note.partition == Some(key(ORDERS, 0)) && note.text.contains("unclean");
    assert!(harvest.notes.iter().any(said), "{:?}", harvest.notes);
    assert!(harvest.level < Level::Transactional);
    // It is said once; a later snapshot is of what is left, and that is whole.
    world.create();
    let harvest = world.harvest.as_ref().expect("committed");
    assert_eq!((harvest.notes.len(), harvest.level), (0, Level::Transactional));
}

#[test]
fn a_tiered_topic_is_a_named_gap() {
    let mut world = cluster();
    world.tier(ORDERS);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    let gap = world.outcome().gaps.first().expect("it is named");
    assert_eq!(gap.what, "topic orders");
}

#[test]
fn compacted_topics_are_captured_after_those_that_may_refer_to_them() {
    const SCHEMAS: u8 = 8;
    let mut world = cluster();
    world.topic(SCHEMAS, "__schemas", &[&[1, 2, 3]]);
    world.write_all(SCHEMAS, 0, &[batch(4, 0, 1)]);
    world.start();
    world.create();
    assert!(world.outcome().result.is_ok());
    let asked = |topic| {
        let of = |query: &&Query| query.partitions.iter().any(|asked| asked.key == key(topic, 0));
        world.queries.iter().filter(of).map(|query| query.phase).max()
    };
    assert_eq!((asked(ORDERS), asked(SCHEMAS)), (Some(Phase::P), Some(Phase::C)));
}
