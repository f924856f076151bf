//! The last way: each source ships its partitions up to their cuts, and others step in for those that fail.

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::{Cut, PartitionKey};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};

use super::{CutOrder, Moment, ShipFailure, SourceOrder, Timing};
use crate::harvest::{HarvestedPartition, Shipped, ShippedPiece};
use crate::layout::Layout;
use crate::source_plan;

/// Partitions to be shipped and partitions that were.
#[derive(Debug, Default)]
pub(super) struct Shipping {
    pending: BTreeMap<PartitionKey, Pending>,
    done: BTreeMap<PartitionKey, HarvestedPartition>,
    given_up: Vec<GivenUp>,
    left: BTreeMap<NodeId, Moment>,
    heard: BTreeMap<NodeId, Moment>,
    /// Partitions outstanding per source.
    load: BTreeMap<NodeId, u64>,
    /// Whether there may be orders that were not given.
    ungiven: bool,
}

/// A partition that nobody could ship.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GivenUp {
    pub(super) key: PartitionKey,
    pub(super) topic: String,
    pub(super) why: String,
}

/// What is to be shipped of a partition.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) order: SourceOrder,
    pub(super) source: NodeId,
    pub(super) cut: Cut,
    pub(super) leader_epochs: Vec<(LeaderEpoch, Offset)>,
    pub(super) vouched: bool,
}

#[derive(Debug)]
struct Pending {
    parcel: Parcel,
    sent: bool,
    arrived: Option<Shipped>,
    failures: BTreeMap<NodeId, String>,
}

impl Shipping {
    pub(super) fn new(parcels: impl IntoIterator<Item = Parcel>) -> Self {
        let mut shipping = Self {
            ungiven: true,
            ..Self::default()
        };
        for parcel in parcels {
            *shipping.load.entry(parcel.source).or_default() += 1;
            let pending = Pending {
                sent: false,
                arrived: None,
                failures: BTreeMap::new(),
                parcel,
            };
            shipping.pending.insert(pending.parcel.order.key, pending);
        }
        shipping
    }

    /// Partitions shipped, partitions in all, bytes read.
    pub(super) fn progress(&self) -> [u64; 3] {
        let done = self.done.len() as u64;
        let bytes = self.done.values().map(|partition| partition.shipped.read_bytes).sum();
        [done, done + self.pending.len() as u64, bytes]
    }

    pub(super) fn is_over(&self) -> bool {
        self.pending.is_empty()
    }

    /// Partitions that nobody could ship.
    pub(super) fn given_up(&self) -> &[GivenUp] {
        &self.given_up
    }

    /// What was shipped, and what was not.
    pub(super) fn finish(self) -> (Vec<HarvestedPartition>, Vec<GivenUp>) {
        (self.done.into_values().collect(), self.given_up)
    }

    /// The orders that have not been given yet, by node.
    pub(super) fn orders(
        &mut self,
        connected: &BTreeSet<NodeId>,
        is_assigned: impl Fn(NodeId, &PartitionKey) -> bool,
        now: Moment,
    ) -> BTreeMap<NodeId, Vec<CutOrder>> {
        let mut orders: BTreeMap<NodeId, Vec<CutOrder>> = BTreeMap::new();
        if !std::mem::take(&mut self.ungiven) {
            return orders;
        }
        for (key, pending) in &mut self.pending {
            let node = pending.parcel.source;
            if pending.sent || !connected.contains(&node) {
                continue;
            }
            pending.sent = true;
            self.heard.insert(node, now);
            orders.entry(node).or_default().push(CutOrder {
                key: *key,
                cut: pending.parcel.cut,
                leader_epochs: pending.parcel.leader_epochs.clone(),
                source: (!is_assigned(node, key)).then(|| pending.parcel.order.clone()),
            });
        }
        orders
    }

