use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, TopicId, Uuid};
use proptest::prelude::*;

use super::*;
use crate::layout::{RetentionClass, Topic};

fn key(topic: u8, partition: i32) -> PartitionKey {
    PartitionKey {
        topic_id: TopicId(Uuid([topic; 16])),
        partition: PartitionId(partition),
    }
}

fn layout(partitions: &[(Option<i32>, Vec<i32>)]) -> Layout {
    let partitions = partitions
        .iter()
        .enumerate()
        .map(|(index, (leader, members))| {
            let members = members.iter().copied().map(NodeId).collect();
            let state = Partition {
                leader: leader.map(NodeId),
                leader_epoch: LeaderEpoch(0),
                members,
            };
            (PartitionId(index as i32), state)
        })
        .collect();
    let topic = Topic {
        name: "orders".to_owned(),
        compacted: false,
        tiered: false,
        class: RetentionClass::Long,
        partitions,
    };
    Layout {
        offset: Offset(1),
        epoch: LeaderEpoch(1),
        topics: BTreeMap::from([(TopicId(Uuid([1; 16])), topic)]),
        brokers: BTreeSet::new(),
        controllers: BTreeSet::new(),
    }
}

fn nodes(ids: &[i32]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

#[test]
fn a_follower_is_read_before_the_leader() {
    let plan = plan(
        &layout(&[(Some(1), vec![1, 2])]),
        &nodes(&[1, 2]),
        &BTreeMap::new(),
        |_| None,
    );
    assert_eq!(plan.sources.get(&key(1, 0)), Some(&NodeId(2)));
}

#[test]
fn the_leader_is_read_when_nobody_else_has_an_agent() {
    let plan = plan(
        &layout(&[(Some(1), vec![1, 2])]),
        &nodes(&[1]),
        &BTreeMap::new(),
        |_| None,
    );
    assert_eq!(plan.sources.get(&key(1, 0)), Some(&NodeId(1)));
}

#[test]
fn the_bases_source_stays_as_long_as_it_is_in_sync() {
    let precedent = |_: &PartitionKey| {
        Some(Precedent {
            source: NodeId(1),
            bytes: 10,
        })
    };
    let stays = plan(
        &layout(&[(Some(1), vec![1, 2])]),
        &nodes(&[1, 2]),
        &BTreeMap::new(),
        precedent,
    );
    assert_eq!(stays.sources.get(&key(1, 0)), Some(&NodeId(1)));
    let moves = plan(
        &layout(&[(Some(2), vec![2, 3])]),
        &nodes(&[1, 2, 3]),
        &BTreeMap::new(),
        precedent,
    );
    assert_eq!(moves.sources.get(&key(1, 0)), Some(&NodeId(3)));
}

#[test]
fn a_partition_without_reachable_members_is_said() {
    let plan = plan(
        &layout(&[(Some(1), vec![1, 2]), (None, vec![])]),
        &nodes(&[3]),
        &BTreeMap::new(),
        |_| None,
    );
    assert_eq!(plan.unreachable, [key(1, 0), key(1, 1)]);
}

proptest! {
    /// Whatever the cluster looks like: a source is a member with an agent, every partition that can have one has one, the
    /// choice is stable under replanning, and equal partitions with free choice are spread evenly.
    #[test]
    fn sources_are_reachable_members_and_stable(
        partitions in prop::collection::vec((0i32..6, prop::collection::btree_set(0i32..6, 0..4)), 0..60),
        connected in prop::collection::btree_set(0i32..6, 0..6),
    ) {
        let rows: Vec<(Option<i32>, Vec<i32>)> =
            partitions.iter().map(|(leader, members)| (Some(*leader), members.iter().copied().collect())).collect();
        let layout = layout(&rows);
        let connected: BTreeSet<NodeId> = connected.into_iter().map(NodeId).collect();
        let first = plan(&layout, &connected, &BTreeMap::new(), |_| None);
        for (key, _, partition) in layout.partitions() {
            let possible = partition.members.iter().any(|node| connected.contains(node));
            match first.sources.get(&key) {
                Some(node) => prop_assert!(partition.members.contains(node) && connected.contains(node)),
                None => prop_assert!(!possible && first.unreachable.contains(&key)),
            }
        }
        let again = plan(&layout, &connected, &first.sources, |_| None);
        prop_assert_eq!(&again, &first);
    }

    #[test]
    fn bytes_are_balanced(count in 1usize..80, nodes_count in 1i32..6) {
        let rows: Vec<(Option<i32>, Vec<i32>)> = (0..count).map(|_| (None, (0..nodes_count).collect())).collect();
        let connected: BTreeSet<NodeId> = (0..nodes_count).map(NodeId).collect();
        let plan = plan(&layout(&rows), &connected, &BTreeMap::new(), |_| None);
        let mut counts = BTreeMap::<NodeId, usize>::new();
        for node in plan.sources.values() { *counts.entry(*node).or_default() += 1; }
        let most = counts.values().max().copied().unwrap_or(0);
        prop_assert!(most <= count.div_ceil(nodes_count as usize));
    }
}
