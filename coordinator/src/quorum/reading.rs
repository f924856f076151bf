//! One reading of the metadata: asking the controllers' agents until what is committed is as new as the question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maxbrod_cut::BatchEnd;
use maxbrod_kafka::metadata::Position;
use maxbrod_kafka::{LeaderEpoch, NodeId, Offset};
use maxbrod_proto::agent::MetadataReply;

use super::log::NodeLog;
use super::{Metadata, Quorum, QuorumError};
use crate::sequencer::{Moment, Standing};

/// Between two questions to the same agent.
const PAUSE: Duration = Duration::from_millis(20);
/// After this long without a word an agent counts as silent.
const PATIENCE: Duration = Duration::from_secs(5);
/// For the followers to take over what the leader had when the reading began.
const SETTLING: Duration = Duration::from_secs(3);

/// A question to one controller's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The node.
    pub node: NodeId,
    /// The number that the answer carries.
    pub request: u64,
    /// The last batch known of its log.
    pub since: Option<BatchEnd>,
}

/// What to do next.
#[derive(Debug)]
pub enum Answer {
    /// Wait for replies, or for time to pass.
    Wait,
    /// Ask these.
    Ask(Vec<Question>),
    /// The reading is over.
    Found(Metadata, Standing),
    /// It is over, with nothing to show.
    Nothing {
        /// Why.
        why: String,
    },
}

/// A reading under way.
#[derive(Debug)]
pub struct Reading {
    asked: BTreeSet<NodeId>,
    outstanding: BTreeMap<NodeId, Outstanding>,
    troubles: BTreeMap<NodeId, String>,
    /// The newest log end of the first round: nothing older will do.
    target: Option<(LeaderEpoch, Offset)>,
    deadline: Moment,
    pause_until: Option<Moment>,
    started_over: bool,
}

#[derive(Debug)]
struct Outstanding {
    request: u64,
    heard: Moment,
}

impl Quorum {
    /// Begins a reading over the controllers that have an agent.
    pub fn begin(
        &mut self,
        controllers: &BTreeSet<NodeId>,
        next_request: &mut u64,
        now: Moment,
    ) -> (Reading, Vec<Question>) {
        let mut reading = Reading {
            asked: controllers.clone(),
            outstanding: BTreeMap::new(),
            troubles: BTreeMap::new(),
            target: None,
            deadline: now.after(SETTLING),
            pause_until: None,
            started_over: false,
        };
        let questions = self.ask(&mut reading, next_request, now);
        (reading, questions)
    }

    fn ask(&self, reading: &mut Reading, next_request: &mut u64, now: Moment) -> Vec<Question> {
        reading.pause_until = None;
        let mut questions = Vec::new();
        for node in reading.asked.iter().filter(|node| !reading.troubles.contains_key(node)) {
            *next_request += 1;
            reading.outstanding.insert(
                *node,
                Outstanding {
                    request: *next_request,
                    heard: now,
                },
            );
            let since = self.nodes.get(node).and_then(NodeLog::since);
            questions.push(Question {
                node: *node,
                request: *next_request,
                since,
            });
        }
        questions
    }

    /// Takes in a piece of an answer.
    pub fn reply(&mut self, reading: &mut Reading, node: NodeId, reply: MetadataReply, now: Moment) {
        let Some(outstanding) = reading
            .outstanding
            .get_mut(&node)
            .filter(|known| known.request == reply.request)
        else {
            return;
        };
        outstanding.heard = now;
        let last = reply.last;
        let taken = self.take(node, reply);
        if let Err(error) = &taken {
            // What was received of this log is of no use; the next reading has it sent anew.
            self.nodes.remove(&node);
            reading.troubles.insert(node, error.to_string());
        }
        if last || taken.is_err() {
            reading.outstanding.remove(&node);
        }
    }

