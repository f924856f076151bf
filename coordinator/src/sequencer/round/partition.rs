//! One partition in a phase: who has reported, and what the reports prove.

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::{BatchEnd, Cut, Matching, PartitionKey, Prefix, ReplicaLog, common_prefix};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};

use super::super::{Moment, QueryPartition, Seen};
use super::watermark::Watermark;
use crate::layout::Partition;
use crate::source_plan;

/// After so many changes of a partition's leader epoch within a phase it is taken as it is, without a voucher.
pub(super) const MOST_REPEATS: u8 = 5;
/// So many unreadable reports in a row, each after a pause, and the replica counts as unreadable. (A new topic's replica
/// takes a moment to appear, and a deleted one's to be gone from the metadata.)
const MOST_RETRIES: u8 = 25;
/// Why a member that cannot be asked is absent.
pub(in super::super) const NO_AGENT: &str = "it has no connected agent";
/// The deepest that reports are asked for.
const MOST_DEPTH: u32 = 1 << 20;

/// What a phase is to find out about a partition.
#[derive(Clone, Debug)]
pub(in super::super) struct Target {
    pub(in super::super) key: PartitionKey,
    pub(in super::super) topic: String,
    pub(in super::super) compacted: bool,
    /// The replicated prefix of phase M.
    pub(in super::super) since: Option<Offset>,
    /// The node that is to be read.
    pub(in super::super) source: Option<NodeId>,
    /// Where its pin starts; `None`: nothing is pinned in this phase.
    pub(in super::super) pin_from: Option<Offset>,
    /// Whether the source reports its records too.
    pub(in super::super) records: bool,
}

/// What a phase found out about a partition.
#[derive(Clone, Debug)]
pub(in super::super) struct Finding {
    /// The replicated prefix, if there is one.
    pub(in super::super) cut: Option<Cut>,
    /// Members that could not be asked, and why.
    pub(in super::super) absent: Vec<(NodeId, String)>,
    /// Whether the leader's high watermark vouches in their place.
    pub(in super::super) by_watermark: bool,
    /// Whether the leader epoch changed in every repetition.
    pub(in super::super) unstable: bool,
    /// The source and its report.
    pub(in super::super) source: Option<(NodeId, Seen)>,
}

impl Finding {
    /// Whether every in-sync replica holds the prefix.
    pub(in super::super) fn is_vouched(&self) -> bool {
        self.cut.is_some() && (self.absent.is_empty() || self.by_watermark) && !self.unstable
    }
}

/// A partition that is not settled, or waits for the others.
#[derive(Debug)]
pub(super) struct Open {
    target: Target,
    leader: Option<NodeId>,
    leader_epoch: LeaderEpoch,
    members: BTreeSet<NodeId>,
    watermark: Watermark,
    /// The leader is to report once more: its watermark may be newer by now.
    watching: bool,
    reports: BTreeMap<NodeId, Seen>,
    trouble: BTreeMap<NodeId, Trouble>,
    since: Option<Offset>,
    depth: u32,
    repeats: u8,
    unstable: bool,
    settled: bool,
    /// Whether those that could not be read may be asked again.
    retrying: bool,
}

/// What the image after the reports means for a partition.
pub(super) enum Verdict {
    /// The reports count.
    Settled,
    /// Someone is missing who may still answer.
    Incomplete,
    /// The reports are void.
    Repeated,
}

/// The circumstances of a comparison.
pub(super) struct Look<'a> {
    pub(super) connected: &'a BTreeSet<NodeId>,
    /// Nodes known to have no agent.
    pub(super) excused: &'a BTreeSet<NodeId>,
    /// How many batches are asked for at first.
    pub(super) depth: u32,
    /// The time for answers is over.
    pub(super) late: bool,
    pub(super) now: Moment,
}

/// A replica that could not be read.
#[derive(Debug)]
struct Trouble {
    why: String,
    count: u8,
}

