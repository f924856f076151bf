//! The snapshot under way: its request, gathering and seeding, its end.

use std::collections::BTreeSet;
use std::time::Duration;

use maxbrod_cut::{CutBack, Cuts, Level, Note, PartitionKey};
use maxbrod_kafka::{NodeId, Offset, PartitionId};

use super::capture::Captures;
use super::round::Round;
use super::shipping::Shipping;
use super::*;
use crate::config::HookMoment;
use crate::harvest::{HookResult, Times};

/// A snapshot from its request on.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) attempt: u32,
    pub(super) label: String,
    pub(super) times: Times,
    pub(super) step: Step,
    pub(super) captures: Captures,
    pub(super) gaps: BTreeSet<Gap>,
    pub(super) notes: Vec<Note>,
    /// How far the metadata was when the phases began.
    pub(super) began_at: Offset,
    /// Nodes without an agent, which the policy allows: nobody waits for them.
    pub(super) excused: BTreeSet<NodeId>,
    /// The metadata after the last phase: the snapshot's own.
    pub(super) view: Option<View>,
    pub(super) cuts: Option<Cuts>,
    /// The level that the cuts reach, with all that is known of what they rest on.
    pub(super) level: Level,
    /// The level that it must reach.
    pub(super) required: Level,
    /// How often it was begun.
    pub(super) tries: u32,
    pub(super) hooks: Hooks,
    pub(super) told: Option<Progress>,
}

/// The applications' commands of a snapshot.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    /// They are running.
    pub(super) pending: bool,
    pub(super) results: Vec<HookResult>,
}

/// Where a snapshot stands.
#[derive(Debug)]
pub(super) enum Step {
    /// Waiting until every member's agent is there, and a majority of the controllers'.
    Gathering { deadline: Moment },
    /// Waiting before it is begun anew, because it did not reach the level required.
    Resting { until: Moment },
    /// Waiting until the agents have shipped what is closed.
    Seeding,
    /// Waiting for the applications' commands at the start.
    Hooks,
    /// Waiting for the metadata that phase M begins with.
    Poised,
    /// In a phase.
    Phase(Box<Round>),
    /// Shipping up to the cuts.
    Shipping(Box<Shipping>),
    /// Waiting for the commit.
    Committing,
}

