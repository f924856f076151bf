//! Transactional producers.

use std::collections::{BTreeMap, BTreeSet};

use super::coordinator::Answer;
use super::log::{Body, Fate, GroupOffset};
use super::world::{Content, Transaction, World};

/// A producer with a transactional id.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: usize,
    pub(super) home: usize,
    pub(super) version: i16,
    producer: i64,
    epoch: i16,
    at: At,
    /// What it reads and hands on, if it does.
    pub(super) chain: Option<Chain>,
}

/// A consumer whose offsets the producer commits.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    group: usize,
    part: (usize, usize),
    log: Option<usize>,
    /// Up to where transactions have committed.
    committed: i64,
}

/// What a client is doing.
#[derive(Clone, Debug)]
enum At {
    Down,
    Initializing {
        waits_for: Option<u32>,
    },
    Idle,
    Within(Work),
    Ending {
        work: Work,
        is_commit: bool,
        waits_for: Option<u32>,
    },
}

/// A transaction in the client's hands.
#[derive(Clone, Debug)]
struct Work {
    transaction: usize,
    registering: Option<((usize, usize), u32)>,
    /// What is registered, and the log that it was then.
    registered: BTreeMap<(usize, usize), usize>,
    /// Where something was written.
    used: BTreeSet<(usize, usize)>,
    /// Contents that are not acknowledged yet.
    unacknowledged: Vec<usize>,
    /// Up to where it has read.
    position: Option<i64>,
    must_abort: bool,
}

impl Chain {
    pub(super) fn new(group: usize, part: (usize, usize)) -> Self {
        Self {
            group,
            part,
            log: None,
            committed: 0,
        }
    }
}

impl Client {
    pub(super) fn new(id: usize, home: usize, version: i16, chain: Option<Chain>) -> Self {
        Self {
            id,
            home,
            version,
            producer: -1,
            epoch: -1,
            at: At::Down,
            chain,
        }
    }

    fn credentials(&self) -> (i64, i16, i16) {
        (self.producer, self.epoch, self.version)
    }
}

impl World {
    pub(super) fn client(&mut self, number: usize) {
        let mut client = self.clients[number].clone();
        let at = std::mem::replace(&mut client.at, At::Down);
        client.at = match at {
            At::Down if self.dice.once_in(3) => At::Initializing { waits_for: None },
            At::Down => At::Down,
            At::Initializing { waits_for } => self.initialize(&mut client, waits_for),
            At::Idle => At::Within(self.begin(&client)),
            At::Within(work) => self.work(&client, work),
            At::Ending {
                work,
                is_commit,
                waits_for,
            } => self.end(&mut client, work, is_commit, waits_for),
        };
        self.clients[number] = client;
    }

    /// Whether a coordinator's append is still to be waited for.
    fn is_open(&self, home: usize, batch: u32) -> bool {
        self.coordinators[home]
            .pending
            .values()
            .any(|(pending, _)| *pending == batch)
    }

    fn initialize(&mut self, client: &mut Client, waits_for: Option<u32>) -> At {
        if let Some(batch) = waits_for {
            if self.is_open(client.home, batch) {
                return At::Initializing { waits_for };
            }
            if !self.decided.contains(&batch) {
                return At::Initializing { waits_for: None };
            }
            let meta = &self.coordinators[client.home].states[&client.id];
            (client.producer, client.epoch) = (meta.producer, meta.epoch);
            self.resume(client);
            return At::Idle;
        }
        let log = self.places[&(0, client.home)];
        let coordinator = &mut self.coordinators[client.home];
        match coordinator.init(&mut self.logs[log], &mut self.numbers, client.id, self.server) {
            Answer::Wait(batch) => At::Initializing { waits_for: Some(batch) },
            _ => At::Initializing { waits_for: None },
        }
    }

    /// Asks the group where to go on: transactions that are decided by now count.
    fn resume(&self, client: &mut Client) {
        let Some(chain) = &mut client.chain else { return };
        let current = self.places.get(&chain.part).copied();
        if chain.log != current {
            chain.log = current;
            chain.committed = 0;
        }
        let group_log = &self.logs[self.group_log(chain.group)];
        for batch in group_log.leading() {
            if let Body::Commit {
                offset,
                transaction: Some(transaction),
                ..
            } = &batch.body
                && offset.group == chain.group
                && Some(offset.log) == chain.log
                && self.transactions[*transaction].outcome == Some(true)
            {
                chain.committed = chain.committed.max(offset.offset);
            }
        }
    }

    fn begin(&mut self, client: &Client) -> Work {
        self.transactions.push(Transaction {
            id: client.id,
            asked: None,
            outcome: None,
            acknowledged: None,
            wrote: Vec::new(),
            read: Vec::new(),
        });
        Work {
            transaction: self.transactions.len() - 1,
            registering: None,
            registered: BTreeMap::new(),
            used: BTreeSet::new(),
            unacknowledged: Vec::new(),
            position: None,
            must_abort: false,
        }
    }

