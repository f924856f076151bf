//! What befalls nodes while a test looks: suspended, killed with records that nobody else has, elected over.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Cluster, NodeId};
use crate::action::Action;
use crate::error::{LabError, Result};
use crate::partition::TopicPartition;

/// How long ISRs and elections are waited for.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(200);

impl Cluster {
    /// Suspends a node's process: it holds its connections and does nothing (SIGSTOP).
    ///
    /// # Errors
    ///
    /// There is no node with that id.
    pub fn suspend_node(&mut self, id: NodeId) -> Result<()> {
        self.node_mut(id)?.signal(Signal::SIGSTOP);
        Ok(())
    }

    /// Lets a suspended node go on.
    ///
    /// # Errors
    ///
    /// There is no node with that id.
    pub fn resume_node(&mut self, id: NodeId) -> Result<()> {
        self.node_mut(id)?.signal(Signal::SIGCONT);
        Ok(())
    }

    /// Kills a node when it holds records that no follower has: all others are suspended for `tail` while producers go on, then
    /// it is killed and the others go on. One of them is elected, and the node truncates its tail when it is started again.
    ///
    /// What followers had asked for before still reaches them, so `tail` must be long enough for a second batch; and it should stay
    /// below `controller.quorum.fetch.timeout.ms` (2 s), else the quorum of combined nodes moves first.
    ///
    /// # Errors
    ///
    /// There is no node with that id.
    pub fn kill_with_unreplicated_tail(&mut self, id: NodeId, tail: Duration) -> Result<()> {
        self.node(id)?;
        let others: Vec<_> = self.node_ids().into_iter().filter(|&other| other != id).collect();
        others.iter().try_for_each(|&other| self.suspend_node(other))?;
        thread::sleep(tail);
        let killed = self.kill_node(id);
        // Whatever happened, nobody stays suspended.
        others.iter().try_for_each(|&other| self.resume_node(other))?;
        killed
    }

    /// Has a replica of a partition with two replicas elected that lacks what was written for `gap`: it is down meanwhile, then
    /// the leader is killed, and only it comes back. The other is started again at the end, and truncates.
    ///
    /// The topic needs `min.insync.replicas` of 1, and the remaining nodes a majority of the quorum.
    ///
    /// # Errors
    ///
    /// The partition has not two replicas in sync, or an election did not come about.
    pub fn elect_uncleanly(&mut self, partition: &TopicPartition, gap: Duration) -> Result<()> {
        let (leader, isr) = self.leadership(partition)?;
        let (Some(leader), Some(follower)) = (leader, isr.iter().copied().find(|&replica| Some(replica) != leader))
        else {
            return Err(LabError::Specification {
                reason: format!("{partition} has no follower in sync that could be elected"),
            });
        };
        let mut operator = self.client().operator()?;
        self.kill_node(follower)?;
        self.wait_alone(partition, leader)?;
        thread::sleep(gap);
        self.kill_node(leader)?;
        self.start_node(follower)?;
        let action = Action::ElectUncleanly {
            topic: partition.topic.clone(),
            partition: partition.partition,
        };
        // It waits until the leader is taken for dead and the follower is there.
        let elected = operator.change(&action)?;
        self.start_node(leader)?;
        if elected == 0 {
            return Err(LabError::TimedOut {
                what: format!("{partition} to be led by node {follower}"),
                waited: PATIENCE,
                detail: "it has a leader still".into(),
            });
        }
        Ok(())
    }

    /// Waits until only `leader` is in sync.
    fn wait_alone(&self, partition: &TopicPartition, leader: NodeId) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (_, isr) = self.leadership(partition)?;
            if isr == [leader] {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(LabError::TimedOut {
                    what: format!("{partition} to lose its follower"),
                    waited: PATIENCE,
                    detail: format!("in sync {isr:?}"),
                });
            }
            thread::sleep(POLL);
        }
    }

    /// The leader of a partition and its replicas in sync.
    fn leadership(&self, partition: &TopicPartition) -> Result<(Option<NodeId>, Vec<NodeId>)> {
        let described = self.client().partitions(&partition.topic)?;
        let index = usize::try_from(partition.partition).unwrap_or(usize::MAX);
        let described = described.get(index).ok_or_else(|| LabError::Specification {
            reason: format!("there is no partition {partition}"),
        })?;
        Ok((described.leader, described.isr.clone()))
    }
}
