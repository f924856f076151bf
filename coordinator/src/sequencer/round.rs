//! One phase of the capture: who is asked what, when all have answered, and what that proves.
//!
//! A partition is settled when every member of ISR ∪ ELR, of the images before *and* after the answers, has reported, the
//! leader epoch is the same in both, and the reports have a batch end in common (DESIGN §3.4).

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::{BatchEnd, Cut, Matching, PartitionKey, Prefix, ReplicaLog, common_prefix};
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};

use super::{Moment, Phase, QueryPartition, Reports, Seen, Timing};
use crate::layout::{Layout, Partition};
use crate::source_plan;

/// After so many changes of a partition's leader epoch within a phase it is taken as it is, without a voucher.
const MOST_REPEATS: u8 = 5;
/// So many unreadable reports in a row, each after a pause, and the replica counts as unreadable. (A new topic's replica
/// takes a moment to appear, and a deleted one's to be gone from the metadata.)
const MOST_RETRIES: u8 = 25;
/// The deepest that reports are asked for.
const MOST_DEPTH: u32 = 1 << 20;

/// What a phase is to find out about a partition.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) key: PartitionKey,
    pub(super) topic: String,
    pub(super) compacted: bool,
    /// The replicated prefix of phase M.
    pub(super) since: Option<Offset>,
    /// The node that is to be read.
    pub(super) source: Option<NodeId>,
    /// Where its pin starts; `None`: nothing is pinned in this phase.
    pub(super) pin_from: Option<Offset>,
}

/// What a phase found out about a partition.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// The replicated prefix, if there is one.
    pub(super) cut: Option<Cut>,
    /// Members that could not be asked, and why.
    pub(super) absent: Vec<(NodeId, String)>,
    /// Whether the leader epoch changed in every repetition.
    pub(super) unstable: bool,
    /// The source and its report.
    pub(super) source: Option<(NodeId, Seen)>,
}

impl Finding {
    /// Whether every in-sync replica holds the prefix.
    pub(super) fn is_vouched(&self) -> bool {
        self.cut.is_some() && self.absent.is_empty() && !self.unstable
    }
}

/// A request to one node.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) node: NodeId,
    pub(super) request: u64,
    pub(super) depth: u32,
    pub(super) partitions: Vec<QueryPartition>,
}

/// What is to be done next.
pub(super) enum Step {
    /// Wait for answers.
    Wait,
    /// Bring the metadata up to date and [`Round::settle`].
    ReadMetadata,
}

/// One phase under way.
#[derive(Debug)]
pub(super) struct Round {
    phase: Phase,
    open: BTreeMap<PartitionKey, Open>,
    requests: BTreeMap<u64, Request>,
    deadline: Moment,
    last_deadline: Moment,
    /// When to look again whether those who cannot answer still matter.
    next_check: Moment,
    depth: u32,
    /// Whether there may be something to ask that was not asked.
    unasked: bool,
    settling: bool,
    total: usize,
    /// Nodes known to have no agent: nobody waits for them.
    excused: BTreeSet<NodeId>,
    findings: BTreeMap<PartitionKey, Finding>,
    gone: Vec<PartitionKey>,
}

#[derive(Debug)]
struct Request {
    node: NodeId,
    partitions: BTreeSet<PartitionKey>,
}

