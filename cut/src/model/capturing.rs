//! Takes a snapshot of the cluster while it goes on: phase by phase, partition by partition.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use maxbrod_kafka::consumer_offsets::{GroupRecord, OffsetCommitKey, OffsetCommitValue};
use maxbrod_kafka::transaction_state::{TransactionLogValue, TransactionPartitions, TransactionRecord};
use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, TopicId, Uuid};

use super::coordinator::{Meta, Status};
use super::log::{Batch, Body, Log, end_of, note};
use super::world::World;
use crate::capture::{
    Absence, AbsentPartition, Capture, CapturedPartition, Cleaning, CoordinatorRecord, Cut, OpenTransaction,
    PartitionKey, PartitionKind, TransactionalRun, TransactionalRunKind,
};
use crate::prefix::BatchEnd;
use crate::solve::unanchored;

/// How often M and q are repeated at most.
const MOST_SWEEPS: usize = 12;

/// In which order the phases go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// As K§6.4 has it.
    CoordinatorsFirst,
    /// The wrong way round, to show that it is wrong.
    CoordinatorsLast,
}

/// What was captured, and what the pinned files hold.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) capture: Capture,
    pub(super) pinned: BTreeMap<PartitionKey, Pinned>,
    /// The step at which it began.
    pub(super) began: usize,
}

/// The files of one partition as they were when they were pinned.
#[derive(Debug)]
pub(super) struct Pinned {
    pub(super) log: usize,
    /// Everything that was replicated.
    pub(super) batches: Vec<Rc<Batch>>,
    /// What the cleaner had removed of it.
    pub(super) removed: BTreeSet<u32>,
}

/// One partition so far.
#[derive(Debug)]
struct Partial {
    start: Cut,
    sweeps: Vec<Offset>,
    seen: Option<(CapturedPartition, Pinned)>,
}

struct Capturing<'a> {
    world: &'a mut World,
    partials: BTreeMap<usize, Partial>,
    sweeps: usize,
    has_begun: bool,
}

pub(super) fn capture(world: &mut World, order: Order) -> Snapshot {
    world.acknowledge();
    let began = world.now;
    let mut capturing = Capturing {
        world,
        partials: BTreeMap::new(),
        sweeps: 0,
        has_begun: false,
    };
    capturing.begin();
    loop {
        capturing.sweep();
        if order == Order::CoordinatorsLast {
            break;
        }
        capturing.phase(PartitionKind::TransactionState);
        if capturing.sweeps >= MOST_SWEEPS || unanchored(&capturing.collect().0).is_empty() {
            break;
        }
    }
    capturing.phase(PartitionKind::ConsumerOffsets);
    capturing.phase(PartitionKind::Data);
    if order == Order::CoordinatorsLast {
        capturing.phase(PartitionKind::TransactionState);
    }
    let reads_again = capturing.world.shape.older > 0 || capturing.world.dice.once_in(2);
    if reads_again {
        capturing.read_again();
    }
    let (mut capture, pinned) = capturing.collect();
    capture.read_again = reads_again;
    Snapshot { capture, pinned, began }
}