impl Snapshot {
    fn new(attempt: u32, label: String, required: Level, started: Moment) -> Self {
        Self {
            attempt,
            label,
            times: Times {
                started,
                ..Times::default()
            },
            step: Step::Seeding,
            captures: Captures::default(),
            gaps: BTreeSet::new(),
            notes: Vec::new(),
            began_at: Offset(0),
            excused: BTreeSet::new(),
            view: None,
            cuts: None,
            level: Level::CrashConsistent,
            required,
            tries: 1,
            hooks: Hooks::default(),
            told: None,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match &self.step {
            Step::Gathering { .. } | Step::Resting { .. } => Stage::WaitingForAgents,
            Step::Seeding => Stage::Seeding,
            Step::Hooks => Stage::Hooks,
            Step::Poised => Stage::PhaseA,
            Step::Phase(round) => match round.phase() {
                Phase::C | Phase::Z if round.is_settling() => Stage::Metadata,
                Phase::A => Stage::PhaseA,
                Phase::C => Stage::PhaseC,
                Phase::Z => Stage::PhaseZ,
                Phase::M => Stage::PhaseM,
                Phase::Q => Stage::PhaseQ,
                Phase::G => Stage::PhaseG,
                Phase::P => Stage::PhaseP,
            },
            Step::Shipping(_) => Stage::Shipping,
            Step::Committing => Stage::Committing,
        }
    }

    /// Leaves a partition out whose topic was deleted: that is no fault, but it is said.
    pub(super) fn drop_deleted(&mut self, key: &PartitionKey) {
        if let Some(dropped) = self.captures.remove(key) {
            let text = format!(
                "{}-{} was deleted while the snapshot was taken and is not in it",
                dropped.order.topic, key.partition
            );
            self.notes.push(Note {
                partition: Some(*key),
                text,
            });
        }
    }

    /// Says where records were lost in the cluster itself since the last snapshot: that is no fault of this one, but what an
    /// unclean election in the middle of it made of transactions nobody can vouch for.
    pub(super) fn name_losses(&mut self, view: &View, reported: Offset) {
        for ((topic_id, partition), (at, leader)) in view.metadata.unclean_elections.iter() {
            let key = PartitionKey {
                topic_id: *topic_id,
                partition: *partition,
            };
            if *at < reported || view.layout.partition(&key).is_none() {
                continue;
            }
            if *at >= self.began_at {
                self.level = self.level.min(Level::BestEffort);
            }
            self.notes.push(Note {
                partition: Some(key),
                text: format!(
                    "{}: node {leader} became its leader without being in sync (unclean election, metadata offset {at}); \
                     records that only the others held are lost in the cluster itself",
                    view.layout.name_of(&key)
                ),
            });
        }
    }

    /// What the solver could not vouch for, after what was noticed before.
    pub(super) fn all_notes(&self) -> impl Iterator<Item = &Note> {
        let solved = self.cuts.iter().flat_map(|cuts| &cuts.notes);
        self.notes.iter().chain(solved)
    }

    /// What was cut back, by topic.
    pub(super) fn cut_back(&self) -> Vec<(String, CutBack)> {
        let all = self.cuts.iter().flat_map(|cuts| &cuts.cut_back);
        all.map(|cut_back| {
            let topic = self.captures.get(&cut_back.partition).map_or_else(
                || cut_back.partition.topic_id.to_string(),
                |captured| captured.order.topic.clone(),
            );
            (topic, cut_back.clone())
        })
        .collect()
    }

    pub(super) fn gap(&mut self, what: String, why: impl Into<String>, remedy: &str) {
        self.gaps.insert(Gap {
            what,
            why: why.into(),
            remedy: remedy.to_owned(),
        });
    }
}

impl Sequencer {
    pub(super) fn create(&mut self, label: String, required: Option<Level>, now: Moment, out: &mut Vec<Command>) {
        let run = self.run().unwrap_or(0);
        let refuse = |code: &str, message: &str, remedy: &str| {
            let result = Err(Failure::new(code, message, remedy));
            Command::Finished(Outcome {
                run,
                attempt: 0,
                label: String::new(),
                duration: Duration::ZERO,
                freeze: Duration::ZERO,
                gaps: Vec::new(),
                cut_back: Vec::new(),
                notes: Vec::new(),
                hooks: Vec::new(),
                result,
            })
        };
        if self.snapshot.is_some() {
            // The service says so before; this is for the schedule, which then simply misses a turn.
            return;
        }
        if self.assignments.run().is_none() {
            out.push(refuse(
                "no-open-run",
                "take a snapshot: no run is open",
                "wait until the coordinator is ready",
            ));
            return;
        }
        self.attempt = self.attempt.wrapping_add(1);
        let mut snapshot = Snapshot::new(self.attempt, label, required.unwrap_or(self.policy.consistency), now);
        snapshot.step = Step::Gathering {
            deadline: now.after(self.timing.agents),
        };
        self.snapshot = Some(snapshot);
        self.look_anew(now, out);
        self.tell(out);
    }

    /// Begins the snapshot anew after a pause, with nothing of what was captured.
    pub(super) fn begin_anew(&mut self, now: Moment, out: &mut Vec<Command>) {
        let Some(old) = self.snapshot.take() else { return };
        let run = self.run().unwrap_or(0);
        out.push(Command::Release {
            run,
            attempt: old.attempt,
        });
        self.attempt = self.attempt.wrapping_add(1);
        let mut snapshot = Snapshot::new(self.attempt, old.label, old.required, old.times.started);
        snapshot.tries = old.tries + 1;
        snapshot.step = Step::Resting {
            until: now.after(self.timing.rest),
        };
        self.snapshot = Some(snapshot);
    }

