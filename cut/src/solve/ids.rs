//! The transactional ids and their transactions, as the coordinators stored them.

use std::collections::HashMap;

use maxbrod_kafka::transaction_state::{TransactionLogValue, TransactionRecord, TransactionStatus};
use maxbrod_kafka::{PartitionId, ProducerEpoch, ProducerId};

use super::findings::Findings;
use super::participants::{Participants, Whereabouts};
use crate::capture::{Capture, CapturedPartition, CoordinatorRecord, PartitionKind};

/// The offset of what was there before phase A.
pub(super) const BEFORE: i64 = i64::MIN;
/// The offset of what is in no log that was read.
pub(super) const NEVER: i64 = i64::MAX;

/// How many doubts about one transactional id are kept.
const MOST_DOUBTS: usize = 3;

/// A state of a transactional id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// The record's offset, or [`BEFORE`].
    pub(super) at: i64,
    pub(super) producer_id: ProducerId,
    pub(super) epoch: ProducerEpoch,
    pub(super) status: TransactionStatus,
    previous: ProducerId,
    next: ProducerId,
}

/// The outcome of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision {
    /// Offset of the Prepare record, or [`BEFORE`].
    pub(super) at: i64,
    pub(super) is_commit: bool,
    /// The epoch that its markers carry.
    pub(super) epoch: ProducerEpoch,
}

/// A transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) producer_id: ProducerId,
    /// The epoch that its records carry; `None` where only a fencing abort of it is known.
    pub(super) epoch: Option<ProducerEpoch>,
    /// The captured partitions that it registered, ascending, and where in the coordinator's log it first did.
    listed: Vec<(usize, i64)>,
    pub(super) decision: Option<Decision>,
    /// Offset of the Complete record.
    pub(super) complete: Option<i64>,
    /// A partition that it writes to and that was not captured.
    pub(super) missing: Option<String>,
}

impl Transaction {
    /// Where in the coordinator's log a partition was registered.
    pub(super) fn listed_at(&self, partition: usize) -> Option<i64> {
        let index = self.listed.binary_search_by_key(&partition, |(of, _)| *of).ok()?;
        self.listed.get(index).map(|(_, at)| *at)
    }

    fn list(&mut self, value: &TransactionLogValue, at: i64, participants: &Participants<'_>) {
        for topic in value.transaction_partitions.iter().flatten() {
            for partition in &topic.partition_ids {
                match participants.find(&topic.topic, *partition) {
                    Whereabouts::Captured(index) => {
                        if let Err(place) = self.listed.binary_search_by_key(&index, |(of, _)| *of) {
                            self.listed.insert(place, (index, at));
                        }
                    }
                    Whereabouts::Unvouched => self.missing = Some(name(&topic.topic, *partition)),
                    Whereabouts::Outside => {}
                }
            }
        }
    }
}

/// A sweep, and which transactions of an older client can have markers before and after it (K§6.7).
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    /// The sweep.
    pub(super) sweep: usize,
    /// The first transaction that can have a marker after it.
    pub(super) first: usize,
    /// The first transaction that cannot have one before it.
    pub(super) after: usize,
    /// Whether nothing was decided or completed during the sweep.
    pub(super) is_firm: bool,
}

/// A transactional id.
#[derive(Debug)]
pub(super) struct TransactionalId {
    pub(super) name: String,
    /// The partition of `__transaction_state` that holds it.
    pub(super) home: usize,
    /// Its states, in the order of the log.
    pub(super) steps: Vec<Step>,
    pub(super) transactions: Vec<Transaction>,
    /// Whether a client of transaction version 0 or 1 uses it, where many transactions share an epoch.
    pub(super) is_older: bool,
    pub(super) anchor: Option<Anchor>,
    /// Whether groups' offsets are committed with its transactions.
    commits_offsets: bool,
    /// Why no rule can be applied to it.
    pub(super) doubts: Vec<String>,
    /// Its transactions by the epoch of their records, and by that of their markers.
    by_epoch: HashMap<(ProducerId, ProducerEpoch), usize>,
    by_marker: HashMap<(ProducerId, ProducerEpoch), usize>,
}

