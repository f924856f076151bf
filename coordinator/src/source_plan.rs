//! Chooses for each partition the one replica that is read: its source (DESIGN §3.6).
//!
//! In sync, with an agent, the one that the base was read from where it still can be (a compacted log's chunks are comparable
//! within one replica only), else not the leader where possible, balanced by bytes. Pure, and the same for the same input.

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::PartitionKey;
use maxbrod_kafka::NodeId;

use crate::layout::{Layout, Partition};

#[cfg(test)]
mod tests;

/// What a partition without known size counts as, so that many empty ones are spread as well.
const LEAST_WEIGHT: u64 = 64 * 1024;

/// What the base says about a partition's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precedent {
    /// The node that was read.
    pub source: NodeId,
    /// The bytes of the log that the base holds.
    pub bytes: u64,
}

/// A source for each partition that has one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePlan {
    /// The node that is read for each partition.
    pub sources: BTreeMap<PartitionKey, NodeId>,
    /// Partitions of which no in-sync replica has an agent.
    pub unreachable: Vec<PartitionKey>,
}

/// Plans the sources of all partitions. `standing` are the sources chosen before in this run, which win over the base's.
pub fn plan(
    layout: &Layout,
    connected: &BTreeSet<NodeId>,
    standing: &BTreeMap<PartitionKey, NodeId>,
    precedent: impl Fn(&PartitionKey) -> Option<Precedent>,
) -> SourcePlan {
    let mut plan = SourcePlan::default();
    let mut load: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut open = Vec::new();
    for (key, _, partition) in layout.partitions() {
        let before = precedent(&key);
        let weight = before.map_or(0, |before| before.bytes).max(LEAST_WEIGHT);
        let kept = standing.get(&key).copied().or(before.map(|before| before.source));
        match kept.filter(|node| is_candidate(partition, connected, *node)) {
            Some(node) => {
                *load.entry(node).or_default() += weight;
                plan.sources.insert(key, node);
            }
            None => open.push((key, partition, weight)),
        }
    }
    // The large ones first: the small ones then even the load out.
    open.sort_by_key(|(key, _, weight)| (std::cmp::Reverse(*weight), *key));
    for (key, partition, weight) in open {
        match choose(partition, connected, &BTreeSet::new(), &load) {
            Some(node) => {
                *load.entry(node).or_default() += weight;
                plan.sources.insert(key, node);
            }
            None => plan.unreachable.push(key),
        }
    }
    plan
}

/// Chooses one member that has an agent and is not excluded: a follower before the leader, then the least loaded.
pub fn choose(
    partition: &Partition,
    connected: &BTreeSet<NodeId>,
    excluded: &BTreeSet<NodeId>,
    load: &BTreeMap<NodeId, u64>,
) -> Option<NodeId> {
    partition
        .members
        .iter()
        .copied()
        .filter(|node| connected.contains(node) && !excluded.contains(node))
        .min_by_key(|node| {
            (
                partition.leader == Some(*node),
                load.get(node).copied().unwrap_or(0),
                *node,
            )
        })
}

fn is_candidate(partition: &Partition, connected: &BTreeSet<NodeId>, node: NodeId) -> bool {
    connected.contains(&node) && partition.members.contains(&node)
}