    fn work(&mut self, client: &Client, mut work: Work) -> At {
        if let Some((part, batch)) = work.registering {
            if self.is_open(client.home, batch) {
                return At::Within(work);
            }
            if self.decided.contains(&batch)
                && let Some(log) = self.places.get(&part)
            {
                work.registered.insert(part, *log);
            }
            work.registering = None;
            return At::Within(work);
        }
        match self.dice.below(12) {
            0 if self.dice.once_in(8) => At::Down,
            0..2 => {
                let part = self.any_part();
                self.register(client, work, part)
            }
            2..6 => self.produce(client, work),
            6..9 => self.hand_on(client, work),
            _ if work.registered.is_empty() => At::Within(work),
            _ => {
                let is_unused = |part: &(usize, usize)| !work.used.contains(part);
                // A commit of older clients implies records everywhere (K§6.7).
                let lacks = client.version < 2 && work.registered.keys().any(is_unused);
                let is_commit = !work.must_abort && !lacks && !self.dice.once_in(4);
                At::Ending {
                    work,
                    is_commit,
                    waits_for: None,
                }
            }
        }
    }

    fn register(&mut self, client: &Client, mut work: Work, part: (usize, usize)) -> At {
        if !self.places.contains_key(&part) || work.registered.contains_key(&part) {
            return At::Within(work);
        }
        let home = self.places[&(0, client.home)];
        let coordinator = &mut self.coordinators[client.home];
        let (log, credentials) = (&mut self.logs[home], client.credentials());
        match coordinator.add(log, &mut self.numbers, client.id, credentials, part, work.transaction) {
            Answer::Wait(batch) => work.registering = Some((part, batch)),
            Answer::Done(..) => {
                work.registered.insert(part, self.places[&part]);
            }
            Answer::Busy => {}
            Answer::Fenced => return At::Down,
        }
        At::Within(work)
    }

    /// Where the client may write: registered, still there, and not fenced.
    fn is_writable(&self, client: &Client, part: (usize, usize), log: usize) -> Option<bool> {
        if self.places.get(&part) != Some(&log) {
            return None;
        }
        let known = self.logs[log]
            .producers
            .get(&client.producer)
            .copied()
            .unwrap_or_default();
        Some(known.epoch <= client.epoch)
    }

    /// Whether the transaction still is what the coordinator thinks (KIP-890's verification); a race is left to the epochs.
    fn is_verified(&self, client: &Client, work: &Work, log: usize) -> bool {
        let is_open = self.logs[log]
            .producers
            .get(&client.producer)
            .is_some_and(|of| of.open.is_some());
        let state = self.coordinators[client.home].states.get(&client.id);
        is_open
            || state.is_some_and(|meta| {
                meta.transaction == Some(work.transaction)
                    && meta.status == super::coordinator::Status::Ongoing
                    && (meta.producer, meta.epoch) == (client.producer, client.epoch)
            })
    }

    fn produce(&mut self, client: &Client, mut work: Work) -> At {
        let parts: Vec<_> = work
            .registered
            .iter()
            .filter(|(part, _)| part.0 >= 2)
            .map(|(part, log)| (*part, *log))
            .collect();
        let Some((part, log)) = self.dice.pick(&parts).copied() else {
            return At::Within(work);
        };
        match self.is_writable(client, part, log) {
            None => work.must_abort = true,
            Some(false) => return At::Down,
            Some(true) if !self.is_verified(client, &work, log) => work.must_abort = true,
            Some(true) => {
                let content = self.write(log, client.producer, client.epoch, Some(work.transaction));
                self.transactions[work.transaction].wrote.push((log, content));
                work.unacknowledged.push(content);
                work.used.insert(part);
            }
        }
        At::Within(work)
    }

    /// Reads on, and hands the offset to the transaction.
    fn hand_on(&mut self, client: &Client, mut work: Work) -> At {
        let Some(chain) = &client.chain else {
            return At::Within(work);
        };
        let Some(source) = chain.log.filter(|log| self.places.get(&chain.part) == Some(log)) else {
            return At::Within(work);
        };
        let group_part = (1, chain.group % self.shape.groups);
        if !work.registered.contains_key(&group_part) {
            return self.register(client, work, group_part);
        }
        let group_log = work.registered[&group_part];
        if self.is_writable(client, group_part, group_log) != Some(true) || !self.is_verified(client, &work, group_log)
        {
            work.must_abort = true;
            return At::Within(work);
        }
        let from = work.position.unwrap_or(chain.committed);
        let limit = self.logs[source].last_stable_offset();
        if limit <= from {
            return At::Within(work);
        }
        let to = from + 1 + self.dice.below((limit - from) as usize) as i64;
        let read = self.committed_contents(source, from, to);
        self.transactions[work.transaction].read.extend(read);
        work.position = Some(to);
        let content = self.contents.len();
        let number = self.numbers.batch();
        self.contents.push(Content {
            log: group_log,
            key: 0,
            batch: number,
            acknowledged: None,
        });
        let offset = GroupOffset {
            group: chain.group,
            log: source,
            offset: to,
        };
        let body = Body::Commit {
            offset,
            content,
            transaction: Some(work.transaction),
        };
        self.logs[group_log].append(number, 1, (client.producer, client.epoch), body);
        self.transactions[work.transaction].wrote.push((group_log, content));
        work.unacknowledged.push(content);
        work.used.insert(group_part);
        At::Within(work)
    }

