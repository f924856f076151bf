//! The sequencer: a pure state machine that takes a snapshot of the whole cluster, step by step (DESIGN §3).
//!
//! Events go in, commands come out. It does no I/O and has no clock: each event carries the moment at which it happened. The
//! same code runs in production and in tests. Invariants:
//!
//! * There is at most one snapshot under way, and it belongs to the one open run.
//! * A phase begins when the one before is settled for every partition (K§6.4): that order is what makes the cut consistent.
//! * Whatever cannot be vouched for or shipped fails the snapshot or becomes a named gap; nothing is left out silently.
//! * Every event may come twice or late; what does not belong to the present attempt changes nothing.

mod assignment;
mod capture;
mod command;
mod delivery;
mod event;
mod outcome;
mod phases;
mod round;
mod shipping;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maxbrod_cut::Level;
use maxbrod_kafka::{NodeId, Offset};

pub use command::{Assign, Command, CutOrder, Query, QueryPartition, RunHooks, Ship, SourceOrder};
pub use event::{BaseSummary, Event, Moment, OpenRun, Phase, Report, Reports, Seen, ShipFailure, Standing, View};
pub use outcome::{CommitResult, Failure, Gap, Outcome, Progress, Stage};

use assignment::Assignments;
use snapshot::{Snapshot, Step};

use crate::config::Require;

#[cfg(test)]
mod tests;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// For missing agents to appear when a snapshot is asked for.
    pub agents: Duration,
    /// For the answers of one phase.
    pub phase: Duration,
    /// Between two looks at replicas that could not be read.
    pub retry: Duration,
    /// For a lost agent to come back before others take its work over.
    pub grace: Duration,
    /// Without a sign of progress an agent that ships counts as stuck.
    pub stall: Duration,
    /// Between two looks at the metadata while there is nothing else to do.
    pub refresh: Duration,
    /// The backlog below which the phases may begin.
    pub backlog: u64,
    /// How many batches are asked for at first.
    pub depth: u32,
    /// Before a snapshot that did not reach the level required is begun anew.
    pub rest: Duration,
}

/// What operators expect of every snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What a replica that cannot be vouched for or shipped means.
    pub require: Require,
    /// The level that a snapshot must reach unless its request says otherwise.
    pub consistency: Level,
    /// Whether there are commands to run at the start.
    pub hooks_at_start: bool,
    /// Whether there are commands to run at the cut.
    pub hooks_at_cut: bool,
}

impl Policy {
    /// Nothing is expected but that every replica is vouched for as far as `require` asks.
    pub fn of(require: Require) -> Self {
        Self {
            require,
            consistency: Level::CrashConsistent,
            hooks_at_start: false,
            hooks_at_cut: false,
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            agents: Duration::from_secs(30),
            phase: Duration::from_secs(30),
            retry: Duration::from_millis(200),
            grace: Duration::from_secs(15),
            stall: Duration::from_secs(600),
            refresh: Duration::from_secs(10),
            backlog: 256 << 20,
            depth: 4,
            rest: Duration::from_secs(3),
        }
    }
}

/// The state of it all.
#[derive(Debug)]
pub struct Sequencer {
    timing: Timing,
    policy: Policy,
    /// Attempts are numbered through over all coordinators, so that a late answer to an older one is told apart.
    attempt: u32,
    next_request: u64,
    connected: BTreeSet<NodeId>,
    left: BTreeMap<NodeId, Moment>,
    assignments: Assignments,
    view: Option<View>,
    /// Numbers the readings of the metadata, so that one begun too early is told apart.
    last_reading: u64,
    reading: bool,
    looked: Moment,
    /// Unclean elections before this offset of the metadata were said in a snapshot.
    losses_said: Offset,
    snapshot: Option<Snapshot>,
}

impl Sequencer {
    /// Begins with nothing: no run, no agent. `epoch` is the coordinator's term.
    pub fn new(epoch: u64, policy: Policy, timing: Timing) -> Self {
        Self {
            timing,
            policy,
            attempt: u32::try_from(epoch % 4_000_000).unwrap_or(0).wrapping_mul(1_000),
            next_request: epoch << 32,
            connected: BTreeSet::new(),
            left: BTreeMap::new(),
            assignments: Assignments::new(epoch),
            view: None,
            last_reading: 0,
            reading: false,
            looked: Moment::default(),
            losses_said: Offset(0),
            snapshot: None,
        }
    }

