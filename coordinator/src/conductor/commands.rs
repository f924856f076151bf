//! Doing what the sequencer says.

use std::sync::Arc;

use maxbrod_cut::CutBack;
use maxbrod_kafka::{NodeId, Offset, PartitionId};
use maxbrod_proto::agent as proto;
use maxbrod_proto::agent::to_agent::Message;
use maxbrod_proto::manifest;
use maxbrod_proto::operator::{self, SnapshotProgress};
use tracing::{debug, info, warn};

use super::{Conductor, Input, NextRun};
use crate::base::Base;
use crate::commit::CommitError;
use crate::config::HookMoment;
use crate::harvest::Harvest;
use crate::hooks::{self, CutOffset, Occasion};
use crate::lease::Lease;
use crate::registry::Agent;
use crate::sequencer::{Command, Event, Gap, Outcome, Progress, RunHooks};
use crate::wire;

impl Conductor {
    pub(super) fn obey(&mut self, command: Command, events: &mut Vec<Event>) {
        match command {
            Command::ReadMetadata { reading } => {
                self.read(reading);
                // With nobody to ask the answer is there at once; it must not be lost in between.
                if self.controllers().is_empty() {
                    self.reading = None;
                    let why = "no agent of a controller is connected".to_owned();
                    events.push(Event::NoMetadata { reading, why });
                }
            }
            Command::Assign(assign) => {
                let base = self.instruments.base();
                debug!(node = %assign.node, generation = assign.generation, partitions = assign.partitions.len(), "assigning");
                let messages: Vec<_> = wire::assignment(&assign, |order| base.of_order(order)).collect();
                self.send_all(assign.node, messages);
            }
            Command::Query(query) => {
                let messages: Vec<_> = wire::phase_query(&query).collect();
                self.send_all(query.node, messages);
            }
            Command::Ship(ship) => {
                let base = self.instruments.base();
                debug!(node = %ship.node, partitions = ship.cuts.len(), "ordering to ship");
                let messages: Vec<_> = wire::ship_order(&ship, |order| base.of_order(order)).collect();
                self.send_all(ship.node, messages);
            }
            Command::RunHooks(order) => self.run_hooks(order),
            Command::Release { run, attempt } => self.send_everyone(&Message::Release(proto::Release { run, attempt })),
            Command::EndRun {
                run,
                open_run,
                committed,
            } => {
                self.send_everyone(&Message::RunEnded(proto::RunEnded {
                    run,
                    committed,
                    open_run,
                }));
            }
            Command::Commit(harvest) => self.commit(*harvest),
            Command::Progress(progress) => {
                debug!(
                    stage = progress.stage.name(),
                    done = progress.partitions_done,
                    of = progress.partitions_total,
                    "progress"
                );
                self.tell(progress_message(&progress, None));
            }
            Command::Finished(outcome) => self.finished(&outcome),
        }
    }

    pub(super) fn send(&self, node: NodeId, message: Message) {
        self.send_all(node, vec![proto::ToAgent { message: Some(message) }]);
    }

    /// The queue is unbounded: what one agent is sent is bounded by its partitions, and waiting here would hold up the rest.
    fn send_all(&self, node: NodeId, messages: Vec<proto::ToAgent>) {
        let Some(session) = self.sessions.get(&node) else {
            return;
        };
        for message in messages {
            // A session that is over says so itself.
            if session.sender.send(message).is_err() {
                return;
            }
        }
    }

    fn send_everyone(&self, message: &Message) {
        for node in self.sessions.keys() {
            self.send(*node, message.clone());
        }
    }

    fn tell(&self, progress: SnapshotProgress) {
        // Nobody may be listening.
        let _ = self.progress.send(progress);
    }

    fn run_hooks(&self, order: RunHooks) {
        let cut = |(topic, partition, offset): (String, PartitionId, Offset)| CutOffset {
            topic,
            partition: partition.0,
            offset: offset.0,
        };
        let occasion = Occasion {
            moment: order.moment.name(),
            cluster_id: self.instruments.lease.cluster_id().0.clone(),
            run: order.run,
            attempt: order.attempt % 1_000,
            label: order.label,
            snapshot: None,
            cuts: order.cuts.into_iter().map(cut).collect(),
            reason: None,
        };
        let (hooks, echo) = (Arc::clone(&self.instruments.hooks), self.echo.clone());
        tokio::spawn(async move {
            let results = hooks::run_all(hooks, order.moment, occasion).await;
            let attempt = order.attempt;
            // A conductor that has ended does not need the answer.
            let _ = echo.send(Input::HooksEnded { attempt, results }).await;
        });
    }

    /// Tells the applications how it ended. What they say is logged; it changes nothing any more.
    fn run_last_hooks(&self, outcome: &Outcome) {
        let (moment, snapshot, reason) = match &outcome.result {
            Ok(result) => (HookMoment::Commit, Some(result.id.clone()), None),
            Err(failure) => (HookMoment::Abort, None, Some(failure.message.clone())),
        };
        if !hooks::any_at(&self.instruments.hooks, moment) {
            return;
        }
        let occasion = Occasion {
            moment: moment.name(),
            cluster_id: self.instruments.lease.cluster_id().0.clone(),
            run: outcome.run,
            attempt: outcome.attempt % 1_000,
            label: outcome.label.clone(),
            snapshot,
            cuts: Vec::new(),
            reason,
        };
        tokio::spawn(hooks::run_all(Arc::clone(&self.instruments.hooks), moment, occasion));
    }