    /// What a consumer of committed records gets between two offsets.
    fn committed_contents(&self, log: usize, from: i64, to: i64) -> Vec<(usize, usize)> {
        let batches = self.logs[log].leading();
        let ends: BTreeMap<usize, bool> = batches
            .iter()
            .filter_map(|batch| match batch.body {
                Body::Marker {
                    is_commit, transaction, ..
                } => Some((transaction, is_commit)),
                _ => None,
            })
            .collect();
        let read = batches.iter().filter(|batch| batch.base < to && batch.next > from);
        read.filter_map(|batch| match &batch.body {
            Body::Plain { content } => Some((log, *content)),
            Body::Data { content, transaction } if ends.get(transaction) == Some(&true) => Some((log, *content)),
            _ => None,
        })
        .collect()
    }

    fn end(&mut self, client: &mut Client, mut work: Work, is_commit: bool, waits_for: Option<u32>) -> At {
        if let Some(batch) = waits_for {
            if self.is_open(client.home, batch) {
                return At::Ending {
                    work,
                    is_commit,
                    waits_for,
                };
            }
            if !self.decided.contains(&batch) {
                return At::Ending {
                    work,
                    is_commit,
                    waits_for: None,
                };
            }
        }
        // All must be acknowledged first (F2), and what an election took away is sent again.
        // Once a commit was asked for, it may be decided, and nothing else can be asked for.
        let was_asked = self.transactions[work.transaction].asked.is_some();
        if is_commit && waits_for.is_none() && !was_asked {
            for content in work.unacknowledged.clone() {
                let Content { log, batch, .. } = self.contents[content];
                match self.logs[log].fate(batch) {
                    Fate::Committed => work.unacknowledged.retain(|of| *of != content),
                    Fate::Pending => {
                        return At::Ending {
                            work,
                            is_commit,
                            waits_for: None,
                        };
                    }
                    Fate::Lost => return self.send_again(client, work, content),
                }
            }
            if work
                .registered
                .iter()
                .any(|(part, log)| self.places.get(part) != Some(log))
            {
                work.must_abort = true;
                return At::Ending {
                    work,
                    is_commit: false,
                    waits_for: None,
                };
            }
        }
        let home = self.places[&(0, client.home)];
        let coordinator = &mut self.coordinators[client.home];
        let (log, credentials) = (&mut self.logs[home], client.credentials());
        self.transactions[work.transaction].asked = Some(is_commit);
        match coordinator.end(
            log,
            &mut self.numbers,
            client.id,
            credentials,
            is_commit,
            work.transaction,
        ) {
            Answer::Wait(batch) => At::Ending {
                work,
                is_commit,
                waits_for: Some(batch),
            },
            Answer::Busy => At::Ending {
                work,
                is_commit,
                waits_for: None,
            },
            Answer::Fenced => At::Down,
            Answer::Done(producer, epoch) => {
                let transaction = &mut self.transactions[work.transaction];
                transaction.acknowledged.get_or_insert(self.now);
                if client.version >= 2 {
                    (client.producer, client.epoch) = (producer, epoch);
                }
                if let (Some(chain), Some(position), true) = (&mut client.chain, work.position, is_commit) {
                    chain.committed = position;
                }
                At::Idle
            }
        }
    }

    /// Sends a batch again that the new leader does not have.
    fn send_again(&mut self, client: &Client, mut work: Work, content: usize) -> At {
        let log = self.contents[content].log;
        let part = (self.logs[log].topic, self.logs[log].partition);
        let stays = |work| At::Ending {
            work,
            is_commit: true,
            waits_for: None,
        };
        match self.is_writable(client, part, log) {
            Some(true) if self.is_verified(client, &work, log) => {}
            Some(false) => return At::Down,
            _ => {
                work.must_abort = true;
                return At::Ending {
                    work,
                    is_commit: false,
                    waits_for: None,
                };
            }
        }
        let number = self.numbers.batch();
        self.contents[content].batch = number;
        let transaction = work.transaction;
        let body = match self.logs[log].topic {
            1 => {
                let (Some(chain), Some(position)) = (&client.chain, work.position) else {
                    return At::Down;
                };
                let offset = GroupOffset {
                    group: chain.group,
                    log: chain.log.unwrap_or(0),
                    offset: position,
                };
                Body::Commit {
                    offset,
                    content,
                    transaction: Some(transaction),
                }
            }
            _ => Body::Data { content, transaction },
        };
        self.logs[log].append(number, 1, (client.producer, client.epoch), body);
        stays(work)
    }
}