impl Capturing<'_> {
    /// What is there of a kind, in a random order, with whatever happens between one and the next.
    fn each(&mut self, is_meant: impl Fn(&Log) -> bool, mut take: impl FnMut(&mut Self, usize)) {
        let mut logs: Vec<usize> = (0..self.world.logs.len())
            .filter(|log| is_meant(&self.world.logs[*log]))
            .collect();
        self.world.dice.shuffle(&mut logs);
        for log in logs {
            let skew = self.world.dice.below(self.world.shape.skew + 1);
            self.world.steps(skew);
            if self.world.logs[log].is_deleted {
                self.partials.remove(&log);
                continue;
            }
            if !self.partials.contains_key(&log) && self.has_begun {
                // It was created since.
                let partial = Partial {
                    start: Cut::Empty(Offset(0)),
                    sweeps: vec![Offset(0); self.sweeps],
                    seen: None,
                };
                self.partials.insert(log, partial);
            }
            take(self, log);
        }
    }

    fn begin(&mut self) {
        // What is created from here on is empty at the start.
        let there: Vec<usize> = (0..self.world.logs.len())
            .filter(|log| !self.world.logs[*log].is_deleted)
            .collect();
        self.each(
            |log| log.kind == PartitionKind::TransactionState,
            |this, log| {
                let start = replicated(&this.world.logs[log]);
                let partial = Partial {
                    start,
                    sweeps: vec![start.offset()],
                    seen: None,
                };
                this.partials.insert(log, partial);
            },
        );
        for log in there {
            let start = Cut::Empty(Offset(-1));
            self.partials.entry(log).or_insert(Partial {
                start,
                sweeps: Vec::new(),
                seen: None,
            });
        }
        self.has_begun = true;
    }

    /// Phase M.
    fn sweep(&mut self) {
        self.each(
            |log| log.kind != PartitionKind::TransactionState,
            |this, log| {
                let end = replicated(&this.world.logs[log]);
                let partial = this.partials.get_mut(&log).expect("it is there");
                if partial.start == Cut::Empty(Offset(-1)) {
                    partial.start = end;
                }
                partial.sweeps.push(end.offset());
            },
        );
        self.sweeps += 1;
    }

    fn phase(&mut self, kind: PartitionKind) {
        self.each(
            |log| log.kind == kind,
            |this, log| {
                let replica = this.world.dice.below(this.world.logs[log].replicas.len());
                let has_ids = this.world.dice.once_in(2);
                let partial = this.partials.get_mut(&log).expect("it is there");
                if let Some((seen, _)) = &partial.seen {
                    partial.sweeps.push(seen.end.offset());
                }
                let pin = Pin {
                    world: this.world,
                    log,
                    replica,
                    has_ids,
                };
                partial.seen = Some((pin.captured(partial), pin.pinned()));
            },
        );
    }

    /// Phase Z.
    fn read_again(&mut self) {
        self.each(
            |log| log.kind == PartitionKind::TransactionState,
            |this, log| {
                let end = replicated(&this.world.logs[log]).offset();
                let later: Vec<CoordinatorRecord> = this.world.logs[log]
                    .leading()
                    .iter()
                    .filter(|batch| batch.next <= end.0)
                    .filter_map(|batch| record(this.world, batch, false))
                    .collect();
                if let Some((seen, _)) = this.partials.get_mut(&log).and_then(|partial| partial.seen.as_mut()) {
                    let from = seen.end.offset();
                    seen.records
                        .extend(later.into_iter().filter(|record| record.offset >= from));
                }
            },
        );
    }

    fn collect(&mut self) -> (Capture, BTreeMap<PartitionKey, Pinned>) {
        let mut capture = Capture::default();
        let mut pinned = BTreeMap::new();
        for (log, partial) in &self.partials {
            if let Some((seen, pin)) = &partial.seen {
                if self.world.logs[*log].is_deleted {
                    continue;
                }
                let mut seen = seen.clone();
                seen.sweeps.clone_from(&partial.sweeps);
                pinned.insert(
                    seen.key,
                    Pinned {
                        log: pin.log,
                        batches: pin.batches.clone(),
                        removed: pin.removed.clone(),
                    },
                );
                capture.partitions.push(seen);
            }
        }
        for log in self.world.logs.iter().filter(|log| log.is_deleted) {
            capture.absent.push(AbsentPartition {
                topic: topic_name(log.topic),
                partition: PartitionId(log.partition as i32),
                reason: Absence::Deleted,
            });
        }
        (capture, pinned)
    }
}

/// The replicated prefix.
fn replicated(log: &Log) -> Cut {
    match log.leading()[..log.common()].last() {
        Some(batch) => Cut::After(batch_end(batch)),
        None => Cut::Empty(Offset(0)),
    }
}