#[derive(Debug)]
struct Open {
    target: Target,
    leader_epoch: LeaderEpoch,
    members: BTreeSet<NodeId>,
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
enum Verdict {
    /// The reports count.
    Settled,
    /// Someone is missing who may still answer.
    Incomplete,
    /// The reports are void.
    Repeated,
}

/// A replica that could not be read.
#[derive(Debug)]
struct Trouble {
    why: String,
    count: u8,
}

impl Round {
    /// Starts a phase over the partitions that are in the layout still.
    pub(super) fn new(
        phase: Phase,
        targets: Vec<Target>,
        layout: &Layout,
        connected: &BTreeSet<NodeId>,
        excused: &BTreeSet<NodeId>,
        timing: &Timing,
        now: Moment,
    ) -> Self {
        let depth = if phase == Phase::M { timing.depth } else { 2 };
        let mut round = Self {
            phase,
            open: BTreeMap::new(),
            requests: BTreeMap::new(),
            deadline: now.after(timing.phase),
            last_deadline: now.after(timing.phase * u32::from(MOST_REPEATS)),
            next_check: now,
            depth,
            unasked: true,
            settling: false,
            total: targets.len(),
            excused: excused.difference(connected).copied().collect(),
            findings: BTreeMap::new(),
            gone: Vec::new(),
        };
        for mut target in targets {
            let Some((_, partition)) = layout.partition(&target.key) else {
                round.gone.push(target.key);
                continue;
            };
            target.source = pick_source(&target, partition, connected);
            let open = Open {
                leader_epoch: partition.leader_epoch,
                members: partition.members.iter().copied().collect(),
                reports: BTreeMap::new(),
                trouble: BTreeMap::new(),
                since: target.since,
                depth,
                repeats: 0,
                unstable: false,
                settled: false,
                retrying: false,
                target,
            };
            round.open.insert(open.target.key, open);
        }
        round
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Partitions with every report in, and partitions of the phase.
    pub(super) fn progress(&self) -> (u64, u64) {
        let waiting = self
            .open
            .values()
            .filter(|open| open.reports.len() < open.members.len())
            .count();
        (self.total.saturating_sub(waiting) as u64, self.total as u64)
    }

    /// Takes in reports. Those to requests that are not outstanding are left: they were answered or given up.
    pub(super) fn accept(&mut self, node: NodeId, reports: Reports) {
        let Some(request) = self
            .requests
            .get_mut(&reports.request)
            .filter(|request| request.node == node)
        else {
            return;
        };
        for report in reports.reports {
            if !request.partitions.remove(&report.key) {
                continue;
            }
            let Some(open) = self.open.get_mut(&report.key) else {
                continue;
            };
            match report.seen {
                Ok(seen) => {
                    open.trouble.remove(&node);
                    open.reports.insert(node, seen);
                }
                Err(why) => {
                    let count = open
                        .trouble
                        .get(&node)
                        .map_or(0, |trouble| trouble.count)
                        .saturating_add(1);
                    open.trouble.insert(node, Trouble { why, count });
                    open.retrying = false;
                }
            }
        }
        if request.partitions.is_empty() {
            self.requests.remove(&reports.request);
        }
    }

    /// What was asked of a node and not answered must be asked again when it is back.
    pub(super) fn agent_left(&mut self, node: NodeId) {
        self.requests.retain(|_, request| request.node != node);
        self.unasked = true;
    }

    /// There is someone new who can be asked.
    pub(super) fn agent_joined(&mut self, node: NodeId) {
        self.agent_left(node);
    }

    /// Asks what is to be asked and says what to wait for. Cheap while answers are outstanding: it is called with every event.
    pub(super) fn advance(
        &mut self,
        connected: &BTreeSet<NodeId>,
        next_request: &mut u64,
        now: Moment,
    ) -> (Vec<Question>, Step) {
        let late = now >= self.deadline;
        if self.settling || (!late && !self.unasked && !self.requests.is_empty()) {
            return (Vec::new(), Step::Wait);
        }
        let mut questions = Vec::new();
        if late {
            // Who has not answered by now counts as absent; the settling says whether that matters.
            self.requests.clear();
        } else {
            self.unasked = false;
            questions = self.ask(connected, next_request);
            if self.requests.is_empty() && self.deepen() {
                questions = self.ask(connected, next_request);
            }
            if !self.requests.is_empty() || now < self.next_check {
                return (questions, Step::Wait);
            }
        }
        self.settling = true;
        (questions, Step::ReadMetadata)
    }

    /// Whether every answer is in and the metadata is awaited.
    pub(super) fn is_settling(&self) -> bool {
        self.settling
    }

    /// Whether the time for answers is over.
    pub(super) fn is_late(&self, now: Moment) -> bool {
        now >= self.deadline
    }

    /// The metadata could not be read: look again.
    pub(super) fn resume(&mut self) {
        self.settling = false;
    }

    /// Compares with the image after the reports. True: the phase is over, see [`Round::finish`].
    pub(super) fn settle(
        &mut self,
        layout: &Layout,
        connected: &BTreeSet<NodeId>,
        timing: &Timing,
        now: Moment,
    ) -> bool {
        if !self.settling {
            return false;
        }
        self.settling = false;
        self.unasked = true;
        self.next_check = now.after(timing.retry);
        let late = now >= self.deadline;
        let (mut repeated, mut unsettled) = (false, false);
        let mut gone = Vec::new();
        for (key, open) in self.open.iter_mut().filter(|(_, open)| !open.settled) {
            let Some((_, partition)) = layout.partition(key) else {
                gone.push(*key);
                continue;
            };
            match open.compare(partition, connected, &self.excused, self.depth, late) {
                Verdict::Settled => open.settled = true,
                Verdict::Incomplete => unsettled = true,
                Verdict::Repeated => repeated = true,
            }
        }
        for key in gone {
            self.open.remove(&key);
            self.gone.push(key);
        }
        if repeated {
            self.next_check = now;
            self.deadline = now.after(timing.phase).min(self.last_deadline).max(self.deadline);
        }
        if repeated || unsettled {
            return false;
        }
        for (key, open) in std::mem::take(&mut self.open) {
            self.findings.insert(key, open.into_finding(connected));
        }
        true
    }

    /// What was found, and which partitions are gone.
    pub(super) fn finish(self) -> (BTreeMap<PartitionKey, Finding>, Vec<PartitionKey>) {
        (self.findings, self.gone)
    }

    fn ask(&mut self, connected: &BTreeSet<NodeId>, next_request: &mut u64) -> Vec<Question> {
        let mut outstanding: BTreeSet<(NodeId, PartitionKey)> = BTreeSet::new();
        for request in self.requests.values() {
            outstanding.extend(request.partitions.iter().map(|key| (request.node, *key)));
        }
        // One request per node and depth: the depth is the request's, the rest each partition's own.
        let mut asked: BTreeMap<(NodeId, u32), Vec<QueryPartition>> = BTreeMap::new();
        for open in self.open.values_mut().filter(|open| !open.settled) {
            let key = open.target.key;
            for node in open.askable(connected) {
                if !outstanding.contains(&(node, key)) {
                    asked.entry((node, open.depth)).or_default().push(open.question(node));
                }
            }
        }
        let mut questions = Vec::new();
        for ((node, depth), partitions) in asked {
            *next_request += 1;
            let keys = partitions.iter().map(|partition| partition.key).collect();
            self.requests.insert(*next_request, Request { node, partitions: keys });
            questions.push(Question {
                node,
                request: *next_request,
                depth,
                partitions,
            });
        }
        questions
    }

    /// Drops reports that do not reach deep enough. True: there were some.
    fn deepen(&mut self) -> bool {
        let mut deeper = false;
        for open in self
            .open
            .values_mut()
            .filter(|open| !open.settled && open.unreported().next().is_none())
        {
            if let Prefix::Deeper { since } = open.prefix()
                && open.depth < MOST_DEPTH
            {
                open.since = Some(since);
                open.depth = open.depth.saturating_mul(2);
                open.reports.retain(|_, seen| seen.whole);
                deeper = true;
            }
        }
        deeper
    }
}

impl Open {
    fn unreported(&self) -> impl Iterator<Item = NodeId> {
        self.members
            .iter()
            .copied()
            .filter(|node| !self.reports.contains_key(node))
    }