    fn commit(&mut self, harvest: Harvest) {
        self.committing = true;
        let (committer, lease) = (
            Arc::clone(&self.instruments.committer),
            Arc::clone(&self.instruments.lease),
        );
        let (base, echo) = (self.instruments.base(), self.echo.clone());
        let nodes = self.instruments.registry().agents().map(node).collect();
        tokio::spawn(async move {
            let result = async {
                let result = committer.commit(harvest, &base, nodes).await?;
                Ok::<_, CommitError>((result, next_run(&lease).await))
            };
            let result = result.await;
            // The conductor waits for it, even when it is about to end.
            let _ = echo.send(Input::CommitEnded(Box::new(result))).await;
        });
    }

    pub(super) fn reopen(&mut self) {
        let (lease, echo) = (Arc::clone(&self.instruments.lease), self.echo.clone());
        tokio::spawn(async move {
            let closed = lease.close_run("the snapshot that it was built on was deleted").await;
            let result = match closed {
                Ok(()) => next_run(&lease).await,
                Err(error) => Err(error),
            };
            let _ = echo.send(Input::Reopened(Box::new(result))).await;
        });
    }

    fn finished(&mut self, outcome: &Outcome) {
        let now = self.instruments.now();
        self.instruments.metrics.count_outcome(outcome, now);
        self.run_last_hooks(outcome);
        let (snapshot, failure) = match &outcome.result {
            Ok(result) => {
                info!(snapshot = result.id, freeze = ?outcome.freeze, gaps = outcome.gaps.len(), "a snapshot was taken");
                (result.id.as_str(), "")
            }
            Err(failure) => {
                warn!(
                    code = failure.code,
                    message = failure.message,
                    "a snapshot was not taken"
                );
                ("", failure.code.as_str())
            }
        };
        let duration_ms = u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = self
            .instruments
            .cache
            .ended(now, outcome.run, snapshot, failure, duration_ms)
        {
            warn!(%error, "not remembering how a snapshot ended");
        }
        let stage = if outcome.result.is_ok() { "done" } else { "failed" };
        self.last = Some(outcome_message(outcome));
        self.tell(SnapshotProgress {
            stage: stage.to_owned(),
            outcome: self.last.clone(),
            ..SnapshotProgress::default()
        });
    }
}

/// Opens the next run. Reading its base back is the first proof that what was written can be read.
async fn next_run(lease: &Lease) -> NextRun {
    let run = lease.open_next().await?;
    let base = Base::load(lease.cluster(), lease.base().await.as_ref()).await?;
    Ok((run.run, base))
}

fn progress_message(progress: &Progress, outcome: Option<operator::SnapshotOutcome>) -> SnapshotProgress {
    SnapshotProgress {
        stage: progress.stage.name().to_owned(),
        // The part that counts attempts; the rest tells coordinators apart.
        attempt: progress.attempt % 1_000,
        partitions_done: progress.partitions_done,
        partitions_total: progress.partitions_total,
        bytes_done: progress.bytes_done,
        bytes_total: progress.bytes_total,
        outcome,
        run: progress.run,
    }
}

fn outcome_message(outcome: &Outcome) -> operator::SnapshotOutcome {
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let gap = |gap: &Gap| operator::Gap {
        what: gap.what.clone(),
        why: gap.why.clone(),
        remedy: gap.remedy.clone(),
    };
    let mut message = operator::SnapshotOutcome {
        duration_ms: millis(outcome.duration),
        freeze_ms: millis(outcome.freeze),
        gaps: outcome.gaps.iter().map(gap).collect(),
        run: outcome.run,
        cut_back: outcome.cut_back.iter().map(cut_back).collect(),
        notes: outcome.notes.clone(),
        ..operator::SnapshotOutcome::default()
    };
    match &outcome.result {
        Ok(result) => {
            message.id.clone_from(&result.id);
            result.consistency.name().clone_into(&mut message.consistency);
            message.new_bytes = result.new_bytes;
            message.read_bytes = result.read_bytes;
            message.logical_bytes = result.logical_bytes;
            message.partitions = result.partitions;
        }
        Err(failure) => {
            message.error = Some(operator::Failure {
                code: failure.code.clone(),
                message: failure.message.clone(),
                remedy: failure.remedy.clone(),
            });
        }
    }
    message
}

fn cut_back((topic, cut_back): &(String, CutBack)) -> operator::CutBack {
    operator::CutBack {
        topic: topic.clone(),
        partition: cut_back.partition.partition.0,
        rule: cut_back.rule.name().to_owned(),
        from: cut_back.from.0,
        to: cut_back.to.0,
        cause: cut_back.cause.clone(),
    }
}

/// A node as the snapshot describes it.
fn node(agent: &Agent) -> manifest::Node {
    let hello = &agent.hello;
    let log_dir = |dir: &proto::LogDir| manifest::LogDir {
        path: dir.path.clone(),
        directory_id: dir.directory_id.clone(),
    };
    manifest::Node {
        node_id: hello.node_id,
        roles: agent.roles(),
        software_version: hello.software_version.clone(),
        log_dirs: hello.log_dirs.iter().map(log_dir).collect(),
        metadata_log_dir: hello.metadata_log_dir.clone(),
        controller_quorum_voters: hello.controller_quorum_voters.clone(),
        settings: hello.settings.clone(),
    }
}
