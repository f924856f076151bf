//! Restores a cut and compares it with what really happened. It knows nothing of how the cut was found.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::capturing::{Pinned, Snapshot, group_name, id_name, pinned_end, topic_name};
use super::coordinator::{Meta, Status};
use super::log::{Batch, Body, GroupOffset, Producer, note};
use super::world::World;
use crate::capture::PartitionKey;
use crate::cuts::Cuts;

/// Something that the restored cluster must not be.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) what: String,
    /// Whom a report may have named instead: ids, groups, partitions.
    pub(super) concerns: Vec<String>,
}

/// A partition of the restored cluster.
struct Restored<'a> {
    log: usize,
    cut: i64,
    batches: Vec<Rc<Batch>>,
    pinned: &'a Pinned,
    /// Contents that readers of committed records get.
    visible: BTreeSet<usize>,
    /// Offsets of groups that have taken effect, the last of each.
    offsets: BTreeMap<(usize, usize), i64>,
    open: BTreeSet<usize>,
}

/// Restores the cut, lets the coordinators do their work, and looks.
pub(super) fn check(world: &World, snapshot: &Snapshot, cuts: &Cuts) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut logs = BTreeMap::new();
    for (key, pinned) in &snapshot.pinned {
        match restore(pinned, cuts, key) {
            Ok(restored) => {
                logs.insert(pinned.log, restored);
            }
            Err(what) => violations.push(Violation {
                what,
                concerns: Vec::new(),
            }),
        }
    }
    coordinate(world, &mut logs, &mut violations);
    for restored in logs.values_mut() {
        read(restored);
    }
    let checker = Checker {
        world,
        snapshot,
        logs: &logs,
        writers: world.writers(),
    };
    checker.hanging(&mut violations);
    checker.transactions(&mut violations);
    checker.acknowledged(&mut violations);
    checker.offsets(&mut violations);
    violations
}

fn restore<'a>(pinned: &'a Pinned, cuts: &Cuts, key: &PartitionKey) -> Result<Restored<'a>, String> {
    let cut = cuts.cuts.get(key).ok_or("a partition has no cut")?.offset().0;
    let is_end = cut == 0 || pinned.batches.iter().any(|batch| batch.next == cut);
    if !is_end || cut > pinned_end(pinned) {
        return Err(format!("the cut {cut} is not at the end of a replicated batch"));
    }
    let is_left = |batch: &&Rc<Batch>| batch.next <= cut && !pinned.removed.contains(&batch.number);
    Ok(Restored {
        log: pinned.log,
        cut,
        batches: pinned.batches.iter().filter(is_left).cloned().collect(),
        pinned,
        visible: BTreeSet::new(),
        offsets: BTreeMap::new(),
        open: BTreeSet::new(),
    })
}

/// What coordinators do when they start (K§6.2).
fn coordinate(world: &World, logs: &mut BTreeMap<usize, Restored<'_>>, violations: &mut Vec<Violation>) {
    let mut states: BTreeMap<usize, Meta> = BTreeMap::new();
    for restored in logs.values() {
        for batch in &restored.batches {
            if let Body::State { id, meta } = &batch.body {
                states.insert(*id, meta.clone());
            }
        }
    }
    let places: BTreeMap<(usize, usize), usize> = logs
        .keys()
        .map(|log| ((world.logs[*log].topic, world.logs[*log].partition), *log))
        .collect();
    for (id, meta) in states {
        let (epoch, is_commit, is_strict) = match meta.status {
            Status::Empty | Status::Complete { .. } => continue,
            // It has timed out: fenced and aborted.
            Status::Ongoing => {
                let bumps = 1 + i16::from(world.server.has_version_2 && world.server.fences_twice);
                (meta.epoch + bumps, false, world.server.has_version_2)
            }
            Status::Prepare { is_commit } => (meta.epoch, is_commit, meta.version >= 2),
        };
        for part in &meta.parts {
            let Some(restored) = places.get(part).and_then(|log| logs.get_mut(log)) else {
                continue;
            };
            let mut producers: BTreeMap<i64, Producer> = BTreeMap::new();
            restored.batches.iter().for_each(|batch| note(&mut producers, batch));
            let known = producers.get(&meta.producer).copied().unwrap_or_default();
            if epoch < known.epoch || (is_strict && epoch == known.epoch && known.open.is_some()) {
                violations.push(Violation {
                    what: format!("a marker of {} with epoch {epoch} is refused: {known:?}", id_name(id)),
                    concerns: [names_of(world, id), vec![partition_name(world, restored.log)]].concat(),
                });
                continue;
            }
            let base = restored
                .batches
                .last()
                .map_or(restored.cut, |batch| batch.next.max(restored.cut));
            restored.batches.push(Rc::new(Batch {
                number: u32::MAX,
                base,
                next: base + 1,
                leader_epoch: i32::MAX,
                producer: meta.producer,
                epoch,
                body: Body::Marker {
                    is_commit,
                    coordinator_epoch: i32::MAX,
                    transaction: usize::MAX,
                },
            }));
        }
    }
}

