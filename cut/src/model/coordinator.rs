//! The coordinator of one partition of `__transaction_state`.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Body, Log};

/// From which epoch on a producer id is used up. Kafka's is 32766: nothing here lives so long.
const EXHAUSTED: i16 = 6;

/// What a transactional id is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Empty,
    Ongoing,
    Prepare { is_commit: bool },
    Complete { is_commit: bool },
}

/// The state of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) producer: i64,
    pub(super) epoch: i16,
    pub(super) previous: i64,
    pub(super) next: i64,
    pub(super) status: Status,
    /// Topics and partitions.
    pub(super) parts: BTreeSet<(usize, usize)>,
    pub(super) version: i16,
    /// Which transaction it really is.
    pub(super) transaction: Option<usize>,
}

/// A coordinator's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Done, with the producer id and epoch to go on with.
    Done(i64, i16),
    /// Once this batch is committed.
    Wait(u32),
    /// Try again later.
    Busy,
    /// Somebody else has the id now.
    Fenced,
}

/// A coordinator.
#[derive(Clone, Debug, Default)]
pub(super) struct Coordinator {
    /// The leader epoch of its log.
    pub(super) epoch: i32,
    pub(super) states: BTreeMap<usize, Meta>,
    /// What was appended and is not committed yet.
    pub(super) pending: BTreeMap<usize, (u32, Meta)>,
    /// Which partitions still lack the marker.
    pub(super) unmarked: BTreeMap<usize, BTreeSet<(usize, usize)>>,
}

/// What the whole cluster agrees on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    /// Whether the feature `transaction.version` is 2.
    pub(super) has_version_2: bool,
    /// Whether fencing bumps the epoch twice (before KAFKA-19367).
    pub(super) fences_twice: bool,
}

/// The numbers that brokers hand out.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    pub(super) producers: i64,
    pub(super) batches: u32,
}

impl Numbers {
    pub(super) fn producer(&mut self) -> i64 {
        self.producers += 1;
        self.producers
    }

    pub(super) fn batch(&mut self) -> u32 {
        self.batches += 1;
        self.batches
    }
}

impl Coordinator {
    /// Starts from what the log says. Gives the transactions that turn out to be decided.
    pub(super) fn load(log: &Log) -> (Self, Vec<(usize, bool)>) {
        let mut this = Self {
            epoch: log.leader_epoch,
            ..Self::default()
        };
        let mut decided = Vec::new();
        for batch in log.leading() {
            if let Body::State { id, meta } = &batch.body {
                if let (Status::Prepare { is_commit }, Some(transaction)) = (meta.status, meta.transaction) {
                    decided.push((transaction, is_commit));
                }
                this.states.insert(*id, meta.clone());
            }
        }
        for (id, meta) in &this.states {
            if matches!(meta.status, Status::Prepare { .. }) {
                this.unmarked.insert(*id, meta.parts.clone());
            }
        }
        (this, decided)
    }

    fn append(&mut self, log: &mut Log, numbers: &mut Numbers, id: usize, meta: Meta) -> Answer {
        let number = numbers.batch();
        let body = Body::State { id, meta: meta.clone() };
        log.append(number, 1, (-1, -1), body);
        self.pending.insert(id, (number, meta));
        Answer::Wait(number)
    }

    /// `InitProducerId`.
    pub(super) fn init(&mut self, log: &mut Log, numbers: &mut Numbers, id: usize, server: Server) -> Answer {
        if self.pending.contains_key(&id) {
            return Answer::Busy;
        }
        let Some(meta) = self.states.get(&id).cloned() else {
            let meta = Meta {
                producer: numbers.producer(),
                epoch: 0,
                previous: -1,
                next: -1,
                status: Status::Empty,
                parts: BTreeSet::new(),
                version: 0,
                transaction: None,
            };
            return self.append(log, numbers, id, meta);
        };
        match meta.status {
            Status::Prepare { .. } => Answer::Busy,
            Status::Ongoing => {
                self.fence(log, numbers, id, server);
                Answer::Busy
            }
            Status::Empty | Status::Complete { .. } => {
                let (producer, epoch) = match meta.epoch >= EXHAUSTED {
                    true => (numbers.producer(), 0),
                    false => (meta.producer, meta.epoch + 1),
                };
                let next = Meta {
                    producer,
                    epoch,
                    previous: meta.producer,
                    next: -1,
                    status: Status::Empty,
                    parts: BTreeSet::new(),
                    version: meta.version,
                    transaction: None,
                };
                self.append(log, numbers, id, next)
            }
        }
    }