    pub(super) fn cancel(&mut self, now: Moment, out: &mut Vec<Command>) {
        match &self.snapshot {
            None
            | Some(Snapshot {
                step: Step::Committing, ..
            }) => {}
            Some(_) => {
                let failure = Failure::new(
                    "cancelled",
                    "take a snapshot: it was cancelled",
                    "create it again when you want it",
                );
                self.fail(failure, now, out);
            }
        }
    }

    /// Ends the snapshot without a commit. The run stays open and keeps what was shipped.
    pub(super) fn fail(&mut self, failure: Failure, now: Moment, out: &mut Vec<Command>) {
        let Some(snapshot) = self.snapshot.take() else { return };
        let run = self.run().unwrap_or(0);
        out.push(Command::Release {
            run,
            attempt: snapshot.attempt,
        });
        out.push(Command::Finished(snapshot.outcome(run, now, Err(failure))));
    }

    pub(super) fn on_agent(&mut self, node: NodeId, joined: bool, now: Moment) {
        match self.snapshot.as_mut().map(|snapshot| &mut snapshot.step) {
            Some(Step::Phase(round)) if joined => round.agent_joined(node),
            Some(Step::Phase(round)) => round.agent_left(node),
            Some(Step::Shipping(shipping)) if joined => shipping.agent_joined(node, now),
            Some(Step::Shipping(shipping)) => shipping.agent_left(node, now),
            _ => {}
        }
    }

    pub(super) fn on_sign_of_life(&mut self, node: NodeId, now: Moment) {
        if let Some(Step::Shipping(shipping)) = self.snapshot.as_mut().map(|snapshot| &mut snapshot.step) {
            shipping.heard(node, now);
        }
    }

    pub(super) fn on_view(&mut self, view: &View, now: Moment, out: &mut Vec<Command>) {
        match self.snapshot.as_ref().map(|snapshot| &snapshot.step) {
            None | Some(Step::Seeding) => self.assign(now, out),
            Some(Step::Gathering { deadline }) => {
                let late = now >= *deadline;
                self.gather(view, late, now, out);
            }
            Some(Step::Poised) => self.begin(view, now, out),
            Some(Step::Phase(_)) => self.settle(view, now, out),
            Some(Step::Resting { .. } | Step::Hooks | Step::Shipping(_) | Step::Committing) => {}
        }
    }

    pub(super) fn on_no_view(&mut self, why: &str, now: Moment, out: &mut Vec<Command>) {
        let Some(snapshot) = &mut self.snapshot else { return };
        let late = match &mut snapshot.step {
            Step::Gathering { deadline } => now >= *deadline,
            Step::Poised => true,
            Step::Phase(round) => {
                round.resume();
                round.is_late(now)
            }
            Step::Resting { .. } | Step::Seeding | Step::Hooks | Step::Shipping(_) | Step::Committing => false,
        };
        if late {
            let failure = Failure::new(
                "no-metadata",
                format!("read the cluster's metadata: {why}"),
                "run an agent on every controller and check that it can read metadata.log.dir",
            );
            self.fail(failure, now, out);
        }
    }

    /// Goes on to seeding when everyone is there, or when waiting has to end.
    fn gather(&mut self, view: &View, late: bool, now: Moment, out: &mut Vec<Command>) {
        let missing: BTreeSet<NodeId> = view
            .layout
            .partitions()
            .flat_map(|(_, _, partition)| partition.members.iter().copied())
            .filter(|node| !self.connected.contains(node))
            .collect();
        let settled = view.standing == Standing::Committed;
        if !late && (!missing.is_empty() || !settled) {
            return;
        }
        if !missing.is_empty() && self.policy.require == Require::All {
            let nodes: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let failure = Failure::new(
                "agents-missing",
                format!(
                    "take a snapshot: no agent is connected for node {}, which has in-sync replicas",
                    nodes.join(", ")
                ),
                "start maxbrod-agent there, or allow gaps with [snapshot] require = \"one-replica\"",
            );
            self.fail(failure, now, out);
            return;
        }
        self.assign(now, out);
        if let Some(snapshot) = &mut self.snapshot {
            for node in missing {
                snapshot.excused.insert(node);
                snapshot.gap(
                    format!("node {node}"),
                    "it has in-sync replicas and no connected agent",
                    "start maxbrod-agent there",
                );
            }
            snapshot.step = Step::Seeding;
        }
        self.tell(out);
    }