impl TransactionalId {
    fn new(name: String, home: usize) -> Self {
        Self {
            name,
            home,
            steps: Vec::new(),
            transactions: Vec::new(),
            is_older: false,
            anchor: None,
            commits_offsets: false,
            doubts: Vec::new(),
            by_epoch: HashMap::new(),
            by_marker: HashMap::new(),
        }
    }

    /// Says that it cannot be vouched for.
    pub(super) fn doubt(&mut self, why: String) {
        if self.doubts.len() < MOST_DOUBTS && !self.doubts.contains(&why) {
            self.doubts.push(why);
        }
    }

    /// The transaction whose records carry an epoch.
    pub(super) fn transaction_of_records(&self, producer: ProducerId, epoch: ProducerEpoch) -> Option<usize> {
        self.by_epoch.get(&(producer, epoch)).copied()
    }

    /// The transaction whose markers carry an epoch.
    pub(super) fn transaction_of_markers(&self, producer: ProducerId, epoch: ProducerEpoch) -> Option<usize> {
        self.by_marker.get(&(producer, epoch)).copied()
    }

    /// Where the coordinator's log first shows that the producer id has an epoch that `is_past`, or was given up.
    pub(super) fn passed(&self, producer: &Producer, is_past: impl Fn(ProducerEpoch) -> bool) -> i64 {
        let steps = self.steps.get(producer.steps.0..producer.steps.1).unwrap_or_default();
        let passed = steps.partition_point(|step| !is_past(step.epoch));
        let step = self.steps.get(producer.steps.0 + passed);
        step.map_or(NEVER, |step| step.at)
    }

    fn index_transactions(&mut self) {
        for (index, transaction) in self.transactions.iter().enumerate() {
            if let Some(epoch) = transaction.epoch {
                self.by_epoch.insert((transaction.producer_id, epoch), index);
            }
            if let Some(decision) = transaction.decision {
                self.by_marker.insert((transaction.producer_id, decision.epoch), index);
            }
        }
    }

    fn open(&mut self) -> Option<&mut Transaction> {
        self.transactions.last_mut().filter(|last| last.decision.is_none())
    }

    /// Takes in the next state.
    fn step(&mut self, value: &TransactionLogValue, at: i64, participants: &Participants<'_>) {
        let Some(status) = value.status() else {
            let code = value.transaction_status;
            return self.doubt(format!("its state at offset {at} has the unknown status {code}"));
        };
        let last = self.steps.last().copied();
        if let Some(last) = last
            && last.producer_id == value.producer_id
            && last.epoch > value.producer_epoch
        {
            let (from, to) = (last.epoch, value.producer_epoch);
            self.doubt(format!("its epoch goes back from {from} to {to} at offset {at}"));
        }
        if !follows(last.map(|last| last.status), status) {
            self.doubt(format!(
                "its state at offset {at}, {status:?}, cannot follow the one before"
            ));
        }
        let bumps_epoch = value.client_transaction_version >= 2;
        // A new id is Empty with version 0 whatever its client; the first transaction tells.
        if !bumps_epoch && status != TransactionStatus::Empty {
            self.is_older = true;
        }
        let mut topics = value.transaction_partitions.iter().flatten();
        self.commits_offsets |= topics.any(|of| PartitionKind::of_topic(&of.topic) == PartitionKind::ConsumerOffsets);
        self.steps.push(Step {
            at,
            producer_id: value.producer_id,
            epoch: value.producer_epoch,
            status,
            previous: value.previous_producer_id,
            next: value.next_producer_id,
        });
        match status {
            TransactionStatus::PrepareCommit | TransactionStatus::PrepareAbort
                if last.is_some_and(|of| of.status == status) => {}
            TransactionStatus::Ongoing | TransactionStatus::PrepareCommit | TransactionStatus::PrepareAbort => {
                if self.open().is_none() {
                    // Where its beginning is not known: a commit of version 2 is one epoch above its records.
                    let above = status != TransactionStatus::Ongoing && bumps_epoch;
                    let is_fence = above && status == TransactionStatus::PrepareAbort;
                    let epoch = ProducerEpoch(value.producer_epoch.0.saturating_sub(i16::from(above)));
                    self.transactions.push(Transaction {
                        producer_id: value.producer_id,
                        epoch: (!is_fence).then_some(epoch),
                        listed: Vec::new(),
                        decision: None,
                        complete: None,
                        missing: None,
                    });
                }
                let Some(transaction) = self.open() else { return };
                transaction.list(value, at, participants);
                if status != TransactionStatus::Ongoing {
                    transaction.decision = Some(Decision {
                        at,
                        is_commit: status == TransactionStatus::PrepareCommit,
                        epoch: value.producer_epoch,
                    });
                }
            }
            TransactionStatus::CompleteCommit | TransactionStatus::CompleteAbort => {
                if let Some(last) = self.transactions.last_mut().filter(|last| last.complete.is_none()) {
                    last.complete = Some(at);
                }
            }
            TransactionStatus::Empty | TransactionStatus::Dead | TransactionStatus::PrepareEpochFence => {}
        }
    }

