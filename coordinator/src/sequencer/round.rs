//! One phase of the capture: who is asked what, when all have answered, and what that proves.
//!
//! A partition is settled when every member of ISR ∪ ELR, of the images before *and* after the answers, has reported, the
//! leader epoch is the same in both, and the reports have a batch end in common (DESIGN §3.4).

mod partition;
mod watermark;

use std::collections::{BTreeMap, BTreeSet};

use maxbrod_cut::PartitionKey;
use maxbrod_kafka::NodeId;

use super::{Moment, Phase, QueryPartition, Reports, Seen, Timing};
use crate::layout::Layout;

pub(super) use partition::{Finding, NO_AGENT, Target};
use partition::{Look, Open, Verdict};

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
    sent: Moment,
    partitions: BTreeSet<PartitionKey>,
    /// Reports of which a piece has arrived.
    begun: BTreeMap<PartitionKey, Seen>,
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
        // Where there is no offset to ask from, the last few batches nearly always reach back to the common one.
        let depth = if matches!(phase, Phase::A | Phase::M) {
            timing.depth
        } else {
            2
        };
        let mut round = Self {
            phase,
            open: BTreeMap::new(),
            requests: BTreeMap::new(),
            deadline: now.after(timing.phase),
            last_deadline: now.after(timing.phase * partition::MOST_REPEATS.into()),
            next_check: now,
            depth,
            unasked: true,
            settling: false,
            total: targets.len(),
            excused: excused.difference(connected).copied().collect(),
            findings: BTreeMap::new(),
            gone: Vec::new(),
        };
        for target in targets {
            match layout.partition(&target.key) {
                Some((_, partition)) => {
                    let open = Open::new(target, partition, connected, depth, now);
                    round.open.insert(open.key(), open);
                }
                None => round.gone.push(target.key),
            }
        }
        round
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Partitions with every report in, and partitions of the phase.
    pub(super) fn progress(&self) -> (u64, u64) {
        let waiting = self.open.values().filter(|open| !open.is_complete()).count();
        (self.total.saturating_sub(waiting) as u64, self.total as u64)
    }

    /// Takes in reports. Those to requests that are not outstanding are left: they were answered or given up.
    pub(super) fn accept(&mut self, node: NodeId, reports: Reports, now: Moment) {
        let Some(request) = self
            .requests
            .get_mut(&reports.request)
            .filter(|request| request.node == node)
        else {
            return;
        };
        for report in reports.reports {
            if !request.partitions.contains(&report.key) {
                continue;
            }
            let Some(seen) = request.assemble(report.key, report.seen) else {
                continue;
            };
            request.partitions.remove(&report.key);
            if let Some(open) = self.open.get_mut(&report.key) {
                open.accept(node, seen, (request.sent, now));
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
        let ask = |round: &mut Self, next_request: &mut u64| round.ask(connected, next_request, now);
        let mut questions = Vec::new();
        if late {
            // Who has not answered by now counts as absent; the settling says whether that matters.
            self.requests.clear();
        } else {
            self.unasked = false;
            questions = ask(self, next_request);
            if self.requests.is_empty() && self.deepen() {
                questions = ask(self, next_request);
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
        for (key, open) in self.open.iter_mut().filter(|(_, open)| !open.is_settled()) {
            let Some((_, partition)) = layout.partition(key) else {
                gone.push(*key);
                continue;
            };
            let look = Look {
                connected,
                excused: &self.excused,
                depth: self.depth,
                late,
                now,
            };
            match open.compare(partition, &look) {
                Verdict::Settled => {}
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

    fn ask(&mut self, connected: &BTreeSet<NodeId>, next_request: &mut u64, now: Moment) -> Vec<Question> {
        let mut outstanding: BTreeSet<(NodeId, PartitionKey)> = BTreeSet::new();
        for request in self.requests.values() {
            outstanding.extend(request.partitions.iter().map(|key| (request.node, *key)));
        }
        // One request per node and depth: the depth is the request's, the rest each partition's own.
        let mut asked: BTreeMap<(NodeId, u32), Vec<QueryPartition>> = BTreeMap::new();
        for (key, open) in self.open.iter().filter(|(_, open)| !open.is_settled()) {
            for node in open.askable(connected) {
                if !outstanding.contains(&(node, *key)) {
                    asked.entry((node, open.depth())).or_default().push(open.question(node));
                }
            }
        }
        let mut questions = Vec::new();
        for ((node, depth), partitions) in asked {
            *next_request += 1;
            let keys = partitions.iter().map(|partition| partition.key).collect();
            let request = Request {
                node,
                sent: now,
                partitions: keys,
                begun: BTreeMap::new(),
            };
            self.requests.insert(*next_request, request);
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
        for open in self.open.values_mut() {
            deeper |= open.deepen();
        }
        deeper
    }
}

impl Request {
    /// Puts a report together that may come in pieces: the whole of it, once the last piece is there.
    fn assemble(&mut self, key: PartitionKey, piece: Result<Seen, String>) -> Option<Result<Seen, String>> {
        let piece = match piece {
            Ok(piece) => piece,
            Err(why) => {
                self.begun.remove(&key);
                return Some(Err(why));
            }
        };
        let seen = match self.begun.remove(&key) {
            Some(mut seen) => {
                seen.append(piece);
                seen
            }
            None => piece,
        };
        if seen.more {
            self.begun.insert(key, seen);
            return None;
        }
        Some(Ok(seen))
    }
}
