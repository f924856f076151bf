//! What the phases captured so far, partition by partition.

use std::collections::BTreeMap;

use maxbrod_cut::{
    Absence, AbsentPartition, BatchEnd, Capture, CapturedPartition, Cleaning, CoordinatorRecord, Cut, Level,
    PartitionKey, PartitionKind, TransactionalRun,
};
use maxbrod_kafka::transaction_state::{TransactionRecord, TransactionStatus};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};

use super::assignment::source_order;
use super::round::{Finding, NO_AGENT, Target};
use super::{Gap, OpenRun, Phase, SourceOrder, Standing};
use crate::layout::Layout;

/// M and q are repeated at most so often for the sake of older clients (K§6.7).
const MOST_SWEEPS: usize = 12;

/// The partitions of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Captures {
    partitions: BTreeMap<PartitionKey, Captured>,
    deleted: Vec<AbsentPartition>,
    /// How often phase M came to its end.
    sweeps: usize,
    /// Whether phase Z came to its end.
    read_again: bool,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) order: SourceOrder,
    pub(super) kind: PartitionKind,
    start: Option<Cut>,
    sweeps: Vec<Offset>,
    end: Option<Cut>,
    pub(super) vouched: bool,
    pub(super) source: Option<NodeId>,
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    batches: Vec<BatchEnd>,
    tail: Vec<TransactionalRun>,
    states: Vec<CoordinatorRecord>,
    records: Vec<CoordinatorRecord>,
    active_base: Option<Offset>,
    unreadable: Option<String>,
}