/// What consumers and group coordinators see.
fn read(restored: &mut Restored<'_>) {
    let mut open: BTreeMap<i64, Vec<&Rc<Batch>>> = BTreeMap::new();
    for batch in &restored.batches {
        match &batch.body {
            Body::Plain { content } => {
                restored.visible.insert(*content);
            }
            Body::Commit {
                offset,
                content,
                transaction: None,
            } => {
                restored.visible.insert(*content);
                restored.offsets.insert((offset.group, offset.log), offset.offset);
            }
            Body::Data { .. } | Body::Commit { .. } => open.entry(batch.producer).or_default().push(batch),
            Body::Marker { is_commit, .. } => {
                for ended in open
                    .remove(&batch.producer)
                    .into_iter()
                    .flatten()
                    .filter(|_| *is_commit)
                {
                    match &ended.body {
                        Body::Data { content, .. } => {
                            restored.visible.insert(*content);
                        }
                        Body::Commit {
                            offset: GroupOffset { group, log, offset },
                            content,
                            ..
                        } => {
                            restored.visible.insert(*content);
                            restored.offsets.insert((*group, *log), *offset);
                        }
                        _ => {}
                    }
                }
            }
            Body::State { .. } => {}
        }
    }
    let left = open
        .into_values()
        .flatten()
        .filter_map(|batch| batch.body.transaction());
    restored.open = left.collect();
}

/// The names under which a report may mean a transactional id: its own, and that of the log that holds it.
fn names_of(world: &World, id: usize) -> Vec<String> {
    let home = format!("{}-{}", topic_name(0), world.clients[id].home);
    vec![id_name(id), home]
}

fn partition_name(world: &World, log: usize) -> String {
    format!("{}-{}", topic_name(world.logs[log].topic), world.logs[log].partition)
}

struct Checker<'a> {
    world: &'a World,
    snapshot: &'a Snapshot,
    logs: &'a BTreeMap<usize, Restored<'a>>,
    /// Which id wrote what within a transaction.
    writers: BTreeMap<usize, usize>,
}

/// What became of something that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Visible,
    /// The cleaner removed it, and what superseded it is there.
    Superseded,
    Missing,
    /// Its topic was deleted.
    Elsewhere,
}