    /// Waits for the metadata that the phases begin with.
    fn poise(&mut self, now: Moment, out: &mut Vec<Command>) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.step = Step::Poised;
            self.look_anew(now, out);
        }
    }

    /// Has the applications checkpoint their own state.
    pub(super) fn run_hooks(
        &mut self,
        moment: HookMoment,
        cuts: Vec<(String, PartitionId, Offset)>,
        out: &mut Vec<Command>,
    ) {
        let run = self.run().unwrap_or(0);
        let Some(snapshot) = &mut self.snapshot else { return };
        snapshot.hooks.pending = true;
        out.push(Command::RunHooks(RunHooks {
            run,
            attempt: snapshot.attempt,
            label: snapshot.label.clone(),
            moment,
            cuts,
        }));
    }

    /// The applications have answered: without one that must not fail there is no snapshot.
    pub(super) fn on_hooks_ended(
        &mut self,
        attempt: u32,
        results: Vec<HookResult>,
        now: Moment,
        out: &mut Vec<Command>,
    ) {
        let Some(snapshot) = &mut self.snapshot else { return };
        if snapshot.attempt != attempt || !snapshot.hooks.pending {
            return;
        }
        snapshot.hooks.pending = false;
        let failed = results.iter().find(|result| result.error.is_some() && !result.may_fail);
        let failure = failed.map(|result| {
            let why = result.error.as_deref().unwrap_or_default();
            Failure::new(
                "hook-failed",
                format!("run hook {} at {}: {why}", result.name, result.moment.name()),
                "repair the command, or let the snapshot go on without it by on_failure = \"continue\"",
            )
        });
        snapshot.hooks.results.extend(results);
        let at_start = matches!(snapshot.step, Step::Hooks);
        match failure {
            Some(failure) => self.fail(failure, now, out),
            None if at_start => self.poise(now, out),
            None => {}
        }
    }

    /// Everything that follows from the state alone.
    pub(super) fn advance(&mut self, now: Moment, out: &mut Vec<Command>) {
        loop {
            let Some(snapshot) = &mut self.snapshot else { return };
            let stage = snapshot.stage();
            match &mut snapshot.step {
                Step::Seeding if self.assignments.is_seeded(self.timing.backlog) => {
                    if self.policy.hooks_at_start {
                        snapshot.step = Step::Hooks;
                        self.run_hooks(HookMoment::Start, Vec::new(), out);
                    } else {
                        self.poise(now, out);
                    }
                }
                Step::Phase(_) => self.advance_phase(now, out),
                Step::Shipping(_) => self.advance_shipping(now, out),
                Step::Resting { until } if now >= *until => {
                    snapshot.step = Step::Gathering {
                        deadline: now.after(self.timing.agents),
                    };
                    self.look_anew(now, out);
                }
                Step::Gathering { .. }
                | Step::Resting { .. }
                | Step::Seeding
                | Step::Hooks
                | Step::Poised
                | Step::Committing => {}
            }
            self.tell_stage(out);
            if self.stage() == Some(stage) || self.snapshot.is_none() {
                return;
            }
        }
    }

    pub(super) fn tick_snapshot(&mut self, now: Moment, out: &mut Vec<Command>) {
        let Some(snapshot) = &mut self.snapshot else { return };
        if let (Step::Shipping(shipping), Some(view)) = (&mut snapshot.step, &snapshot.view) {
            shipping.tick(&view.layout, &self.connected, &self.timing, now);
        }
        self.tell(out);
    }
}