    /// Takes in a piece. Pieces of partitions that are done, or from another node than the source, are repetitions.
    pub(super) fn arrived(&mut self, node: NodeId, piece: ShippedPiece, now: Moment) {
        self.heard.insert(node, now);
        let Some(pending) = self
            .pending
            .get_mut(&piece.key)
            .filter(|pending| pending.parcel.source == node && pending.sent)
        else {
            return;
        };
        match &mut pending.arrived {
            Some(shipped) => shipped.extend(piece.shipped),
            None => pending.arrived = Some(piece.shipped),
        }
        if piece.more {
            return;
        }
        let Some(Pending {
            parcel,
            arrived: Some(shipped),
            ..
        }) = self.pending.remove(&piece.key)
        else {
            return;
        };
        let Parcel {
            order,
            source,
            cut,
            leader_epochs,
            vouched,
        } = parcel;
        self.unload(source);
        self.done.insert(
            piece.key,
            HarvestedPartition {
                order,
                source,
                cut,
                leader_epochs,
                vouched,
                shipped,
            },
        );
    }

    /// An agent works on: it is not stuck.
    pub(super) fn heard(&mut self, node: NodeId, now: Moment) {
        self.heard.insert(node, now);
    }

    /// An agent failed with one partition: another replica is read.
    pub(super) fn failed(
        &mut self,
        node: NodeId,
        failure: &ShipFailure,
        layout: &Layout,
        connected: &BTreeSet<NodeId>,
    ) {
        if self
            .pending
            .get(&failure.key)
            .is_some_and(|pending| pending.parcel.source == node && pending.sent)
        {
            self.move_elsewhere(
                failure.key,
                &format!("{} ({})", failure.message, failure.code),
                layout,
                connected,
            );
        }
    }

    /// An agent is gone: it may come back in a moment and go on where it was.
    pub(super) fn agent_left(&mut self, node: NodeId, now: Moment) {
        self.left.insert(node, now);
        self.ungiven = true;
        for pending in self
            .pending
            .values_mut()
            .filter(|pending| pending.parcel.source == node)
        {
            pending.sent = false;
            pending.arrived = None;
        }
    }

    pub(super) fn agent_joined(&mut self, node: NodeId, now: Moment) {
        self.agent_left(node, now);
        self.left.remove(&node);
    }

    /// Moves the partitions of agents that stay away, or say nothing any more.
    pub(super) fn tick(&mut self, layout: &Layout, connected: &BTreeSet<NodeId>, timing: &Timing, now: Moment) {
        let mut lost: BTreeMap<NodeId, &str> = BTreeMap::new();
        for (node, since) in &self.left {
            if now.since(*since) >= timing.grace {
                lost.insert(*node, "its agent is gone");
            }
        }
        for (node, heard) in &self.heard {
            if connected.contains(node) && now.since(*heard) >= timing.stall {
                lost.insert(*node, "its agent has made no progress");
            }
        }
        if lost.is_empty() {
            return;
        }
        let moved: Vec<(PartitionKey, &str)> = self
            .pending
            .iter()
            .filter_map(|(key, pending)| lost.get(&pending.parcel.source).map(|why| (*key, *why)))
            .collect();
        for (key, why) in moved {
            self.move_elsewhere(key, why, layout, connected);
        }
    }

    fn move_elsewhere(&mut self, key: PartitionKey, why: &str, layout: &Layout, connected: &BTreeSet<NodeId>) {
        let Some(mut pending) = self.pending.remove(&key) else {
            return;
        };
        let failed = pending.parcel.source;
        self.unload(failed);
        pending.failures.insert(failed, why.to_owned());
        let tried: BTreeSet<NodeId> = pending.failures.keys().copied().collect();
        let next = layout
            .partition(&key)
            .and_then(|(_, partition)| source_plan::choose(partition, connected, &tried, &self.load));
        match next {
            Some(node) => {
                *self.load.entry(node).or_default() += 1;
                self.ungiven = true;
                pending.parcel.source = node;
                pending.sent = false;
                pending.arrived = None;
                self.pending.insert(key, pending);
            }
            None => {
                let tried: Vec<String> = pending
                    .failures
                    .iter()
                    .map(|(node, why)| format!("node {node}: {why}"))
                    .collect();
                self.given_up.push(GivenUp {
                    key,
                    topic: pending.parcel.order.topic,
                    why: tried.join("; "),
                });
            }
        }
    }

    fn unload(&mut self, node: NodeId) {
        if let Some(count) = self.load.get_mut(&node) {
            *count = count.saturating_sub(1);
        }
    }
}
