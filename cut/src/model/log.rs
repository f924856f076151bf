//! A replicated log.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::coordinator::Meta;
use crate::capture::PartitionKind;

/// A batch as a leader appended it.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// Unlike any other's.
    pub(super) number: u32,
    pub(super) base: i64,
    pub(super) next: i64,
    pub(super) leader_epoch: i32,
    pub(super) producer: i64,
    pub(super) epoch: i16,
    pub(super) body: Body,
}

/// What a batch holds.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Records that no transaction is about.
    Plain { content: usize },
    /// Records of a transaction.
    Data { content: usize, transaction: usize },
    /// The end of a transaction in this log.
    Marker {
        is_commit: bool,
        coordinator_epoch: i32,
        transaction: usize,
    },
    /// A state of a transactional id.
    State { id: usize, meta: Meta },
    /// A group's offset; within a transaction or not.
    Commit {
        offset: GroupOffset,
        content: usize,
        transaction: Option<usize>,
    },
}

impl Body {
    pub(super) fn transaction(&self) -> Option<usize> {
        match self {
            Self::Data { transaction, .. } => Some(*transaction),
            Self::Commit { transaction, .. } => *transaction,
            _ => None,
        }
    }
}

/// How far a group is in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupOffset {
    pub(super) group: usize,
    /// The log that is read.
    pub(super) log: usize,
    pub(super) offset: i64,
}

/// What a leader knows of a producer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    pub(super) coordinator_epoch: i32,
    /// The first offset of the open transaction, and which.
    pub(super) open: Option<(i64, usize)>,
}

/// A partition and its replicas, all of which are in sync.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) kind: PartitionKind,
    pub(super) topic: usize,
    pub(super) partition: usize,
    pub(super) incarnation: u8,
    pub(super) is_compacted: bool,
    pub(super) is_deleted: bool,
    pub(super) replicas: Vec<Vec<Rc<Batch>>>,
    pub(super) leader: usize,
    pub(super) leader_epoch: i32,
    /// How many batches all replicas have for certain, as the leader knows it.
    pub(super) committed: usize,
    pub(super) producers: BTreeMap<i64, Producer>,
    /// The base of the active segment.
    pub(super) active_base: i64,
    /// The numbers of the batches that the cleaner removed.
    pub(super) removed: BTreeSet<u32>,
}

impl Log {
    pub(super) fn leading(&self) -> &[Rc<Batch>] {
        &self.replicas[self.leader]
    }

    pub(super) fn end(&self) -> i64 {
        self.leading().last().map_or(0, |batch| batch.next)
    }

    pub(super) fn high_watermark(&self) -> i64 {
        end_of(&self.leading()[..self.committed])
    }

    pub(super) fn last_stable_offset(&self) -> i64 {
        let open = self.producers.values().filter_map(|of| of.open.map(|(first, _)| first));
        open.min()
            .map_or(self.high_watermark(), |first| first.min(self.high_watermark()))
    }

    /// How many batches all replicas have in common.
    pub(super) fn common(&self) -> usize {
        let shortest = self.replicas.iter().map(Vec::len).min().unwrap_or(0);
        let is_common = |place: &usize| {
            self.replicas
                .iter()
                .all(|of| Rc::ptr_eq(&of[*place], &self.leading()[*place]))
        };
        (self.committed..shortest)
            .take_while(is_common)
            .last()
            .map_or(self.committed, |place| place + 1)
    }

    /// Appends at the leader.
    pub(super) fn append(&mut self, number: u32, records: i64, producer: (i64, i16), body: Body) {
        let base = self.end();
        let batch = Rc::new(Batch {
            number,
            base,
            next: base + records,
            leader_epoch: self.leader_epoch,
            producer: producer.0,
            epoch: producer.1,
            body,
        });
        note(&mut self.producers, &batch);
        self.replicas[self.leader].push(batch);
    }

    /// Lets a follower fetch.
    pub(super) fn replicate(&mut self, follower: usize, batches: usize) {
        if follower == self.leader {
            return;
        }
        let leading = std::mem::take(&mut self.replicas[self.leader]);
        let of = &mut self.replicas[follower];
        // What it has and the leader has not is truncated (KIP-320).
        let both = of.iter().zip(&leading).skip(self.committed);
        let shared = self.committed + both.take_while(|(one, other)| Rc::ptr_eq(one, other)).count();
        of.truncate(shared);
        of.extend(leading.iter().skip(shared).take(batches).cloned());
        self.replicas[self.leader] = leading;
    }

    pub(super) fn commit(&mut self) {
        self.committed = self.common();
    }

    /// Another replica leads from now on; what only the old one had is no more.
    pub(super) fn elect(&mut self, leader: usize) {
        self.leader = leader;
        self.leader_epoch += 1;
        self.producers.clear();
        for batch in &self.replicas[leader] {
            note(&mut self.producers, batch);
        }
    }

    /// What became of a batch.
    pub(super) fn fate(&self, number: u32) -> Fate {
        match self.leading().iter().rposition(|batch| batch.number == number) {
            Some(place) if place < self.committed => Fate::Committed,
            Some(_) => Fate::Pending,
            None => Fate::Lost,
        }
    }

    /// Removes what a later record of the same key in a closed segment supersedes.
    pub(super) fn clean(&mut self, key: impl Fn(&Body) -> Option<usize>) {
        let limit = self.active_base.min(self.last_stable_offset());
        let mut seen = BTreeSet::new();
        for batch in self.replicas[self.leader][..self.committed].iter().rev() {
            if batch.next <= limit
                && let Some(key) = key(&batch.body)
                && !seen.insert(key)
            {
                self.removed.insert(batch.number);
            }
        }
    }
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Pending,
    Committed,
    Lost,
}

pub(super) fn end_of(batches: &[Rc<Batch>]) -> i64 {
    batches.last().map_or(0, |batch| batch.next)
}

/// Takes a batch into what is known of its producer.
pub(super) fn note(producers: &mut BTreeMap<i64, Producer>, batch: &Batch) {
    if batch.producer < 0 {
        return;
    }
    let producer = producers.entry(batch.producer).or_default();
    producer.epoch = batch.epoch;
    match &batch.body {
        Body::Marker { coordinator_epoch, .. } => {
            producer.coordinator_epoch = *coordinator_epoch;
            producer.open = None;
        }
        body => {
            if let (None, Some(transaction)) = (producer.open, body.transaction()) {
                producer.open = Some((batch.base, transaction));
            }
        }
    }
}