    /// The stage of the snapshot under way.
    pub fn stage(&self) -> Option<Stage> {
        self.snapshot.as_ref().map(Snapshot::stage)
    }

    /// The newest metadata seen.
    pub fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// The open run's number.
    pub fn run(&self) -> Option<u64> {
        self.assignments.run().map(|run| run.run)
    }

    /// Takes an event in and says what is to be done.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Command> {
        let mut out = Vec::new();
        match event {
            Event::RunOpened(run) => {
                self.assignments.open(run);
                self.look(now, &mut out);
            }
            Event::AgentJoined { node } => {
                self.connected.insert(node);
                self.left.remove(&node);
                self.assignments.forget(node);
                self.on_agent(node, true, now);
                self.look(now, &mut out);
            }
            Event::AgentLeft { node } => {
                self.connected.remove(&node);
                self.left.insert(node, now);
                self.assignments.forget(node);
                self.on_agent(node, false, now);
            }
            Event::Metadata { reading, view } => {
                if self.is_awaited(reading, now) {
                    self.view = Some(view.clone());
                    self.on_view(&view, now, &mut out);
                }
            }
            Event::NoMetadata { reading, why } => {
                if self.is_awaited(reading, now) {
                    self.on_no_view(&why, now, &mut out);
                }
            }
            Event::Status {
                node,
                run,
                backlog,
                shipped,
            } => {
                if self.assignments.status(node, run, backlog, shipped) {
                    self.on_sign_of_life(node, now);
                }
            }
            Event::CaughtUp { node, run, generation } => self.assignments.caught_up(node, run, generation),
            Event::Reports { node, reports } => self.on_reports(node, reports, now),
            Event::Shipped { node, piece } => self.on_shipped(node, piece, now),
            Event::ShipFailed { node, failure } => self.on_ship_failed(node, &failure),
            Event::Create { label, consistency } => self.create(label, consistency, now, &mut out),
            Event::HooksEnded { attempt, results } => self.on_hooks_ended(attempt, results, now, &mut out),
            Event::Cancel => self.cancel(now, &mut out),
            Event::Committed { result, next } => self.on_committed(result, next, now, &mut out),
            Event::RunClosed { next } => self.on_run_closed(next, now, &mut out),
            Event::CommitFailed(failure) => self.on_commit_failed(failure, now, &mut out),
            Event::Tick => self.on_tick(now, &mut out),
        }
        self.advance(now, &mut out);
        out
    }

    /// Asks for the metadata, unless that is under way.
    fn look(&mut self, now: Moment, out: &mut Vec<Command>) {
        let wanted = self.snapshot.is_some() || !self.connected.is_empty();
        if !self.reading && wanted && self.assignments.run().is_some() {
            self.look_anew(now, out);
        }
    }

    /// Asks for the metadata as it is from now on: an answer to an earlier question does not count any more.
    fn look_anew(&mut self, now: Moment, out: &mut Vec<Command>) {
        self.last_reading += 1;
        self.reading = true;
        self.looked = now;
        out.push(Command::ReadMetadata {
            reading: self.last_reading,
        });
    }

    fn is_awaited(&mut self, reading: u64, now: Moment) -> bool {
        let awaited = self.reading && reading == self.last_reading;
        if awaited {
            self.reading = false;
            self.looked = now;
        }
        awaited
    }

    /// Tells agents what they are the sources of, where that has changed.
    fn assign(&mut self, now: Moment, out: &mut Vec<Command>) {
        let Some(view) = &self.view else { return };
        // Who is gone for a moment keeps its partitions: an agent that is restarted goes on where it was.
        self.left.retain(|_, since| now.since(*since) < self.timing.grace);
        let reachable: BTreeSet<NodeId> = self.connected.iter().chain(self.left.keys()).copied().collect();
        let told = self.assignments.update(&view.layout, &reachable, &self.connected);
        out.extend(told.into_iter().map(Command::Assign));
    }

    fn on_tick(&mut self, now: Moment, out: &mut Vec<Command>) {
        if now.since(self.looked) >= self.refresh_interval() {
            self.look(now, out);
        }
        self.tick_snapshot(now, out);
    }

    fn refresh_interval(&self) -> Duration {
        match self.snapshot.as_ref().map(|snapshot| &snapshot.step) {
            // Someone may be about to appear.
            Some(Step::Gathering { .. }) => self.timing.refresh.min(Duration::from_millis(500)),
            _ => self.timing.refresh,
        }
    }
}
