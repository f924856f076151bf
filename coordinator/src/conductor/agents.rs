//! What agents say, and the readings of the metadata.

use std::sync::Arc;

use maxbrod_kafka::NodeId;
use maxbrod_kafka::metadata::TopicConfig;
use maxbrod_proto::agent as proto;
use maxbrod_proto::agent::from_agent::Message;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::{Conductor, Session};
use crate::cache::SeenAgent;
use crate::layout::Layout;
use crate::quorum::{Answer, Metadata, Question, parse_voters};
use crate::sequencer::{Event, Standing, View};
use crate::wire::{self, WireError};

impl Conductor {
    pub(super) fn opened(
        &mut self,
        node: NodeId,
        session: u64,
        hello: &proto::Hello,
        sender: mpsc::UnboundedSender<proto::ToAgent>,
    ) {
        info!(%node, session, version = hello.software_version, "an agent is here");
        let is_controller = hello.roles().any(|role| role == proto::Role::Controller);
        match parse_voters(&hello.controller_quorum_voters) {
            Ok(voters) => self.quorum.configure(voters),
            Err(error) => warn!(%node, %error, "ignoring the configured voters"),
        }
        if hello.roles().any(|role| role == proto::Role::Broker) {
            self.defaults = TopicConfig::of_broker(|name| hello.settings.get(name).map(String::as_str));
        }
        // What was known of its metadata log may be another disk's by now: the next question checks.
        if let Some(old) = self.sessions.insert(
            node,
            Session {
                number: session,
                is_controller,
                sender,
            },
        ) {
            debug!(%node, session = old.number, "its former session is void");
            self.lose(node);
        }
        self.remember(node);
        self.count_agents();
        self.feed(Event::AgentJoined { node });
    }

    pub(super) fn closed(&mut self, node: NodeId, session: u64) {
        let now = self.instruments.now();
        self.instruments.registry().end(session, now);
        if self.sessions.get(&node).is_none_or(|open| open.number != session) {
            return;
        }
        info!(%node, session, "an agent is gone");
        self.sessions.remove(&node);
        self.lose(node);
        self.remember(node);
        self.count_agents();
        self.feed(Event::AgentLeft { node });
    }

    pub(super) fn said(&mut self, node: NodeId, session: u64, message: Message) {
        if self.sessions.get(&node).is_none_or(|open| open.number != session) {
            return;
        }
        if let Err(error) = self.hear(node, session, message) {
            warn!(%node, %error, code = error.code(), "an agent's message is left out");
        }
    }

    fn hear(&mut self, node: NodeId, session: u64, message: Message) -> Result<(), WireError> {
        match message {
            Message::Hello(_) => {
                return Err(WireError {
                    message: "hello",
                    why: "it comes twice".to_owned(),
                });
            }
            Message::Status(status) => {
                let event = Event::Status {
                    node,
                    run: status.run,
                    backlog: status.backlog_bytes,
                    shipped: status.shipped_bytes,
                };
                let now = self.instruments.now();
                self.instruments.registry().note(session, status, now);
                self.feed(event);
            }
            Message::Metadata(reply) => {
                let now = self.now();
                if let Some((_, reading)) = &mut self.reading {
                    self.quorum.reply(reading, node, reply, now);
                    self.read_on();
                }
            }
            Message::Reports(reports) => {
                let reports = wire::reports(reports)?;
                for report in &reports.reports {
                    if let Ok(Some(failure)) = report.seen.as_ref().map(|seen| &seen.pin_failure) {
                        warn!(%node, topic = %report.key.topic_id, partition = %report.key.partition, failure, "files could not be pinned");
                    }
                }
                self.feed(Event::Reports { node, reports });
            }
            Message::Shipped(shipped) => {
                let piece = wire::shipped_piece(shipped)?;
                self.feed(Event::Shipped { node, piece });
            }
            Message::ShipFailed(failed) => {
                let failure = wire::ship_failure(failed)?;
                warn!(
                    %node, topic = %failure.key.topic_id, partition = %failure.key.partition,
                    code = failure.code, message = failure.message, "an agent could not ship"
                );
                self.feed(Event::ShipFailed { node, failure });
            }
            Message::CaughtUp(caught_up) => {
                let (run, generation) = (caught_up.run, caught_up.generation);
                self.feed(Event::CaughtUp { node, run, generation });
            }
        }
        Ok(())
    }

    /// Begins a reading of the metadata; one that is under way is void.
    pub(super) fn read(&mut self, number: u64) {
        let now = self.now();
        let controllers = self.controllers();
        let (reading, questions) = self.quorum.begin(&controllers, &mut self.next_request, now);
        self.reading = Some((number, reading));
        self.ask(questions);
    }

    /// Goes on with a reading of the metadata, if there is one.
    pub(super) fn read_on(&mut self) {
        let now = self.now();
        let Some((number, mut reading)) = self.reading.take() else {
            return;
        };
        let event = match self.quorum.poll(&mut reading, &mut self.next_request, now) {
            Answer::Wait => {
                self.reading = Some((number, reading));
                return;
            }
            Answer::Ask(questions) => {
                self.reading = Some((number, reading));
                self.ask(questions);
                return;
            }
            Answer::Found(metadata, standing) => Event::Metadata {
                reading: number,
                view: self.see(metadata, standing),
            },
            Answer::Nothing { why } => {
                debug!(why, "no metadata");
                Event::NoMetadata { reading: number, why }
            }
        };
        self.feed(event);
    }

    /// The layout is made anew only when the image is another one.
    fn see(&mut self, metadata: Metadata, standing: Standing) -> View {
        let layout = match &self.view {
            Some(view) if view.metadata.at == metadata.at && Arc::ptr_eq(&view.metadata.image, &metadata.image) => {
                Arc::clone(&view.layout)
            }
            _ => Arc::new(Layout::of(&metadata, &self.defaults)),
        };
        let view = View {
            layout,
            metadata,
            standing,
        };
        self.view = Some(view.clone());
        view
    }

    fn ask(&mut self, questions: Vec<Question>) {
        for Question { node, request, since } in questions {
            let since = since.map(|batch| proto::BatchEnd {
                end_offset: batch.end_offset.0,
                leader_epoch: batch.leader_epoch.0,
                crc: batch.crc,
            });
            self.send(
                node,
                proto::to_agent::Message::Metadata(proto::MetadataQuery { request, since }),
            );
        }
    }

    fn lose(&mut self, node: NodeId) {
        if let Some((_, reading)) = &mut self.reading {
            self.quorum.lost(reading, node);
        }
    }

    fn count_agents(&self) {
        self.instruments.metrics.set_agents(self.sessions.len());
    }

    fn remember(&self, node: NodeId) {
        let seen = self
            .instruments
            .registry()
            .agents()
            .find(|agent| agent.node() == node)
            .map(|agent| SeenAgent {
                node: node.0,
                roles: agent.roles().join(","),
                version: agent.hello.software_version.clone(),
                last_seen: agent.last_seen,
            });
        let Some(seen) = seen else { return };
        if let Err(error) = self
            .instruments
            .cache
            .saw_agent(&self.instruments.lease.cluster_id().0, &seen)
        {
            warn!(%error, "not remembering an agent");
        }
    }
}