    /// Aborts what a former holder left behind, or what takes too long.
    pub(super) fn fence(&mut self, log: &mut Log, numbers: &mut Numbers, id: usize, server: Server) {
        let Some(meta) = self
            .states
            .get(&id)
            .filter(|meta| meta.status == Status::Ongoing)
            .cloned()
        else {
            return;
        };
        if self.pending.contains_key(&id) {
            return;
        }
        let bumps = 1 + i16::from(server.has_version_2 && server.fences_twice);
        let fenced = Meta {
            epoch: meta.epoch + bumps,
            previous: meta.producer,
            status: Status::Prepare { is_commit: false },
            version: if server.has_version_2 { 2 } else { 0 },
            ..meta
        };
        self.append(log, numbers, id, fenced);
    }

    /// `AddPartitionsToTxn`, by the client (version 0/1) or by the partition's leader (version 2).
    pub(super) fn add(
        &mut self,
        log: &mut Log,
        numbers: &mut Numbers,
        id: usize,
        client: (i64, i16, i16),
        part: (usize, usize),
        transaction: usize,
    ) -> Answer {
        let Some(meta) = self.states.get(&id).cloned() else {
            return Answer::Fenced;
        };
        let (producer, epoch, version) = client;
        if (meta.producer, meta.epoch) != (producer, epoch) {
            // Version 2 is told the next epoch before the one before is complete.
            let is_early = meta.next == producer && epoch == 0;
            return if is_early { Answer::Busy } else { Answer::Fenced };
        }
        if self.pending.contains_key(&id) || matches!(meta.status, Status::Prepare { .. }) {
            return Answer::Busy;
        }
        if meta.status == Status::Ongoing && meta.parts.contains(&part) {
            return Answer::Done(producer, epoch);
        }
        let mut parts = meta.parts.clone();
        parts.insert(part);
        let next = Meta {
            previous: meta.producer,
            next: -1,
            status: Status::Ongoing,
            parts,
            version,
            transaction: Some(transaction),
            ..meta
        };
        self.append(log, numbers, id, next)
    }

    /// `EndTxn`.
    pub(super) fn end(
        &mut self,
        log: &mut Log,
        numbers: &mut Numbers,
        id: usize,
        client: (i64, i16, i16),
        is_commit: bool,
        transaction: usize,
    ) -> Answer {
        let Some(meta) = self.states.get(&id).cloned() else {
            return Answer::Fenced;
        };
        if self.pending.contains_key(&id) {
            return Answer::Busy;
        }
        let (producer, epoch, version) = client;
        match meta.status {
            Status::Ongoing if (meta.producer, meta.epoch) == (producer, epoch) => {
                let bumps = version >= 2;
                let next = if bumps && epoch >= EXHAUSTED {
                    numbers.producer()
                } else {
                    -1
                };
                let decided = Meta {
                    epoch: epoch + i16::from(bumps),
                    previous: producer,
                    next,
                    status: Status::Prepare { is_commit },
                    version,
                    ..meta
                };
                self.append(log, numbers, id, decided)
            }
            // A repeated request.
            Status::Prepare { is_commit: stored } | Status::Complete { is_commit: stored }
                if stored == is_commit
                    && meta.transaction == Some(transaction)
                    && !meta.was_fenced(version, epoch, producer) =>
            {
                let (producer, epoch) = meta.credentials();
                Answer::Done(producer, epoch)
            }
            _ => Answer::Fenced,
        }
    }

    /// Completes what has all its markers.
    pub(super) fn complete(&mut self, log: &mut Log, numbers: &mut Numbers, id: usize) {
        let is_marked = self.unmarked.get(&id).is_some_and(BTreeSet::is_empty) && !self.pending.contains_key(&id);
        let Some(meta) = self.states.get(&id).filter(|_| is_marked).cloned() else {
            return;
        };
        let Status::Prepare { is_commit } = meta.status else {
            return;
        };
        let (producer, epoch) = meta.credentials();
        let complete = Meta {
            producer,
            epoch,
            previous: meta.producer,
            next: -1,
            status: Status::Complete { is_commit },
            parts: BTreeSet::new(),
            ..meta
        };
        self.append(log, numbers, id, complete);
    }
}

impl Meta {
    /// What the client goes on with.
    pub(super) fn credentials(&self) -> (i64, i16) {
        match self.next >= 0 {
            true => (self.next, 0),
            false => (self.producer, self.epoch),
        }
    }

    /// Whether it was decided by fencing rather than by the client that asks.
    fn was_fenced(&self, version: i16, epoch: i16, producer: i64) -> bool {
        let expected = epoch + i16::from(version >= 2);
        let rotated = self.producer != producer && self.epoch == 0;
        self.epoch != expected && !rotated
    }
}
