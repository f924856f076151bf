//! The one task that lets the pure parts meet the world: events in from sessions, operators and the clock, commands out.

mod agents;
mod commands;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maxbrod_cut::Level;
use maxbrod_kafka::NodeId;
use maxbrod_kafka::metadata::TopicConfig;
use maxbrod_proto::agent as proto;
use maxbrod_proto::operator::{ClusterStatusReply, SnapshotOutcome, SnapshotProgress};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use tracing::{error, info};

use crate::base::Base;
use crate::cache::Cache;
use crate::commit::{CommitError, Committer};
use crate::config::Hook;
use crate::grants::Grants;
use crate::harvest::HookResult;
use crate::lease::Lease;
use crate::metrics::Metrics;
use crate::quorum::{Quorum, Reading};
use crate::registry::Registry;
use crate::schedule::Schedule;
use crate::sequencer::{CommitResult, Event, Moment, OpenRun, Sequencer, View};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(100);
/// The same while the metadata is being read.
const FAST_TICK: Duration = Duration::from_millis(10);
/// How long a commit under way may take at the end.
const LAST_COMMIT: Duration = Duration::from_secs(60);

/// What the conductor is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// An agent was admitted.
    Opened {
        node: NodeId,
        session: u64,
        hello: Box<proto::Hello>,
        sender: mpsc::UnboundedSender<proto::ToAgent>,
    },
    /// An agent says something.
    Said {
        node: NodeId,
        session: u64,
        message: Box<proto::from_agent::Message>,
    },
    /// A session is over.
    Closed { node: NodeId, session: u64 },
    /// An operator wants a snapshot. The answer is whether it is under way.
    Create {
        label: String,
        consistency: Option<Level>,
        reply: oneshot::Sender<Result<broadcast::Receiver<SnapshotProgress>, Busy>>,
    },
    /// An operator wants it ended. The answer is whether there was one.
    Cancel { reply: oneshot::Sender<bool> },
    /// An operator wants to know.
    Status {
        reply: oneshot::Sender<Box<ClusterStatusReply>>,
    },
    /// The applications' commands for an attempt came to their end.
    HooksEnded { attempt: u32, results: Vec<HookResult> },
    /// A commit came to its end.
    CommitEnded(Box<Result<(CommitResult, NextRun), CommitError>>),
    /// The run was given up and another one is open.
    Reopened(Box<NextRun>),
    /// A newer coordinator has taken over: this one must stop.
    SteppedDown(Box<maxbrod_repository::Error>),
    /// The process is to end.
    Shutdown,
}

/// The run that is open now, and its base. Without it there is nothing more to do here.
pub(crate) type NextRun = Result<(u64, Base), maxbrod_repository::Error>;

/// A snapshot is under way already, in this stage.
#[derive(Clone, Debug)]
pub(crate) struct Busy(pub(crate) String);

/// What the conductor works with.
#[derive(Clone, Debug)]
pub(crate) struct Instruments {
    pub(crate) lease: Arc<Lease>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) committer: Arc<Committer>,
    pub(crate) registry: Arc<Mutex<Registry>>,
    pub(crate) base: Arc<Mutex<Arc<Base>>>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) hooks: Arc<Vec<Hook>>,
    pub(crate) start: Instant,
}

impl Instruments {
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn base(&self) -> Arc<Base> {
        Arc::clone(&self.base.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_base(&self, base: Base) -> Arc<Base> {
        let base = Arc::new(base);
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&base);
        base
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.lease.cluster().repository().environment().clock.now().as_second()
    }
}

/// An open session.
#[derive(Debug)]
struct Session {
    number: u64,
    is_controller: bool,
    sender: mpsc::UnboundedSender<proto::ToAgent>,
}

pub(crate) struct Conductor {
    instruments: Instruments,
    inputs: mpsc::Receiver<Input>,
    /// For the tasks that it starts.
    echo: mpsc::Sender<Input>,
    sequencer: Sequencer,
    quorum: Quorum,
    reading: Option<(u64, Reading)>,
    next_request: u64,
    sessions: BTreeMap<NodeId, Session>,
    schedule: Option<Schedule>,
    progress: broadcast::Sender<SnapshotProgress>,
    defaults: TopicConfig,
    view: Option<View>,
    committing: bool,
    /// How the last snapshot ended.
    last: Option<SnapshotOutcome>,
}

impl Conductor {
    pub(crate) fn new(
        instruments: Instruments,
        inputs: mpsc::Receiver<Input>,
        echo: mpsc::Sender<Input>,
        sequencer: Sequencer,
        schedule: Option<Schedule>,
    ) -> Self {
        let epoch = instruments.lease.epoch();
        Self {
            instruments,
            inputs,
            echo,
            sequencer,
            quorum: Quorum::default(),
            reading: None,
            next_request: epoch << 32,
            sessions: BTreeMap::new(),
            schedule,
            progress: broadcast::channel(1_024).0,
            defaults: TopicConfig::default(),
            view: None,
            committing: false,
            last: None,
        }
    }