    /// Finds the last sweep during which nothing was decided or completed; if there is none, the last (K§6.7).
    fn find_anchor(&mut self, log: &CapturedPartition) {
        let ends = log.sweeps.iter().skip(1).copied().chain([log.end.offset()]);
        let sweeps: Vec<(i64, i64)> = log.sweeps.iter().zip(ends).map(|(from, to)| (from.0, to.0)).collect();
        let is_firm = |(_, (from, to)): &(usize, &(i64, i64))| {
            let before = self.steps.partition_point(|step| step.at < *from);
            let mut during = self.steps.iter().skip(before).take_while(|step| step.at < *to);
            !during.any(|step| step.status.is_decided())
        };
        let firm = sweeps.iter().enumerate().rev().find(is_firm);
        let last = sweeps.iter().enumerate().next_back();
        self.anchor = firm.or(last).map(|(sweep, (from, to))| {
            let is_over = |of: &Transaction| of.complete.is_some_and(|at| at < *from);
            let is_decided = |of: &Transaction| of.decision.is_some_and(|decision| decision.at < *to);
            Anchor {
                sweep,
                first: self.transactions.partition_point(is_over),
                after: self.transactions.partition_point(is_decided),
                is_firm: firm.is_some(),
            }
        });
    }

    /// Whether M and q are to be repeated for its sake: to tell an older client's transactions apart, or to know which
    /// transactions were decided before the last q, and so cannot have read what was decided after it.
    pub(super) fn needs_another_sweep(&self, log: &CapturedPartition) -> bool {
        let is_chained = self.commits_offsets && log.sweeps.len() < 2;
        let is_active = self
            .steps
            .iter()
            .any(|step| step.at > BEFORE && step.status.is_decided());
        (is_chained && is_active) || (self.is_older && self.anchor.is_some_and(|anchor| !anchor.is_firm))
    }
}

/// Whether a state can come after another (`TransactionState.validPreviousStates`).
fn follows(last: Option<TransactionStatus>, next: TransactionStatus) -> bool {
    use TransactionStatus::{CompleteAbort, CompleteCommit, Empty, Ongoing, PrepareAbort, PrepareCommit};
    let Some(last) = last else { return true };
    match next {
        Empty => matches!(last, Empty | CompleteCommit | CompleteAbort),
        Ongoing => matches!(last, Ongoing | Empty | CompleteCommit | CompleteAbort),
        // An append that timed out is repeated, and both are in the log.
        PrepareCommit => matches!(last, Ongoing | PrepareCommit),
        // Version 2 can abort what has no partition yet.
        PrepareAbort => last != PrepareCommit,
        CompleteCommit => matches!(last, PrepareCommit | CompleteCommit),
        CompleteAbort => matches!(last, PrepareAbort | CompleteAbort),
        TransactionStatus::Dead | TransactionStatus::PrepareEpochFence => false,
    }
}

/// Whose producer id it is.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    /// The index of the transactional id.
    pub(super) id: usize,
    /// Which of its steps have this producer id.
    steps: (usize, usize),
}

/// All transactional ids.
#[derive(Debug, Default)]
pub(super) struct TransactionalIds {
    pub(super) ids: Vec<TransactionalId>,
    producers: HashMap<ProducerId, Producer>,
    /// Whether a state could not be read, so that an unknown producer may be one that it named.
    pub(super) has_unreadable_states: bool,
}

