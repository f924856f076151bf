//! The cluster, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::clients::{Chain, Client};
use super::coordinator::{Coordinator, Meta, Numbers, Server, Status};
use super::dice::Dice;
use super::groups::Reader;
use super::log::{Body, Fate, Log};
use crate::capture::PartitionKind;

/// What a run is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) homes: usize,
    pub(super) topics: usize,
    pub(super) partitions: usize,
    pub(super) groups: usize,
    /// Clients of version 2, and of versions 0 and 1.
    pub(super) newer: usize,
    pub(super) older: usize,
    /// Steps before the snapshot.
    pub(super) before: usize,
    /// At most so many steps between two partitions of a phase.
    pub(super) skew: usize,
    /// Whether agents know which transactions were open when the snapshot began.
    pub(super) knows_open: bool,
    /// Whether brokers fail, topics are deleted and logs are cleaned.
    pub(super) is_rough: bool,
}

/// A transaction as it really was.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) id: usize,
    /// Whether a commit was asked for.
    pub(super) asked: Option<bool>,
    pub(super) outcome: Option<bool>,
    /// When the client heard of it.
    pub(super) acknowledged: Option<usize>,
    /// What it wrote: logs and contents.
    pub(super) wrote: Vec<(usize, usize)>,
    /// What it had read: logs and contents.
    pub(super) read: Vec<(usize, usize)>,
}

/// Something written once, however often a client had to try.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) log: usize,
    pub(super) key: usize,
    /// The batch that carries it.
    pub(super) batch: u32,
    /// When it was acknowledged, if no transaction is about it.
    pub(super) acknowledged: Option<usize>,
}

/// A `WriteTxnMarkers` request under way.
#[derive(Clone, Copy, Debug)]
struct Request {
    home: usize,
    coordinator_epoch: i32,
    id: usize,
    producer: i64,
    epoch: i16,
    is_commit: bool,
    part: (usize, usize),
    transaction: usize,
}

/// The cluster and its clients.
#[derive(Debug)]
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) shape: Shape,
    pub(super) server: Server,
    /// Counts steps.
    pub(super) now: usize,
    pub(super) numbers: Numbers,
    pub(super) logs: Vec<Log>,
    /// Which log a topic's partition is now.
    pub(super) places: BTreeMap<(usize, usize), usize>,
    pub(super) coordinators: Vec<Coordinator>,
    requests: Vec<Request>,
    /// Markers written and not committed yet: the request, the log and the batch.
    written: Vec<(Request, usize, u32)>,
    pub(super) clients: Vec<Client>,
    pub(super) readers: Vec<Reader>,
    pub(super) transactions: Vec<Transaction>,
    pub(super) contents: Vec<Content>,
    /// Appends whose outcome a client waits for are looked up here.
    pub(super) decided: BTreeSet<u32>,
}

impl World {
    pub(super) fn new(seed: u64, shape: Shape) -> Self {
        let mut dice = Dice(seed);
        let server = Server {
            has_version_2: shape.older == 0 || !dice.once_in(3),
            fences_twice: dice.once_in(2),
        };
        let mut world = Self {
            dice,
            shape,
            server,
            now: 0,
            numbers: Numbers::default(),
            logs: Vec::new(),
            places: BTreeMap::new(),
            coordinators: Vec::new(),
            requests: Vec::new(),
            written: Vec::new(),
            clients: Vec::new(),
            readers: Vec::new(),
            transactions: Vec::new(),
            contents: Vec::new(),
            decided: BTreeSet::new(),
        };
        for home in 0..shape.homes {
            world.create(PartitionKind::TransactionState, 0, home, 0);
            world.coordinators.push(Coordinator::default());
        }
        for group in 0..shape.groups {
            world.create(PartitionKind::ConsumerOffsets, 1, group, 0);
        }
        for topic in 0..shape.topics {
            for partition in 0..shape.partitions {
                world.create(PartitionKind::Data, 2 + topic, partition, 0);
            }
        }
        for number in 0..shape.newer + shape.older {
            let version = if number < shape.newer { 2 } else { 0 };
            let home = world.dice.below(shape.homes);
            let is_chain = shape.groups > 0 && world.dice.once_in(2);
            let chain = is_chain.then(|| Chain::new(100 + number, world.any_part()));
            world.clients.push(Client::new(number, home, version, chain));
        }
        for group in 0..2 * shape.groups {
            let part = world.any_part();
            let reads_committed = world.dice.once_in(2);
            world.readers.push(Reader::new(group, part, reads_committed));
        }
        world
    }

    /// A topic's partition that holds data.
    pub(super) fn any_part(&mut self) -> (usize, usize) {
        (
            2 + self.dice.below(self.shape.topics),
            self.dice.below(self.shape.partitions),
        )
    }