    fn take(&mut self, node: NodeId, reply: MetadataReply) -> Result<(), QuorumError> {
        if !reply.error.is_empty() {
            return Err(QuorumError::Agent { node, why: reply.error });
        }
        if reply.reset {
            let checkpoint = reply.checkpoint.map(|name| Position {
                end_offset: Offset(name.end_offset),
                epoch: LeaderEpoch(name.epoch),
            });
            self.nodes.insert(node, NodeLog::from_checkpoint(checkpoint));
        }
        let Some(mut log) = self.nodes.remove(&node) else {
            return Err(QuorumError::Log {
                node,
                why: "the answer continues a log that was never begun".to_owned(),
            });
        };
        log.add_checkpoint_bytes(&reply.checkpoint_bytes);
        if reply.last || !reply.batches.is_empty() {
            log.end_checkpoint();
        }
        // Followers append what the leader sent as it is: the bytes are the same, once is enough.
        let known = |end: &BatchEnd| self.nodes.values().find_map(|other| other.batch(end));
        log.add_batches(node, &reply.batches, known)?;
        self.nodes.insert(node, log);
        Ok(())
    }

    /// An agent is gone: its answer will not come.
    pub fn lost(&mut self, reading: &mut Reading, node: NodeId) {
        if reading.outstanding.remove(&node).is_some() {
            reading.troubles.insert(node, "its agent went away".to_owned());
        }
        reading.asked.remove(&node);
    }

    /// Says what to do next.
    pub fn poll(&mut self, reading: &mut Reading, next_request: &mut u64, now: Moment) -> Answer {
        let silent: Vec<NodeId> = reading
            .outstanding
            .iter()
            .filter(|(_, outstanding)| now.since(outstanding.heard) >= PATIENCE)
            .map(|(node, _)| *node)
            .collect();
        for node in silent {
            reading.outstanding.remove(&node);
            reading.troubles.insert(node, "its agent does not answer".to_owned());
        }
        if !reading.outstanding.is_empty() {
            return Answer::Wait;
        }
        if let Some(until) = reading.pause_until {
            return if now >= until {
                Answer::Ask(self.ask(reading, next_request, now))
            } else {
                Answer::Wait
            };
        }
        let answered = loop {
            let answered = reading.answered();
            match self.fold(&answered) {
                Ok(_) => break answered,
                Err(error @ QuorumError::Checkpoint { node, .. }) => {
                    // The other controllers may do without it; and the next reading has it sent anew: it may be whole again.
                    self.nodes.remove(&node);
                    reading.troubles.insert(node, error.to_string());
                }
                Err(error) => return Answer::Nothing { why: error.to_string() },
            }
        };
        if self.is_contradicted() && !reading.started_over {
            reading.started_over = true;
            self.start_over();
            return Answer::Ask(self.ask(reading, next_request, now));
        }
        let voters = self.voters();
        let present = voters.intersection(&answered).count();
        if voters.is_empty() || present <= voters.len() / 2 {
            let silent = voters.difference(&answered).copied().collect();
            return match self.most_advanced(&answered) {
                Some(metadata) if !answered.is_empty() => Answer::Found(metadata, Standing::NoMajority { silent }),
                _ => Answer::Nothing { why: reading.why() },
            };
        }
        let newest = voters
            .intersection(&answered)
            .filter_map(|node| self.nodes.get(node)?.last())
            .max();
        let target = *reading
            .target
            .get_or_insert(newest.unwrap_or((LeaderEpoch(0), Offset(0))));
        let Some(committed) = self.committed() else {
            return Answer::Nothing { why: reading.why() };
        };
        let newest_epoch = newest.map_or(target.0, |(epoch, _)| epoch);
        if committed.at.end_offset >= target.1 && committed.at.epoch >= newest_epoch {
            return Answer::Found(committed, Standing::Committed);
        }
        if now >= reading.deadline {
            return Answer::Found(committed, Standing::Unsettled);
        }
        reading.pause_until = Some(now.after(PAUSE));
        Answer::Wait
    }
}

impl Reading {
    /// Those who were asked and have nothing wrong with their logs.
    fn answered(&self) -> BTreeSet<NodeId> {
        let fine = self.asked.iter().filter(|node| !self.troubles.contains_key(node));
        fine.copied().collect()
    }

    fn why(&self) -> String {
        if self.asked.is_empty() {
            return "no agent of a controller is connected".to_owned();
        }
        let troubles: Vec<String> = self
            .troubles
            .iter()
            .map(|(node, why)| format!("node {node}: {why}"))
            .collect();
        if troubles.is_empty() {
            "no controller has a usable metadata log".to_owned()
        } else {
            troubles.join("; ")
        }
    }
}
