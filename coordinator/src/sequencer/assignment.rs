//! Who ships what while the run is open: the standing source plan, and how far each agent is with it.

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::PartitionKey;
use maxbrod_kafka::NodeId;

use super::{Assign, OpenRun, SourceOrder};
use crate::layout::Layout;
use crate::source_plan;

/// The standing assignment of sources.
#[derive(Debug, Default)]
pub(super) struct Assignments {
    run: Option<OpenRun>,
    last_generation: u64,
    sources: BTreeMap<PartitionKey, NodeId>,
    sent: BTreeMap<NodeId, Sent>,
}

/// What one agent was told last.
#[derive(Debug)]
struct Sent {
    generation: u64,
    partitions: Vec<SourceOrder>,
    caught_up: bool,
    /// As its last status said.
    backlog: u64,
    /// How many statuses came since. The first may have been written before the assignment arrived.
    statuses: u32,
    shipped: u64,
}

impl Assignments {
    /// Generations grow over a coordinator's lifetime and, by its epoch, from one coordinator to the next.
    pub(super) fn new(epoch: u64) -> Self {
        Self {
            last_generation: epoch << 32,
            ..Self::default()
        }
    }

    /// Starts over with a new run: agents forget their assignment when a run ends.
    pub(super) fn open(&mut self, run: OpenRun) {
        self.run = Some(run);
        self.sent.clear();
    }

    pub(super) fn run(&self) -> Option<&OpenRun> {
        self.run.as_ref()
    }

    /// Forgets what an agent was told: its session is a new one.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.sent.remove(&node);
    }

    /// Plans anew and says which agents must be told. `reachable` are nodes that have an agent, or had one a moment ago.
    pub(super) fn update(
        &mut self,
        layout: &Layout,
        reachable: &BTreeSet<NodeId>,
        connected: &BTreeSet<NodeId>,
    ) -> Vec<Assign> {
        let Some(run) = self.run.clone() else { return Vec::new() };
        let plan = source_plan::plan(layout, reachable, &self.sources, |key| {
            run.base.get(key).map(|summary| summary.precedent)
        });
        self.sources = plan.sources;
        let mut orders: BTreeMap<NodeId, Vec<SourceOrder>> = BTreeMap::new();
        for (key, node) in &self.sources {
            if let Some(order) = source_order(layout, &run, key) {
                orders.entry(*node).or_default().push(order);
            }
        }
        let mut told = Vec::new();
        for node in connected {
            let partitions = orders.remove(node).unwrap_or_default();
            let known = self.sent.get(node).map_or(&[][..], |sent| &sent.partitions);
            if known == partitions {
                continue;
            }
            self.last_generation += 1;
            let generation = self.last_generation;
            let sent = Sent {
                generation,
                partitions: partitions.clone(),
                caught_up: false,
                backlog: 0,
                statuses: 0,
                shipped: 0,
            };
            self.sent.insert(*node, sent);
            told.push(Assign {
                node: *node,
                run: run.run,
                generation,
                partitions,
            });
        }
        told
    }

    /// The node that is to be read for a partition.
    pub(super) fn source(&self, key: &PartitionKey) -> Option<NodeId> {
        self.sources.get(key).copied()
    }

    /// Whether an agent's newest assignment names a partition.
    pub(super) fn names(&self, node: NodeId, key: &PartitionKey) -> bool {
        self.sent
            .get(&node)
            .is_some_and(|sent| sent.partitions.binary_search_by_key(key, |order| order.key).is_ok())
    }

    pub(super) fn caught_up(&mut self, node: NodeId, run: u64, generation: u64) {
        if self.is_open(run)
            && let Some(sent) = self.sent.get_mut(&node)
            && sent.generation == generation
        {
            sent.caught_up = true;
        }
    }

    /// Takes in how far an agent is. Whether that is new: a status alone is no sign of progress.
    pub(super) fn status(&mut self, node: NodeId, run: u64, backlog: u64, shipped: u64) -> bool {
        if !self.is_open(run) {
            return false;
        }
        let Some(sent) = self.sent.get_mut(&node) else {
            return true;
        };
        let is_new = (sent.backlog, sent.shipped) != (backlog, shipped);
        (sent.backlog, sent.shipped) = (backlog, shipped);
        sent.statuses = sent.statuses.saturating_add(1);
        is_new
    }

    /// Whether all that is closed was shipped, or the backlog of those who are not done is small. An agent that has not
    /// said anything since its assignment is not done.
    pub(super) fn is_seeded(&self, bound: u64) -> bool {
        let mut backlog = 0u64;
        for sent in self
            .sent
            .values()
            .filter(|sent| !sent.caught_up && !sent.partitions.is_empty())
        {
            if sent.statuses < 2 {
                return false;
            }
            backlog = backlog.saturating_add(sent.backlog);
        }
        backlog <= bound
    }

    /// Partitions assigned, those of agents that caught up, bytes shipped, bytes shipped and to ship.
    pub(super) fn progress(&self) -> [u64; 4] {
        self.sent.values().fold([0; 4], |[total, done, shipped, bytes], sent| {
            let partitions = sent.partitions.len() as u64;
            let backlog = if sent.caught_up { 0 } else { sent.backlog };
            let finished = if sent.caught_up { partitions } else { 0 };
            [
                total + partitions,
                done + finished,
                shipped + sent.shipped,
                bytes + sent.shipped + backlog,
            ]
        })
    }

    fn is_open(&self, run: u64) -> bool {
        self.run.as_ref().is_some_and(|open| open.run == run)
    }
}

/// The order to read a partition. Once compacted in the base it stays so: its offsets may have gaps.
pub(super) fn source_order(layout: &Layout, run: &OpenRun, key: &PartitionKey) -> Option<SourceOrder> {
    let (topic, _) = layout.partition(key)?;
    let was_compacted = run.base.get(key).is_some_and(|base| base.compacted);
    Some(SourceOrder {
        key: *key,
        topic: topic.name.clone(),
        compacted: topic.compacted || was_compacted,
        class: topic.class,
    })
}