impl Captures {
    /// Takes in what the metadata has and the captures have not. What appears after the first phase A was created since: it
    /// starts empty. (A partition is in the metadata before any transaction can name it.)
    pub(super) fn extend(&mut self, layout: &Layout, run: &OpenRun, begun: bool) {
        for (key, topic, _) in layout.partitions() {
            if self.partitions.contains_key(&key) {
                continue;
            }
            let Some(order) = source_order(layout, run, &key) else {
                continue;
            };
            let kind = topic.kind();
            let missed = match kind {
                PartitionKind::TransactionState if begun => self.sweeps + 1,
                _ => self.sweeps,
            };
            let captured = Captured {
                order,
                kind,
                start: begun.then_some(Cut::Empty(Offset(0))),
                sweeps: vec![Offset(0); missed],
                end: None,
                vouched: false,
                source: None,
                leader_epochs: Vec::new(),
                batches: Vec::new(),
                tail: Vec::new(),
                states: Vec::new(),
                records: Vec::new(),
                active_base: None,
                unreadable: None,
            };
            self.partitions.insert(key, captured);
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

    /// Takes out a partition that was deleted.
    pub(super) fn remove(&mut self, key: &PartitionKey) -> Option<Captured> {
        let captured = self.partitions.remove(key)?;
        self.deleted.push(AbsentPartition {
            topic: captured.order.topic.clone(),
            partition: key.partition,
            reason: Absence::Deleted,
        });
        Some(captured)
    }

    /// What a phase is about.
    pub(super) fn targets(
        &self,
        phase: Phase,
        run: &OpenRun,
        source: impl Fn(&PartitionKey) -> Option<NodeId>,
    ) -> Vec<Target> {
        let concerned = self.partitions.iter().filter(|(_, captured)| captured.is_in(phase));
        concerned
            .map(|(key, captured)| {
                let inherited = run
                    .base
                    .get(key)
                    .filter(|base| !base.compacted && !captured.order.compacted);
                let pin_from = inherited.map_or(Offset(0), |base| base.end);
                let is_first_look = matches!(phase, Phase::A | Phase::M);
                Target {
                    key: *key,
                    topic: captured.order.topic.clone(),
                    compacted: captured.order.compacted,
                    since: captured.start.filter(|_| !is_first_look).map(|cut| cut.offset()),
                    source: source(key),
                    pin_from: (!is_first_look && phase != Phase::Z).then_some(pin_from),
                    records: !is_first_look && captured.kind != PartitionKind::Data,
                }
            })
            .collect()
    }

    /// Takes in what a phase found out.
    pub(super) fn record(&mut self, phase: Phase, findings: BTreeMap<PartitionKey, Finding>) {
        for (key, finding) in findings {
            if let Some(captured) = self.partitions.get_mut(&key) {
                captured.record(phase, finding);
            }
        }
        match phase {
            Phase::M => self.sweeps += 1,
            Phase::Z => self.read_again = true,
            Phase::A | Phase::Q | Phase::G | Phase::P | Phase::C => {}
        }
    }

    /// Whether M and q are to be repeated: transactions of older clients are not anchored yet.
    pub(super) fn needs_another_sweep(&self) -> bool {
        (1..MOST_SWEEPS).contains(&self.sweeps) && !maxbrod_cut::unanchored(&self.transaction_logs()).is_empty()
    }

    /// Whether clients of transaction versions 0 or 1 are at work: what comes after phase p tells what their markers meant.
    pub(super) fn has_older_clients(&self) -> bool {
        let logs = self.partitions.values();
        logs.flat_map(|log| log.records.iter().chain(&log.states))
            .any(is_of_older_client)
    }

    fn transaction_logs(&self) -> Capture {
        let of_kind = |captured: &Captured| captured.kind == PartitionKind::TransactionState;
        self.capture_of(of_kind)
    }

    /// The best level that what was captured can support, whatever the solver finds in it.
    pub(super) fn support(&self, standing: &Standing) -> Level {
        let unvouched = |captured: &&Captured| !captured.vouched;
        let of_transactions = |captured: &Captured| captured.kind == PartitionKind::TransactionState;
        if *standing != Standing::Committed || self.partitions.values().filter(unvouched).any(of_transactions) {
            // Neither who had to be asked nor what was decided is certain.
            Level::CrashConsistent
        } else if self.partitions.values().any(|captured| !captured.vouched) {
            // The gaps name the partitions.
            Level::BestEffort
        } else {
            Level::Transactional
        }
    }

    /// As the solver takes it.
    pub(super) fn to_capture(&self) -> Capture {
        self.capture_of(|_| true)
    }

    fn capture_of(&self, chosen: impl Fn(&Captured) -> bool) -> Capture {
        let mut capture = Capture {
            partitions: Vec::new(),
            absent: self.deleted.clone(),
            read_again: self.read_again,
        };
        for (key, captured) in self.partitions.iter().filter(|(_, captured)| chosen(captured)) {
            match captured.to_captured_partition(key) {
                Some(partition) => capture.partitions.push(partition),
                None => capture.absent.push(AbsentPartition {
                    topic: captured.order.topic.clone(),
                    partition: key.partition,
                    reason: Absence::Unvouched,
                }),
            }
        }
        capture
    }
}

impl Captured {
    /// Whether a phase is about it.
    fn is_in(&self, phase: Phase) -> bool {
        match phase {
            Phase::A | Phase::Q | Phase::Z => self.kind == PartitionKind::TransactionState,
            Phase::M => self.kind != PartitionKind::TransactionState,
            Phase::G => matches!(
                self.kind,
                PartitionKind::ConsumerOffsets | PartitionKind::ShareGroupState
            ),
            Phase::P => self.kind == PartitionKind::Data && !self.order.compacted,
            Phase::C => self.kind == PartitionKind::Data && self.order.compacted,
        }
    }

    fn record(&mut self, phase: Phase, finding: Finding) {
        let is_vouched = finding.is_vouched();
        match phase {
            Phase::A | Phase::M => {
                if self.sweeps.is_empty() && self.start.is_none() {
                    self.start = finding.cut;
                }
                let last = self.sweeps.last().copied().unwrap_or(Offset(0));
                self.sweeps.push(finding.cut.map_or(last, |cut| cut.offset()));
            }
            Phase::Q => {
                // What was the end so far is the end of a sweep now.
                self.sweeps.extend(self.end.map(|end| end.offset()));
                self.end = finding.cut;
                self.vouched = is_vouched;
            }
            Phase::G | Phase::P | Phase::C => {
                self.end = finding.cut;
                self.vouched = is_vouched;
            }
            Phase::Z => {
                if let (Some(cut), Some((_, seen))) = (finding.cut, finding.source) {
                    self.look_ahead(cut.offset(), seen.records);
                }
                return;
            }
        }
        let Some((node, seen)) = finding.source else { return };
        self.source = Some(node);
        // A list that was captured later, with the cut itself, is the better one.
        if !seen.leader_epochs.is_empty() {
            self.leader_epochs = seen.leader_epochs;
        }
        if !matches!(phase, Phase::A | Phase::M) {
            self.batches = seen.batches;
            self.tail = seen.transactional;
            self.states = seen.states;
            self.records = seen.records;
            self.active_base = seen.active_base;
            self.unreadable = seen.records_error;
            if let Some(end) = self.end.filter(|_| self.kind == PartitionKind::TransactionState) {
                // What is not replicated yet can still turn out otherwise (K§6.8).
                self.records.retain(|record| record.offset < end.offset());
            }
        }
    }

    /// Adds records that were replicated by phase Z.
    fn look_ahead(&mut self, replicated: Offset, records: Vec<CoordinatorRecord>) {
        let known = self.end.map_or(Offset(0), |end| end.offset());
        let newer = records
            .into_iter()
            .filter(|record| record.offset >= known && record.offset < replicated);
        self.records.extend(newer);
    }

    /// How far the source's log cleaner can have got when its files were pinned.
    fn cleaning(&self) -> Cleaning {
        match (self.order.compacted, self.active_base) {
            (false, _) => Cleaning::Never,
            (true, Some(base)) => Cleaning::Below(base),
            (true, None) => Cleaning::Unknown,
        }
    }

    fn to_captured_partition(&self, key: &PartitionKey) -> Option<CapturedPartition> {
        Some(CapturedPartition {
            key: *key,
            topic: self.order.topic.clone(),
            kind: self.kind,
            start: self.start,
            sweeps: self.sweeps.clone(),
            end: self.end?,
            batches: self.batches.clone(),
            tail: self.tail.clone(),
            states: self.states.clone(),
            records: self.records.clone(),
            open_at_start: None,
            cleaning: self.cleaning(),
            unreadable: self.unreadable.clone(),
        })
    }

    /// The leader epochs that begin below a cut.
    pub(super) fn leader_epochs_below(&self, cut: &Cut) -> Vec<(LeaderEpoch, Offset)> {
        self.leader_epochs
            .iter()
            .copied()
            .filter(|(_, start)| *start < cut.offset())
            .collect()
    }
}

/// Whether a transaction's state was written by a client that keeps its producer epoch from one transaction to the next: one
/// of transaction version 0 or 1 (K§6.7).
fn is_of_older_client(record: &CoordinatorRecord) -> bool {
    let decoded = TransactionRecord::decode(&record.key, record.value.as_deref());
    let state = decoded.ok().and_then(|decoded| decoded.value);
    state.is_some_and(|state| {
        // An id without a transaction says nothing of its client.
        state.client_transaction_version < 2 && state.status() != Some(TransactionStatus::Empty)
    })
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
        let remedy = if finding.absent.iter().any(|(_, why)| why == NO_AGENT) {
            "run an agent on every broker that has an in-sync replica, then snapshot again"
        } else {
            "repair the replicas that are named, or have Kafka copy them anew, then snapshot again"
        };
        return Some(gap(who.join("; "), remedy));
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
