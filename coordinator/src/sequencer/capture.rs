//! What the phases captured so far, partition by partition.

use std::collections::BTreeMap;

use maxbrod_cut::{Capture, CapturedPartition, Cut, PartitionKey, PartitionKind, TransactionalRun};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};

use super::assignment::source_order;
use super::round::{Finding, Target};
use super::{Gap, OpenRun, Phase, SourceOrder};
use crate::layout::Layout;

/// The partitions of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Captures {
    partitions: BTreeMap<PartitionKey, Captured>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) order: SourceOrder,
    kind: PartitionKind,
    start: Option<Cut>,
    end: Option<Cut>,
    pub(super) vouched: bool,
    pub(super) source: Option<NodeId>,
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    tail: Vec<TransactionalRun>,
}

impl Captures {
    /// Everything that is there when phase M begins.
    pub(super) fn of_layout(layout: &Layout, run: &OpenRun) -> Self {
        let partitions = layout.partitions().filter_map(|(key, topic, _)| {
            let order = source_order(layout, run, &key)?;
            let captured = Captured {
                order,
                kind: topic.kind(),
                start: None,
                end: None,
                vouched: false,
                source: None,
                leader_epochs: Vec::new(),
                tail: Vec::new(),
            };
            Some((key, captured))
        });
        Self {
            partitions: partitions.collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn keys(&self) -> Vec<PartitionKey> {
        self.partitions.keys().copied().collect()
    }

    pub(super) fn get(&self, key: &PartitionKey) -> Option<&Captured> {
        self.partitions.get(key)
    }

    pub(super) fn remove(&mut self, key: &PartitionKey) -> Option<Captured> {
        self.partitions.remove(key)
    }

    /// What a phase is about.
    pub(super) fn targets(
        &self,
        phase: Phase,
        run: &OpenRun,
        source: impl Fn(&PartitionKey) -> Option<NodeId>,
    ) -> Vec<Target> {
        let kind = match phase {
            Phase::M => None,
            Phase::Q => Some(PartitionKind::TransactionState),
            Phase::G => Some(PartitionKind::ConsumerOffsets),
            Phase::P => Some(PartitionKind::Data),
        };
        let concerned = self
            .partitions
            .iter()
            .filter(|(_, captured)| kind.is_none_or(|kind| captured.kind == kind));
        concerned
            .map(|(key, captured)| {
                let inherited = run
                    .base
                    .get(key)
                    .filter(|base| !base.compacted && !captured.order.compacted);
                let pin_from = inherited.map_or(Offset(0), |base| base.end);
                Target {
                    key: *key,
                    topic: captured.order.topic.clone(),
                    compacted: captured.order.compacted,
                    since: captured.start.map(|cut| cut.offset()),
                    source: source(key),
                    pin_from: kind.map(|_| pin_from),
                }
            })
            .collect()
    }

    /// Takes in what a phase found out.
    pub(super) fn record(&mut self, phase: Phase, findings: BTreeMap<PartitionKey, Finding>) {
        for (key, finding) in findings {
            let Some(captured) = self.partitions.get_mut(&key) else {
                continue;
            };
            if phase == Phase::M {
                captured.start = finding.cut;
            } else {
                captured.end = finding.cut;
                captured.vouched = finding.is_vouched();
            }
            let Some((node, seen)) = finding.source else { continue };
            captured.source = Some(node);
            // A list that was captured later, with the cut itself, is the better one.
            if !seen.leader_epochs.is_empty() {
                captured.leader_epochs = seen.leader_epochs;
            }
            if phase != Phase::M {
                captured.tail = seen.transactional;
            }
        }
    }

    /// As the solver takes it: partitions that have an end.
    pub(super) fn to_capture(&self) -> Capture {
        let partitions = self.partitions.iter().filter_map(|(key, captured)| {
            Some(CapturedPartition {
                key: *key,
                topic: captured.order.topic.clone(),
                kind: captured.kind,
                start: captured
                    .start
                    .filter(|_| captured.kind != PartitionKind::TransactionState),
                end: captured.end?,
                tail: captured.tail.clone(),
            })
        });
        Capture {
            partitions: partitions.collect(),
        }
    }
}

impl Captured {
    /// The leader epochs that begin below a cut.
    pub(super) fn leader_epochs_below(&self, cut: &Cut) -> Vec<(LeaderEpoch, Offset)> {
        self.leader_epochs
            .iter()
            .copied()
            .filter(|(_, start)| *start < cut.offset())
            .collect()
    }
}

/// What a finding that does not vouch for its partition lacks.
pub(super) fn gap_of(name: &str, finding: &Finding) -> Option<Gap> {
    if finding.is_vouched() {
        return None;
    }
    let gap = |why: String, remedy: &str| Gap {
        what: format!("partition {name}"),
        why,
        remedy: remedy.to_owned(),
    };
    if !finding.absent.is_empty() {
        let who: Vec<String> = finding
            .absent
            .iter()
            .map(|(node, why)| format!("in-sync replica on node {node}: {why}"))
            .collect();
        return Some(gap(
            who.join("; "),
            "run an agent on every broker that has an in-sync replica, then snapshot again",
        ));
    }
    if finding.unstable {
        return Some(gap(
            "its leader changed again and again while it was captured".to_owned(),
            "snapshot again when elections have settled",
        ));
    }
    let why = match finding.source {
        Some(_) => "its in-sync replicas have no record batch in common",
        None => "it has no in-sync replica",
    };
    Some(gap(
        why.to_owned(),
        "check the partition with kafka-topics --describe, then snapshot again",
    ))
}