impl Open {
    pub(super) fn new(
        mut target: Target,
        partition: &Partition,
        connected: &BTreeSet<NodeId>,
        depth: u32,
        now: Moment,
    ) -> Self {
        target.source = pick_source(&target, partition, connected);
        Self {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            members: partition.members.iter().copied().collect(),
            watermark: Watermark::since(now),
            watching: false,
            reports: BTreeMap::new(),
            trouble: BTreeMap::new(),
            since: target.since,
            depth,
            repeats: 0,
            unstable: false,
            settled: false,
            retrying: false,
            target,
        }
    }

    pub(super) fn key(&self) -> PartitionKey {
        self.target.key
    }

    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether every member has reported.
    pub(super) fn is_complete(&self) -> bool {
        self.unreported().next().is_none()
    }

    /// Takes in a member's report, made between two moments.
    pub(super) fn accept(&mut self, node: NodeId, seen: Result<Seen, String>, between: (Moment, Moment)) {
        match seen {
            Ok(seen) => {
                self.trouble.remove(&node);
                if self.leader == Some(node) {
                    self.watermark.observe(node, &seen, between);
                    self.watching = false;
                }
                self.reports.insert(node, seen);
            }
            Err(why) => {
                let before = self.trouble.get(&node).map_or(0, |trouble| trouble.count);
                self.trouble.insert(
                    node,
                    Trouble {
                        why,
                        count: before.saturating_add(1),
                    },
                );
                self.retrying = false;
            }
        }
    }

    /// Drops reports that do not reach deep enough. True: there were some.
    pub(super) fn deepen(&mut self) -> bool {
        if self.settled || !self.is_vouched() || self.depth >= MOST_DEPTH {
            return false;
        }
        let Prefix::Deeper { since } = self.prefix() else {
            return false;
        };
        self.since = Some(since);
        self.depth = self.depth.saturating_mul(2);
        self.reports.retain(|_, seen| seen.whole);
        true
    }

    fn unreported(&self) -> impl Iterator<Item = NodeId> {
        self.members
            .iter()
            .copied()
            .filter(|node| !self.reports.contains_key(node))
    }

    /// The members to ask: connected, without a report, and not found unreadable since the metadata was last looked at.
    pub(super) fn askable(&self, connected: &BTreeSet<NodeId>) -> Vec<NodeId> {
        let may_retry = |node: &NodeId| {
            self.trouble
                .get(node)
                .is_none_or(|trouble| self.retrying && trouble.count < MOST_RETRIES)
        };
        let watched = self.leader.filter(|_| self.watching);
        self.unreported()
            .chain(watched)
            .filter(|node| connected.contains(node) && may_retry(node))
            .collect()
    }

    pub(super) fn question(&self, node: NodeId) -> QueryPartition {
        let is_source = self.target.source == Some(node);
        QueryPartition {
            key: self.target.key,
            topic: self.target.topic.clone(),
            compacted: self.target.compacted,
            since: self.since,
            pin_from: self.target.pin_from.filter(|_| is_source),
            leader_epochs: is_source,
            records: self.target.records && is_source,
        }
    }

    fn matching(&self) -> Matching {
        if self.target.compacted {
            Matching::Position
        } else {
            Matching::Bytes
        }
    }

    fn prefix(&self) -> Prefix {
        let log_of = |node: NodeId| {
            let seen = self.reports.get(&node)?;
            Some(ReplicaLog {
                node,
                log_start: seen.log_start,
                log_end: seen.log_end,
                batches: seen.batches.clone(),
                whole: seen.whole,
            })
        };
        let mut logs: Vec<ReplicaLog> = self.reports.keys().copied().filter_map(log_of).collect();
        if self.unreported().next().is_some() {
            logs.extend(self.watermark.log_of(log_of));
        }
        common_prefix(&logs, self.matching())
    }

