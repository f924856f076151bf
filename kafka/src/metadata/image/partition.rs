//! What a partition's record says beyond its fields, how a change merges into it, and how a restore rewrites it.
//!
//! Kafka's `PartitionRegistration` is the model. Fields that a version does not have are raised into the version that has them,
//! which a change that carries them proves to be allowed.

use super::*;
use crate::ids::DirectoryId;
use crate::metadata::record::PartitionChangeRecord;

/// The first version with directories.
const WITH_DIRECTORIES: i16 = 1;
/// The first version with eligible leader replicas.
const WITH_ELR: i16 = 2;

impl PartitionRecord {
    /// The eligible leader replicas; none where the record has no such field.
    pub fn elr(&self) -> &[NodeId] {
        self.eligible_leader_replicas.as_deref().unwrap_or_default()
    }

    /// The replicas that hold everything acknowledged: ISR and ELR (K§2.3, experiments.md).
    pub fn members(&self) -> Vec<NodeId> {
        let mut members = self.isr.clone();
        members.extend(self.elr().iter().filter(|node| !self.isr.contains(node)));
        members
    }

    /// The leader, if there is one.
    pub fn current_leader(&self) -> Option<NodeId> {
        (self.leader.0 >= 0).then_some(self.leader)
    }

    /// The log directory of a replica; `None` if `node` holds none, MIGRATING where the record has no directories.
    pub fn directory_of(&self, node: NodeId) -> Option<DirectoryId> {
        let index = self.replicas.iter().position(|replica| *replica == node)?;
        Some(self.directories.get(index).copied().unwrap_or(DirectoryId::MIGRATING))
    }

    /// Puts other replicas in place, each with its log directory; no reassignment is under way any more.
    pub fn set_replicas(&mut self, replicas: impl IntoIterator<Item = (NodeId, DirectoryId)>) {
        (self.replicas, self.directories) = replicas.into_iter().unzip();
        self.version = self.version.max(WITH_DIRECTORIES);
        self.adding_replicas.clear();
        self.removing_replicas.clear();
    }

    /// Sets the eligible leader replicas and the last known ones. Empty ones are left out, as Kafka leaves them out.
    pub fn set_elr(&mut self, elr: Vec<NodeId>, last_known: Vec<NodeId>) {
        if !(elr.is_empty() && last_known.is_empty()) {
            self.version = self.version.max(WITH_ELR);
        }
        self.eligible_leader_replicas = (!elr.is_empty()).then_some(elr);
        self.last_known_elr = (!last_known.is_empty()).then_some(last_known);
    }

    /// Merges a change into it, as Kafka's `PartitionRegistration.merge` does.
    pub(super) fn merge(&mut self, change: PartitionChangeRecord) -> Result<(), ReplayReason> {
        if change.leader != PartitionChangeRecord::NO_LEADER_CHANGE {
            self.leader = change.leader;
            self.leader_epoch = LeaderEpoch(self.leader_epoch.0.wrapping_add(1));
        }
        self.partition_epoch = self.partition_epoch.wrapping_add(1);
        match change.leader_recovery_state {
            -1 => {}
            state @ 0..=1 => self.leader_recovery_state = state,
            state => {
                return Err(ReplayReason::BadValue {
                    field: "leader_recovery_state",
                    value: state.into(),
                });
            }
        }
        if let Some(directories) = change.directories {
            self.version = self.version.max(WITH_DIRECTORIES);
            self.directories = directories;
        }
        if change.eligible_leader_replicas.is_some() || change.last_known_elr.is_some() {
            let elr = change.eligible_leader_replicas.unwrap_or_else(|| self.elr().to_vec());
            let last_known = change.last_known_elr.or_else(|| self.last_known_elr.take());
            self.set_elr(elr, last_known.unwrap_or_default());
        }
        let replace = |field: &mut Vec<NodeId>, new: Option<Vec<NodeId>>| {
            if let Some(new) = new {
                *field = new;
            }
        };
        replace(&mut self.replicas, change.replicas);
        replace(&mut self.isr, change.isr);
        replace(&mut self.removing_replicas, change.removing_replicas);
        replace(&mut self.adding_replicas, change.adding_replicas);
        self.check_directories()
    }

    /// Kafka's controller dies of a partition whose directories don't match its replicas.
    pub(super) fn check_directories(&self) -> Result<(), ReplayReason> {
        if self.directories.is_empty() || self.directories.len() == self.replicas.len() {
            return Ok(());
        }
        Err(ReplayReason::Directories {
            replicas: self.replicas.len(),
            directories: self.directories.len(),
        })
    }
}