    pub(super) fn create(&mut self, kind: PartitionKind, topic: usize, partition: usize, incarnation: u8) {
        let log = Log {
            kind,
            topic,
            partition,
            incarnation,
            is_compacted: kind != PartitionKind::Data || topic == 3,
            is_deleted: false,
            replicas: vec![Vec::new(); 2 + self.dice.below(2)],
            leader: 0,
            leader_epoch: 0,
            committed: 0,
            producers: BTreeMap::new(),
            active_base: 0,
            removed: BTreeSet::new(),
        };
        self.places.insert((topic, partition), self.logs.len());
        self.logs.push(log);
    }

    /// Where a group's offsets are.
    pub(super) fn group_log(&self, group: usize) -> usize {
        self.places[&(1, group % self.shape.groups)]
    }

    pub(super) fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now += 1;
        for _ in 0..3 {
            let log = self.dice.below(self.logs.len());
            self.replicate(log);
        }
        match self.dice.below(100) {
            0..20 => {
                let home = self.dice.below(self.shape.homes);
                self.coordinate(home);
            }
            20..42 => self.deliver(),
            42..83 => {
                for _ in 0..2 {
                    let client = self.dice.below(self.clients.len());
                    self.client(client);
                }
            }
            83..86 => self.write_plainly(),
            86..98 => self.read(),
            98 if self.dice.once_in(3) => self.time_out(),
            99 if self.shape.is_rough => self.disturb(),
            _ => {}
        }
    }

    fn replicate(&mut self, log: usize) {
        let log = &mut self.logs[log];
        for follower in 0..log.replicas.len() {
            if !self.dice.once_in(5) {
                log.replicate(follower, 1 + self.dice.below(6));
            }
        }
        if !self.dice.once_in(5) {
            log.commit();
        }
    }

    /// A coordinator takes note of what is committed by now, sends markers and completes.
    fn coordinate(&mut self, home: usize) {
        let log = self.places[&(0, home)];
        let coordinator = &mut self.coordinators[home];
        let pending: Vec<(usize, u32, Meta)> = coordinator
            .pending
            .iter()
            .map(|(id, (batch, meta))| (*id, *batch, meta.clone()))
            .collect();
        for (id, batch, meta) in pending {
            if self.logs[log].fate(batch) != Fate::Committed {
                continue;
            }
            coordinator.pending.remove(&id);
            coordinator.unmarked.remove(&id);
            if let Status::Prepare { is_commit } = meta.status {
                coordinator.unmarked.insert(id, meta.parts.clone());
                if let Some(transaction) = meta.transaction {
                    self.transactions[transaction].outcome = Some(is_commit);
                }
            }
            coordinator.states.insert(id, meta);
            self.decided.insert(batch);
        }
        let unmarked: Vec<(usize, (usize, usize))> = coordinator
            .unmarked
            .iter()
            .flat_map(|(id, parts)| parts.iter().map(|part| (*id, *part)))
            .collect();
        for (id, part) in unmarked {
            if !self.places.contains_key(&part) {
                coordinator.unmarked.entry(id).or_default().remove(&part);
                continue;
            }
            let is_meant = |request: &Request| (request.home, request.id, request.part) == (home, id, part);
            let is_sent = self.requests.iter().any(is_meant) || self.written.iter().any(|(of, ..)| is_meant(of));
            // Repeated where the connection is thought to be lost.
            if !is_sent || self.dice.once_in(25) {
                let meta = &coordinator.states[&id];
                let (Status::Prepare { is_commit }, Some(transaction)) = (meta.status, meta.transaction) else {
                    continue;
                };
                self.requests.push(Request {
                    home,
                    coordinator_epoch: coordinator.epoch,
                    id,
                    producer: meta.producer,
                    epoch: meta.epoch,
                    is_commit,
                    part,
                    transaction,
                });
            }
        }
        let ids: Vec<usize> = coordinator.unmarked.keys().copied().collect();
        for id in ids {
            coordinator.complete(&mut self.logs[log], &mut self.numbers, id);
        }
    }

    /// A request for a marker arrives, or the answer to one.
    fn deliver(&mut self) {
        self.acknowledge_markers();
        if self.requests.is_empty() {
            return;
        }
        let place = self.dice.below(self.requests.len());
        let request = self.requests.swap_remove(place);
        let Some(place) = self.places.get(&request.part).copied() else {
            return;
        };
        let log = &mut self.logs[place];
        let known = log.producers.get(&request.producer).copied().unwrap_or_default();
        let closes_another = known.open.is_some_and(|(_, of)| of != request.transaction);
        if request.epoch < known.epoch || request.coordinator_epoch < known.coordinator_epoch {
            return;
        }
        // Version 2: Kafka refuses it. Before, it was Kafka's fault that KIP-890 mends, which is left out here.
        if closes_another {
            return;
        }
        let number = self.numbers.batch();
        let body = Body::Marker {
            is_commit: request.is_commit,
            coordinator_epoch: request.coordinator_epoch,
            transaction: request.transaction,
        };
        log.append(number, 1, (request.producer, request.epoch), body);
        self.written.push((request, place, number));
        // The request is repeated where the answer gets lost.
        if self.dice.once_in(8) {
            self.requests.push(request);
        }
    }

    fn acknowledge_markers(&mut self) {
        let written = std::mem::take(&mut self.written);
        for (request, log, batch) in written {
            match self.logs[log].fate(batch) {
                Fate::Pending => self.written.push((request, log, batch)),
                Fate::Lost => {}
                Fate::Committed => {
                    let coordinator = &mut self.coordinators[request.home];
                    let is_current = coordinator.states.get(&request.id).is_some_and(|meta| {
                        (meta.producer, meta.epoch) == (request.producer, request.epoch)
                            && meta.transaction == Some(request.transaction)
                    });
                    if is_current
                        && coordinator.epoch == request.coordinator_epoch
                        && self.places.get(&request.part) == Some(&log)
                        && let Some(parts) = coordinator.unmarked.get_mut(&request.id)
                    {
                        parts.remove(&request.part);
                    }
                }
            }
        }
    }

    fn write_plainly(&mut self) {
        let part = self.any_part();
        let Some(log) = self.places.get(&part).copied() else {
            return;
        };
        self.write(log, -1, -1, None);
    }

    /// Appends data, within a transaction or not.
    pub(super) fn write(&mut self, log: usize, producer: i64, epoch: i16, transaction: Option<usize>) -> usize {
        let content = self.contents.len();
        let number = self.numbers.batch();
        let key = self.dice.below(4);
        self.contents.push(Content {
            log,
            key,
            batch: number,
            acknowledged: None,
        });
        let body = match transaction {
            Some(transaction) => Body::Data { content, transaction },
            None => Body::Plain { content },
        };
        let records = 1 + self.dice.below(3) as i64;
        self.logs[log].append(number, records, (producer, epoch), body);
        content
    }

    /// Takes note of what was acknowledged to plain producers by now.
    pub(super) fn acknowledge(&mut self) {
        for content in &mut self.contents {
            if content.acknowledged.is_none() && self.logs[content.log].fate(content.batch) == Fate::Committed {
                content.acknowledged = Some(self.now);
            }
        }
    }

    /// Which transactional id wrote what.
    pub(super) fn writers(&self) -> BTreeMap<usize, usize> {
        let wrote = |of: &Transaction| {
            of.wrote
                .iter()
                .map(|(_, content)| (*content, of.id))
                .collect::<Vec<_>>()
        };
        self.transactions.iter().flat_map(wrote).collect()
    }

    fn time_out(&mut self) {
        let home = self.dice.below(self.shape.homes);
        let log = self.places[&(0, home)];
        let ids: Vec<usize> = self.coordinators[home].states.keys().copied().collect();
        if let Some(id) = self.dice.pick(&ids).copied() {
            self.coordinators[home].fence(&mut self.logs[log], &mut self.numbers, id, self.server);
        }
    }

    fn disturb(&mut self) {
        match self.dice.below(12) {
            0..4 => self.fail_over(),
            4..7 => {
                let log = self.dice.below(self.logs.len());
                let log = &mut self.logs[log];
                log.active_base = log.high_watermark();
            }
            7..11 => self.clean(),
            _ => self.delete_or_create(),
        }
    }

    fn fail_over(&mut self) {
        let place = self.dice.below(self.logs.len());
        let log = &mut self.logs[place];
        let leader = self.dice.below(log.replicas.len());
        if leader == log.leader {
            return;
        }
        log.elect(leader);
        if log.kind == PartitionKind::TransactionState {
            let (coordinator, decided) = Coordinator::load(log);
            self.coordinators[log.partition] = coordinator;
            for (transaction, is_commit) in decided {
                self.transactions[transaction].outcome = Some(is_commit);
            }
        }
    }

    fn clean(&mut self) {
        let place = self.dice.below(self.logs.len());
        let log = &mut self.logs[place];
        if !log.is_compacted {
            return;
        }
        let (contents, transactions) = (&self.contents, &self.transactions);
        log.clean(|body| match body {
            Body::Plain { content } => Some(contents[*content].key),
            // What was aborted supersedes nothing.
            Body::Data { content, transaction } => {
                (transactions[*transaction].outcome == Some(true)).then(|| contents[*content].key)
            }
            Body::State { id, .. } => Some(*id),
            // A pending commit of a transaction is no group's offset yet.
            Body::Commit {
                offset,
                transaction: None,
                ..
            } => Some(offset.group * 1000 + offset.log),
            Body::Commit { .. } | Body::Marker { .. } => None,
        });
    }

    fn delete_or_create(&mut self) {
        if !self.dice.once_in(3) {
            return;
        }
        let topic = 2 + self.dice.below(self.shape.topics);
        let gone = !self.places.contains_key(&(topic, 0));
        for partition in 0..self.shape.partitions {
            if gone {
                let incarnation = self
                    .logs
                    .iter()
                    .filter(|of| (of.topic, of.partition) == (topic, partition))
                    .count();
                self.create(PartitionKind::Data, topic, partition, incarnation as u8);
            } else if let Some(log) = self.places.remove(&(topic, partition)) {
                self.logs[log].is_deleted = true;
            }
        }
    }
}
