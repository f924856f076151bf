//! What comes down the session. Nothing here waits for disks: that is done elsewhere, so that a phase is answered at once
//! whatever else is going on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use maxbrod_proto::agent as wire;
use maxbrod_proto::agent::from_agent::Message as Up;
use maxbrod_proto::agent::to_agent::Message as Down;
use tokio::sync::mpsc;

use super::Context;
use super::phase;
use crate::link::Link;
use crate::metadata_log;
use crate::ship::{Order, SourcePartition};

/// Pieces of phase queries that may wait: more than any phase has.
const QUERIES: usize = 256;

/// Takes the coordinator's messages.
pub(super) struct Inbox {
    context: Arc<Context>,
    link: Arc<Link>,
    phases: mpsc::Sender<wire::PhaseQuery>,
    assignment: Option<(u64, u64, Vec<SourcePartition>)>,
}

impl Inbox {
    pub(super) fn new(context: Arc<Context>, link: Arc<Link>) -> Self {
        let (phases, queries) = mpsc::channel(QUERIES);
        tokio::spawn(phase::answer_all(Arc::clone(&context), Arc::clone(&link), queries));
        Self {
            context,
            link,
            phases,
            assignment: None,
        }
    }

    /// Takes a message. Returns why the session is over, if it is.
    pub(super) async fn take(&mut self, message: wire::ToAgent) -> Option<String> {
        match message.message {
            Some(Down::Phase(query)) => {
                let _ = self.phases.send(query).await;
            }
            Some(Down::Metadata(query)) => self.metadata(query),
            Some(Down::Assignment(piece)) => self.assignment(piece).await,
            Some(Down::Ship(order)) => self.ship(order).await,
            Some(Down::RunEnded(ended)) => self.run_ended(ended).await,
            Some(Down::Release(release)) => {
                self.context.shipper.release(release.run, release.attempt);
                let pins = Arc::clone(&self.context.pins);
                tokio::task::spawn_blocking(move || pins.release_attempt(release.run, Some(release.attempt)));
            }
            Some(Down::Goodbye(goodbye)) => return Some(format!("the coordinator goes away: {}", goodbye.reason)),
            Some(Down::Welcome(_)) => return Some("a second welcome came".to_owned()),
            // A message of a newer contract.
            None => {}
        }
        None
    }

    fn metadata(&self, query: wire::MetadataQuery) {
        let (context, link) = (Arc::clone(&self.context), Arc::clone(&self.link));
        tokio::task::spawn_blocking(move || {
            let mut send = |reply| {
                link.up
                    .blocking_send(wire::FromAgent {
                        message: Some(Up::Metadata(reply)),
                    })
                    .is_ok()
            };
            if context.node.is_controller() {
                metadata_log::answer(&context.node.metadata_log_dir, &query, &mut send);
            } else {
                let error = "this node is no controller".to_owned();
                send(wire::MetadataReply {
                    request: query.request,
                    error,
                    last: true,
                    ..wire::MetadataReply::default()
                });
            }
        });
    }

    async fn assignment(&mut self, piece: wire::Assignment) {
        let started = self
            .assignment
            .take()
            .filter(|(run, generation, _)| (*run, *generation) == (piece.run, piece.generation));
        let (run, generation, mut partitions) = started.unwrap_or((piece.run, piece.generation, Vec::new()));
        for partition in &piece.partitions {
            match SourcePartition::from_wire(partition) {
                Some(partition) => partitions.push(partition),
                None => tracing::warn!(
                    topic = partition.topic,
                    partition = partition.partition,
                    "a malformed assignment is left out"
                ),
            }
        }
        if !piece.last {
            self.assignment = Some((run, generation, partitions));
            return;
        }
        let assigned = self.context.shipper.assign(run, generation, partitions);
        tracing::info!(run, generation, partitions = assigned.len(), "assigned");
        if let Some((run, generation)) = self.context.shipper.caught_up() {
            self.link.send(Up::CaughtUp(wire::CaughtUp { run, generation })).await;
        }
        let context = Arc::clone(&self.context);
        tokio::task::spawn_blocking(move || {
            let keys: std::collections::HashSet<_> = assigned.iter().map(|partition| partition.key).collect();
            context.watch.retain(|key| keys.contains(key));
            for partition in assigned.iter().filter(|partition| !context.watch.has(&partition.key)) {
                // Unwatched ones are found by the walk.
                let _ = context
                    .catalog
                    .open(partition.key, Some(&partition.topic))
                    .map(|replica| context.watch.add(&replica));
            }
        });
    }

    async fn ship(&self, order: wire::ShipOrder) {
        for cut in &order.cuts {
            let source = cut.source.as_ref().and_then(SourcePartition::from_wire);
            let Some(parsed) = Order::from_wire(order.run, order.attempt, cut) else {
                tracing::warn!(partition = cut.partition, "a malformed order is left out");
                continue;
            };
            if let Some(refusal) = self.context.shipper.order(parsed, source) {
                self.link.send(Up::ShipFailed(refusal)).await;
            }
        }
        if order.last {
            self.context.shipper.orders_complete();
        }
    }

    async fn run_ended(&self, ended: wire::RunEnded) {
        tracing::info!(
            run = ended.run,
            committed = ended.committed,
            open_run = ended.open_run,
            "a run ended"
        );
        self.link.open_run.store(ended.open_run, Ordering::Release);
        self.context.shipper.open_run(ended.open_run);
        let pins = Arc::clone(&self.context.pins);
        tokio::task::spawn_blocking(move || pins.release_attempt(ended.run, None));
        enter_run(&self.context, ended.open_run).await;
    }
}

/// Forgets what was shipped in other runs.
pub(super) async fn enter_run(context: &Arc<Context>, run: u64) {
    let packer = Arc::clone(&context.packer);
    let forgotten = tokio::task::spawn_blocking(move || packer.keep_only_run(run)).await;
    if let Ok(Err(error)) = forgotten {
        tracing::error!(%error, "what was shipped in earlier runs cannot be forgotten");
    }
}