impl TransactionalIds {
    /// Reads the captured partitions of `__transaction_state`.
    pub(super) fn read(capture: &Capture, participants: &Participants<'_>, findings: &mut Findings) -> Self {
        let mut all = Self::default();
        let mut by_name: HashMap<String, usize> = HashMap::new();
        for (home, log) in capture.partitions.iter().enumerate() {
            if log.kind != PartitionKind::TransactionState {
                continue;
            }
            for (at, record) in in_order(log, findings) {
                all.take(home, at, record, &mut by_name, participants, findings, log);
            }
        }
        for id in &mut all.ids {
            if let Some(log) = capture.partitions.get(id.home) {
                id.find_anchor(log);
            }
            id.index_transactions();
        }
        all.index_producers();
        all
    }

    #[allow(clippy::too_many_arguments, reason = "one loop's body, taken out for its length")]
    fn take(
        &mut self,
        home: usize,
        at: i64,
        record: &CoordinatorRecord,
        by_name: &mut HashMap<String, usize>,
        participants: &Participants<'_>,
        findings: &mut Findings,
        log: &CapturedPartition,
    ) {
        // The id is wanted even where the value is garbage.
        let name = match TransactionRecord::decode(&record.key, None) {
            Ok(decoded) => decoded.transactional_id,
            Err(error) => {
                self.has_unreadable_states = true;
                return findings.unreadable_record(log, record.offset, &error);
            }
        };
        let index = *by_name.entry(name).or_insert_with_key(|name| {
            self.ids.push(TransactionalId::new(name.clone(), home));
            self.ids.len() - 1
        });
        let Some(id) = self.ids.get_mut(index) else { return };
        if id.home != home {
            return id.doubt("two partitions of __transaction_state hold it".to_owned());
        }
        match TransactionRecord::decode(&record.key, record.value.as_deref()).map(|decoded| decoded.value) {
            Ok(Some(value)) => id.step(&value, at, participants),
            // It expired. Whatever the producers of old still have in the logs was explained by the states before.
            Ok(None) => {}
            Err(error) => {
                self.has_unreadable_states = true;
                let offset = record.offset;
                id.doubt(format!("its state at offset {offset} is not readable: {error}"));
            }
        }
    }

    /// Whose a producer id is.
    pub(super) fn producer(&self, producer: ProducerId) -> Option<&Producer> {
        self.producers.get(&producer)
    }

    fn index_producers(&mut self) {
        for (index, id) in self.ids.iter_mut().enumerate() {
            let mut torn = false;
            for (place, step) in id.steps.iter().enumerate() {
                let known = self.producers.entry(step.producer_id).or_insert(Producer {
                    id: index,
                    steps: (place, place),
                });
                torn |= known.id != index || known.steps.1 != place;
                known.steps.1 = place + 1;
            }
            if torn {
                id.doubt("its producer id is also another's, or came back".to_owned());
            }
        }
        // Producer ids that only a neighbour of theirs refers to: given up before what is known, or not taken yet.
        for (index, id) in self.ids.iter().enumerate() {
            for (place, step) in id.steps.iter().enumerate() {
                for (producer, place) in [(step.previous, place), (step.next, place + 1)] {
                    let steps = (place, place);
                    if producer.0 >= 0 {
                        self.producers.entry(producer).or_insert(Producer { id: index, steps });
                    }
                }
            }
        }
    }
}

/// The states below the start and the records above it.
fn in_order<'a>(
    log: &'a CapturedPartition,
    findings: &mut Findings,
) -> impl Iterator<Item = (i64, &'a CoordinatorRecord)> + use<'a> {
    let mut records: Vec<&CoordinatorRecord> = log.records.iter().collect();
    if !records.is_sorted_by_key(|record| record.offset) {
        findings.out_of_order(log);
        records.sort_by_key(|record| record.offset);
    }
    let states = log.states.iter().map(|record| (BEFORE, record));
    states.chain(records.into_iter().map(|record| (record.offset.0, record)))
}

/// A partition's name as Kafka's tools print it.
pub(super) fn name(topic: &str, partition: PartitionId) -> String {
    format!("{topic}-{partition}")
}