    /// Compares with the image after the reports.
    pub(super) fn compare(&mut self, partition: &Partition, look: &Look<'_>) -> Verdict {
        let members: BTreeSet<NodeId> = partition.members.iter().copied().collect();
        let elected = partition.leader_epoch != self.leader_epoch;
        // A member that cannot be asked and is out of sync by now: the new image alone is as good a beginning.
        let left = self.unreported().any(|node| !members.contains(&node));
        if elected || left {
            if self.repeats >= MOST_REPEATS {
                self.unstable = true;
                self.settled = true;
                return Verdict::Settled;
            }
            self.repeats += 1;
            self.leader = partition.leader;
            self.leader_epoch = partition.leader_epoch;
            self.watermark = Watermark::since(look.now);
            self.watching = false;
            self.members = members;
            self.reports.clear();
            self.trouble.clear();
            self.retrying = false;
            self.since = self.target.since;
            self.depth = look.depth;
            self.target.source = pick_source(&self.target, partition, look.connected);
            return Verdict::Repeated;
        }
        self.members.extend(members);
        self.retrying = true;
        let unreadable = |node: &NodeId| {
            self.trouble
                .get(node)
                .is_some_and(|trouble| trouble.count >= MOST_RETRIES)
        };
        let hopeless =
            |node: NodeId| unreadable(&node) || (look.excused.contains(&node) && !look.connected.contains(&node));
        self.settled =
            look.late || self.is_vouched() || (self.unreported().all(hopeless) && !self.can_watch(look.connected));
        // While someone is missing, the leader's watermark is watched: it may come to vouch in the missing one's place.
        self.watching = !self.settled && self.can_watch(look.connected);
        if self.settled {
            Verdict::Settled
        } else {
            Verdict::Incomplete
        }
    }

    /// Whether every member has reported, or the leader's high watermark stands for those that have not.
    fn is_vouched(&self) -> bool {
        self.is_complete() || self.is_vouched_by_watermark()
    }

    fn is_vouched_by_watermark(&self) -> bool {
        self.watermark
            .leader()
            .is_some_and(|leader| self.reports.contains_key(&leader))
    }

    /// Whether the leader's high watermark may still come to vouch for the partition.
    fn can_watch(&self, connected: &BTreeSet<NodeId>) -> bool {
        let Some(leader) = self.leader.filter(|leader| connected.contains(leader)) else {
            return false;
        };
        self.reports
            .get(&leader)
            .is_some_and(|seen| seen.checkpointed.is_some())
    }

    pub(super) fn into_finding(mut self, connected: &BTreeSet<NodeId>) -> Finding {
        let absent: Vec<(NodeId, String)> = self
            .unreported()
            .map(|node| {
                let why = match self.trouble.get(&node) {
                    Some(trouble) => trouble.why.clone(),
                    None if connected.contains(&node) => "its agent did not answer in time".to_owned(),
                    None => NO_AGENT.to_owned(),
                };
                (node, why)
            })
            .collect();
        let by_watermark = self.is_vouched_by_watermark();
        let cut = match self.prefix() {
            Prefix::At(batch) => Some(Cut::After(batch)),
            Prefix::Empty(offset) => Some(Cut::Empty(offset)),
            Prefix::Deeper { .. } | Prefix::Nothing => None,
        };
        let source = self
            .target
            .source
            .filter(|node| self.reports.contains_key(node))
            .or(self.reports.keys().next().copied());
        let source = source.and_then(|node| Some((node, self.reports.remove(&node)?)));
        let cut = match (cut, &source) {
            (Some(Cut::After(batch)), Some((_, seen))) => Some(Cut::After(own_batch(batch, seen))),
            (cut, _) => cut,
        };
        Finding {
            cut,
            absent,
            by_watermark,
            unstable: self.unstable,
            source,
        }
    }
}

/// The source's batch at a common end: compaction leaves each replica other bytes, and the source checks its own.
fn own_batch(batch: BatchEnd, seen: &Seen) -> BatchEnd {
    let own = seen
        .batches
        .iter()
        .find(|own| own.end_offset == batch.end_offset && own.leader_epoch == batch.leader_epoch);
    own.copied().unwrap_or(batch)
}

fn pick_source(target: &Target, partition: &Partition, connected: &BTreeSet<NodeId>) -> Option<NodeId> {
    target
        .source
        .filter(|node| connected.contains(node) && partition.members.contains(node))
        .or_else(|| source_plan::choose(partition, connected, &BTreeSet::new(), &BTreeMap::new()))
}