impl Checker<'_> {
    fn seen(&self, log: usize, content: usize) -> Seen {
        let Some(restored) = self.logs.get(&log) else {
            return Seen::Elsewhere;
        };
        if restored.visible.contains(&content) {
            return Seen::Visible;
        }
        let number = self.world.contents[content].batch;
        if !restored.pinned.removed.contains(&number) {
            return Seen::Missing;
        }
        let Some(own) = restored.pinned.batches.iter().find(|batch| batch.number == number) else {
            return Seen::Missing;
        };
        let supersedes = |batch: &&Rc<Batch>| match (&batch.body, &own.body) {
            (
                Body::Plain { content: other } | Body::Data { content: other, .. },
                Body::Plain { .. } | Body::Data { .. },
            ) => {
                self.world.contents[*other].key == self.world.contents[content].key && restored.visible.contains(other)
            }
            (
                Body::Commit {
                    offset: other,
                    transaction: None,
                    ..
                },
                Body::Commit { offset, .. },
            ) => (other.group, other.log) == (offset.group, offset.log),
            _ => false,
        };
        let later = restored.batches.iter().filter(|batch| batch.base >= own.next);
        match later.into_iter().any(|batch| supersedes(&batch)) {
            true => Seen::Superseded,
            false => Seen::Missing,
        }
    }

    fn hanging(&self, violations: &mut Vec<Violation>) {
        for restored in self.logs.values() {
            for transaction in &restored.open {
                let id = self.world.transactions[*transaction].id;
                violations.push(Violation {
                    what: format!(
                        "transaction {transaction} of {} hangs in {}",
                        id_name(id),
                        partition_name(self.world, restored.log)
                    ),
                    concerns: [names_of(self.world, id), vec![partition_name(self.world, restored.log)]].concat(),
                });
            }
        }
    }

    fn transactions(&self, violations: &mut Vec<Violation>) {
        for (number, transaction) in self.world.transactions.iter().enumerate() {
            let seen: Vec<(usize, Seen)> = transaction
                .wrote
                .iter()
                .map(|(log, content)| (*log, self.seen(*log, *content)))
                .collect();
            let of = |wanted| seen.iter().filter(move |(_, seen)| *seen == wanted);
            let (visible, missing) = (of(Seen::Visible).count(), of(Seen::Missing).count());
            let mut concerns = names_of(self.world, transaction.id);
            concerns.extend(seen.iter().map(|(log, _)| partition_name(self.world, *log)));
            if visible > 0 && (missing > 0 || transaction.asked != Some(true)) {
                violations.push(Violation {
                    what: format!("transaction {number} is torn: {seen:?}, {transaction:?}"),
                    concerns: concerns.clone(),
                });
            }
            let was_acknowledged = transaction.acknowledged.is_some_and(|at| at <= self.snapshot.began);
            if missing > 0 && was_acknowledged && transaction.asked == Some(true) {
                violations.push(Violation {
                    what: format!("transaction {number}, acknowledged before, is missing: {seen:?}"),
                    concerns: concerns.clone(),
                });
            }
            if visible > 0 {
                for (log, content) in &transaction.read {
                    if self.seen(*log, *content) == Seen::Missing {
                        let mut concerns = concerns.clone();
                        concerns.push(partition_name(self.world, *log));
                        concerns.extend(
                            self.writers
                                .get(content)
                                .into_iter()
                                .flat_map(|id| names_of(self.world, *id)),
                        );
                        violations.push(Violation {
                            what: format!("transaction {number} is there, and content {content} that it read is not"),
                            concerns,
                        });
                    }
                }
            }
        }
    }

    fn acknowledged(&self, violations: &mut Vec<Violation>) {
        for (number, content) in self.world.contents.iter().enumerate() {
            let was_acknowledged = content.acknowledged.is_some_and(|at| at <= self.snapshot.began);
            if !was_acknowledged || self.writers.contains_key(&number) {
                continue;
            }
            if self.seen(content.log, number) == Seen::Missing {
                violations.push(Violation {
                    what: format!("content {number}, acknowledged before, is missing"),
                    concerns: vec![partition_name(self.world, content.log)],
                });
            }
        }
    }

    fn offsets(&self, violations: &mut Vec<Violation>) {
        for restored in self.logs.values() {
            for ((group, log), offset) in &restored.offsets {
                // Names, not ids, are what most groups store: a topic that was created again inherits the offsets.
                let (topic, partition) = (self.world.logs[*log].topic, self.world.logs[*log].partition);
                let same = |of: &&Restored<'_>| {
                    (self.world.logs[of.log].topic, self.world.logs[of.log].partition) == (topic, partition)
                };
                let Some(data) = self.logs.values().find(same) else {
                    continue;
                };
                if *offset > data.cut {
                    violations.push(Violation {
                        what: format!(
                            "{} is at {offset} of {}, which ends at {}",
                            group_name(*group),
                            partition_name(self.world, data.log),
                            data.cut
                        ),
                        concerns: vec![
                            group_name(*group),
                            partition_name(self.world, data.log),
                            format!("topic {}", topic_name(topic)),
                        ],
                    });
                }
            }
        }
    }
}