fn batch_end(batch: &Batch) -> BatchEnd {
    BatchEnd {
        end_offset: Offset(batch.next),
        leader_epoch: LeaderEpoch(batch.leader_epoch),
        crc: batch.number,
    }
}

/// A replica while it is pinned and read.
struct Pin<'a> {
    world: &'a World,
    log: usize,
    replica: usize,
    /// Whether brokers store topic ids with offsets (Kafka 4.1).
    has_ids: bool,
}

impl Pin<'_> {
    fn pinned(&self) -> Pinned {
        let log = &self.world.logs[self.log];
        Pinned {
            log: self.log,
            batches: log.leading()[..log.common()].to_vec(),
            removed: log.removed.clone(),
        }
    }

    fn captured(&self, partial: &Partial) -> CapturedPartition {
        let log = &self.world.logs[self.log];
        let start = partial.start.offset().0;
        let is_left = |batch: &&Rc<Batch>| !log.removed.contains(&batch.number);
        let left: Vec<&Rc<Batch>> = log.replicas[self.replica].iter().filter(is_left).collect();
        let replicated = &log.leading()[..log.common()];
        let (below, above) = match log.kind {
            PartitionKind::Data => (Vec::new(), Vec::new()),
            _ => replicated.iter().filter(is_left).partition(|batch| batch.next <= start),
        };
        let mut states = BTreeMap::new();
        for batch in below {
            if let Body::State { id, .. } = batch.body {
                states.insert(id, batch);
            }
        }
        CapturedPartition {
            key: key_of(log),
            topic: topic_name(log.topic),
            kind: log.kind,
            start: Some(partial.start),
            sweeps: partial.sweeps.clone(),
            end: super::capturing::replicated(log),
            batches: left
                .iter()
                .filter(|batch| batch.next >= start)
                .map(|batch| batch_end(batch))
                .collect(),
            tail: tail(left.iter().filter(|batch| batch.base >= start).copied()),
            states: states
                .values()
                .filter_map(|batch| record(self.world, batch, false))
                .collect(),
            records: above
                .into_iter()
                .filter_map(|batch| record(self.world, batch, self.has_ids))
                .collect(),
            open_at_start: self.world.shape.knows_open.then(|| open_at(replicated, start)),
            cleaning: match log.is_compacted {
                true => Cleaning::Below(Offset(log.active_base)),
                false => Cleaning::Never,
            },
            unreadable: None,
        }
    }
}

fn open_at(batches: &[Rc<Batch>], offset: i64) -> Vec<OpenTransaction> {
    let mut producers = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.next <= offset) {
        note(&mut producers, batch);
    }
    let open = producers
        .iter()
        .filter_map(|(producer, of)| Some((producer, of.epoch, of.open?.0)));
    open.map(|(producer, epoch, first)| OpenTransaction {
        producer_id: ProducerId(*producer),
        producer_epoch: ProducerEpoch(epoch),
        first_offset: Offset(first),
    })
    .collect()
}

/// Transactional and control batches, neighbours of one transaction as one.
fn tail<'a>(batches: impl Iterator<Item = &'a Rc<Batch>>) -> Vec<TransactionalRun> {
    let mut tail: Vec<TransactionalRun> = Vec::new();
    for batch in batches {
        let kind = match &batch.body {
            Body::Marker {
                is_commit: true,
                coordinator_epoch,
                ..
            } => TransactionalRunKind::Commit {
                coordinator_epoch: LeaderEpoch(*coordinator_epoch),
            },
            Body::Marker { coordinator_epoch, .. } => TransactionalRunKind::Abort {
                coordinator_epoch: LeaderEpoch(*coordinator_epoch),
            },
            body if body.transaction().is_some() => TransactionalRunKind::Data,
            _ => continue,
        };
        let run = TransactionalRun {
            base_offset: Offset(batch.base),
            next_offset: Offset(batch.next),
            producer_id: ProducerId(batch.producer),
            producer_epoch: ProducerEpoch(batch.epoch),
            kind,
        };
        match tail.last_mut() {
            Some(last)
                if kind == TransactionalRunKind::Data
                    && last.kind == kind
                    && last.next_offset == run.base_offset
                    && (last.producer_id, last.producer_epoch) == (run.producer_id, run.producer_epoch) =>
            {
                last.next_offset = run.next_offset;
            }
            _ => tail.push(run),
        }
    }
    tail
}