    /// Works until it is told to stop, or until a newer coordinator has taken over: that is the error.
    pub(crate) async fn run(mut self, run: u64) -> Result<(), maxbrod_repository::Error> {
        let base = self.instruments.base().summaries();
        self.instruments.metrics.set_run(self.instruments.lease.epoch(), run);
        self.feed(Event::RunOpened(OpenRun { run, base }));
        let mut next_tick = Instant::now() + TICK;
        loop {
            let pause = if self.reading.is_some() { FAST_TICK } else { TICK };
            next_tick = next_tick.min(Instant::now() + pause);
            tokio::select! {
                input = self.inputs.recv() => match input {
                    None | Some(Input::Shutdown) => break,
                    Some(input) => self.take(input)?,
                },
                () = tokio::time::sleep_until(next_tick) => {
                    next_tick = Instant::now() + TICK;
                    self.tick();
                }
            }
        }
        self.end().await
    }

    fn now(&self) -> Moment {
        Moment(self.instruments.start.elapsed())
    }

    fn tick(&mut self) {
        let now = self.now();
        self.read_on();
        self.feed(Event::Tick);
        if self.schedule.as_mut().is_some_and(|schedule| schedule.is_due(now)) && self.sequencer.stage().is_none() {
            info!("a scheduled snapshot is due");
            self.feed(Event::Create {
                label: String::new(),
                consistency: None,
            });
        }
    }

    fn take(&mut self, input: Input) -> Result<(), maxbrod_repository::Error> {
        match input {
            Input::Opened {
                node,
                session,
                hello,
                sender,
            } => self.opened(node, session, &hello, sender),
            Input::Said { node, session, message } => self.said(node, session, *message),
            Input::Closed { node, session } => self.closed(node, session),
            Input::Create {
                label,
                consistency,
                reply,
            } => {
                let answer = match self.sequencer.stage() {
                    Some(stage) => Err(Busy(stage.name().to_owned())),
                    None => {
                        let progress = self.progress.subscribe();
                        self.feed(Event::Create { label, consistency });
                        Ok(progress)
                    }
                };
                // Whoever asked and hung up does not need the answer.
                let _ = reply.send(answer);
            }
            Input::Cancel { reply } => {
                let before = self.sequencer.stage();
                self.feed(Event::Cancel);
                let _ = reply.send(before.is_some() && self.sequencer.stage().is_none());
            }
            Input::Status { reply } => {
                let _ = reply.send(Box::new(self.status()));
            }
            Input::HooksEnded { attempt, results } => self.feed(Event::HooksEnded { attempt, results }),
            Input::CommitEnded(result) => self.commit_ended(*result)?,
            Input::Reopened(result) => {
                let next = self.enter((*result)?);
                self.feed(Event::RunClosed { next });
            }
            Input::SteppedDown(error) => return Err(*error),
            Input::Shutdown => {}
        }
        Ok(())
    }

    fn enter(&mut self, (run, base): (u64, Base)) -> OpenRun {
        let base = self.instruments.set_base(base).summaries();
        self.instruments.metrics.set_run(self.instruments.lease.epoch(), run);
        self.instruments.grants.forget_before(run);
        OpenRun { run, base }
    }

    fn commit_ended(
        &mut self,
        result: Result<(CommitResult, NextRun), CommitError>,
    ) -> Result<(), maxbrod_repository::Error> {
        self.committing = false;
        match result {
            Ok((result, next)) => {
                info!(snapshot = result.id, partitions = result.partitions, "committed");
                match next {
                    Ok(next) => {
                        let next = self.enter(next);
                        self.feed(Event::Committed {
                            result,
                            next: Some(next),
                        });
                    }
                    Err(error) => {
                        self.feed(Event::Committed { result, next: None });
                        return Err(error);
                    }
                }
            }
            Err(failure) => {
                error!(code = failure.code(), error = %failure, "the commit failed");
                let is_fenced = failure.is_fenced();
                self.feed(Event::CommitFailed((&failure).into()));
                match failure {
                    CommitError::Repository(error) if is_fenced => return Err(error),
                    CommitError::BaseDeleted { .. } => self.reopen(),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Hands an event to the sequencer and does what it says, and what follows from that.
    fn feed(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for command in self.sequencer.handle(self.now(), event) {
                self.obey(command, &mut events);
            }
        }
    }

    fn controllers(&self) -> BTreeSet<NodeId> {
        self.sessions
            .iter()
            .filter(|(_, session)| session.is_controller)
            .map(|(node, _)| *node)
            .collect()
    }

    /// Lets a commit come to its end and takes leave of the agents.
    async fn end(mut self) -> Result<(), maxbrod_repository::Error> {
        let deadline = Instant::now() + LAST_COMMIT;
        while self.committing {
            match tokio::time::timeout_at(deadline, self.inputs.recv()).await {
                Ok(Some(Input::CommitEnded(result))) => self.commit_ended(*result)?,
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        self.feed(Event::Cancel);
        for session in self.sessions.values() {
            let goodbye = proto::Goodbye {
                reason: "the coordinator is shutting down".to_owned(),
            };
            let message = Some(proto::to_agent::Message::Goodbye(goodbye));
            // An agent that is gone needs no goodbye.
            let _ = session.sender.send(proto::ToAgent { message });
        }
        Ok(())
    }
}