    /// The members to ask: connected, without a report, and not found unreadable since the metadata was last looked at.
    fn askable(&self, connected: &BTreeSet<NodeId>) -> Vec<NodeId> {
        let may_retry = |node: &NodeId| {
            self.trouble
                .get(node)
                .is_none_or(|trouble| self.retrying && trouble.count < MOST_RETRIES)
        };
        self.unreported()
            .filter(|node| connected.contains(node) && may_retry(node))
            .collect()
    }

    fn question(&self, node: NodeId) -> QueryPartition {
        let is_source = self.target.source == Some(node);
        QueryPartition {
            key: self.target.key,
            topic: self.target.topic.clone(),
            compacted: self.target.compacted,
            since: self.since,
            pin_from: self.target.pin_from.filter(|_| is_source),
            leader_epochs: is_source,
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
        let logs: Vec<ReplicaLog> = self
            .reports
            .iter()
            .map(|(node, seen)| ReplicaLog {
                node: *node,
                log_start: seen.log_start,
                log_end: seen.log_end,
                batches: seen.batches.clone(),
                whole: seen.whole,
            })
            .collect();
        common_prefix(&logs, self.matching())
    }

    /// Compares with the image after the reports.
    fn compare(
        &mut self,
        partition: &Partition,
        connected: &BTreeSet<NodeId>,
        excused: &BTreeSet<NodeId>,
        depth: u32,
        late: bool,
    ) -> Verdict {
        let members: BTreeSet<NodeId> = partition.members.iter().copied().collect();
        let elected = partition.leader_epoch != self.leader_epoch;
        // A member that cannot be asked and is out of sync by now: the new image alone is as good a beginning.
        let left = self.unreported().any(|node| !members.contains(&node));
        if elected || left {
            if self.repeats >= MOST_REPEATS {
                self.unstable = true;
                return Verdict::Settled;
            }
            self.repeats += 1;
            self.leader_epoch = partition.leader_epoch;
            self.members = members;
            self.reports.clear();
            self.trouble.clear();
            self.retrying = false;
            self.since = self.target.since;
            self.depth = depth;
            self.target.source = pick_source(&self.target, partition, connected);
            return Verdict::Repeated;
        }
        self.members.extend(members);
        self.retrying = true;
        let unreadable = |node: &NodeId| {
            self.trouble
                .get(node)
                .is_some_and(|trouble| trouble.count >= MOST_RETRIES)
        };
        let hopeless = |node: NodeId| unreadable(&node) || (excused.contains(&node) && !connected.contains(&node));
        if late || self.unreported().all(hopeless) {
            Verdict::Settled
        } else {
            Verdict::Incomplete
        }
    }

    fn into_finding(mut self, connected: &BTreeSet<NodeId>) -> Finding {
        let absent: Vec<(NodeId, String)> = self
            .unreported()
            .map(|node| {
                let why = match self.trouble.get(&node) {
                    Some(trouble) => trouble.why.clone(),
                    None if connected.contains(&node) => "its agent did not answer in time".to_owned(),
                    None => "it has no connected agent".to_owned(),
                };
                (node, why)
            })
            .collect();
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