fn record(world: &World, batch: &Batch, has_ids: bool) -> Option<CoordinatorRecord> {
    let (key, value) = match &batch.body {
        Body::State { id, meta } => {
            let record = TransactionRecord {
                transactional_id: id_name(*id),
                value: Some(stored(meta)),
            };
            (record.encode_key(), record.encode_value())
        }
        Body::Commit { offset, .. } => {
            let log = &world.logs[offset.log];
            let record = GroupRecord::OffsetCommit {
                key: OffsetCommitKey {
                    version: 1,
                    group: group_name(offset.group),
                    topic: topic_name(log.topic),
                    partition: PartitionId(log.partition as i32),
                },
                value: Some(OffsetCommitValue {
                    offset: Offset(offset.offset),
                    topic_id: if has_ids {
                        key_of(log).topic_id
                    } else {
                        TopicId::default()
                    },
                    ..OffsetCommitValue::default()
                }),
            };
            (record.encode_key(), record.encode_value())
        }
        _ => return None,
    };
    Some(CoordinatorRecord {
        offset: Offset(batch.base),
        key: key.expect("keys fit"),
        value: value.expect("values fit"),
    })
}

fn stored(meta: &Meta) -> TransactionLogValue {
    let mut topics: BTreeMap<usize, Vec<PartitionId>> = BTreeMap::new();
    for (topic, partition) in &meta.parts {
        topics.entry(*topic).or_default().push(PartitionId(*partition as i32));
    }
    let partitions = topics.into_iter().map(|(topic, partition_ids)| TransactionPartitions {
        topic: topic_name(topic),
        partition_ids,
        ..TransactionPartitions::default()
    });
    TransactionLogValue {
        producer_id: ProducerId(meta.producer),
        previous_producer_id: ProducerId(meta.previous),
        next_producer_id: ProducerId(meta.next),
        producer_epoch: ProducerEpoch(meta.epoch),
        transaction_status: match meta.status {
            Status::Empty => 0,
            Status::Ongoing => 1,
            Status::Prepare { is_commit: true } => 2,
            Status::Prepare { is_commit: false } => 3,
            Status::Complete { is_commit: true } => 4,
            Status::Complete { is_commit: false } => 5,
        },
        transaction_partitions: (meta.status != Status::Empty).then(|| partitions.collect()),
        client_transaction_version: meta.version,
        ..TransactionLogValue::default()
    }
}

pub(super) fn key_of(log: &Log) -> PartitionKey {
    let mut id = [0; 16];
    (id[0], id[1]) = (log.topic as u8 + 1, log.incarnation);
    PartitionKey {
        topic_id: TopicId(Uuid(id)),
        partition: PartitionId(log.partition as i32),
    }
}

pub(super) fn topic_name(topic: usize) -> String {
    match topic {
        0 => "__transaction_state".to_owned(),
        1 => "__consumer_offsets".to_owned(),
        data => format!("topic{data}"),
    }
}

pub(super) fn id_name(id: usize) -> String {
    format!("id{id}")
}

pub(super) fn group_name(group: usize) -> String {
    format!("group{group}")
}

/// Where the pinned files end.
pub(super) fn pinned_end(pinned: &Pinned) -> i64 {
    end_of(&pinned.batches)
}
