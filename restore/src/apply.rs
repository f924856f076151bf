//! Carries out one node's part of a plan.
//!
//! Order: refuse early; partitions; the log dirs' own files; the controller's checkpoint; everything synced; `meta.properties`
//! last. Until then no node can start from the directories. Running it again goes on where it broke off.

mod notes;
mod partition;
mod preflight;
mod work;

use std::path::Path;
use std::sync::Arc;

use maxbrod_kafka::{BrokerEpoch, NodeId};
use maxbrod_repository::{Cluster, Hash, Journal, Tree};

use crate::disk::{Disk, HostDisk};
use crate::endings::Endings;
use crate::error::{Error, Result};
use crate::log_dir::{write_broker_files, write_cluster_metadata, write_meta_properties};
use crate::plan::{NodePlan, Plan};
use crate::planning::rewritten_checkpoint;
use crate::progress_file::Head;
use crate::source::Source;
use preflight::{Prepared, prepare};

#[cfg(test)]
mod tests;

/// What is to be applied, and how.
pub struct Apply<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The node.
    pub node: NodeId,
    /// Who shall own the files; otherwise whoever runs this.
    pub owner: Option<Owner>,
    /// Told of every partition that is done, and of bytes in between.
    pub progress: Arc<dyn Fn(Progress) + Send + Sync>,
}

/// An owner of files, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: Option<u32>,
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Partitions done.
    pub partitions: u64,
    /// Bytes of log done.
    pub bytes: u64,
    /// Bytes of log in all.
    pub total_bytes: u64,
}

/// What a finished restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Partitions that the node now holds.
    pub partitions: u64,
    /// Those of them that an earlier attempt had finished.
    pub kept: u64,
    /// Bytes of log written by this attempt.
    pub bytes: u64,
    /// The plan's name.
    pub plan: Hash,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Restores one node on this host.
pub async fn apply(cluster: &Cluster, order: Apply<'_>) -> Result<Applied> {
    apply_on(Arc::new(HostDisk), cluster, order).await
}

async fn apply_on(disk: Arc<dyn Disk>, cluster: &Cluster, order: Apply<'_>) -> Result<Applied> {
    let plan = order.plan;
    let hash = plan.hash();
    let node = plan.node(order.node)?;
    check_repository(cluster, plan, hash)?;
    check_journal(&Journal::load(cluster).await?, plan, hash)?;
    let tree = Tree::open(cluster, &plan.root).await?;
    let source = Source::read(&tree).await?;
    let (checkpoint, _) = rewritten_checkpoint(&source, plan)?;
    if Hash::of(&checkpoint) != plan.checkpoint.blake3 {
        return Err(Error::Foreign {
            plan: hash,
            reason: "the KRaft checkpoint made here is not the planned one".to_owned(),
            remedy: "use the maxbrod version that made the plan",
        });
    }
    let head = Head {
        plan: hash,
        snapshot: plan.snapshot.to_string(),
        node: node.node_id,
        checkpoint: plan.checkpoint.blake3,
    };
    let jobs = work::jobs(&source, node, plan)?;
    let prepared = prepare(disk.as_ref(), node, &jobs, &head)?;
    let mut directories = match prepared {
        Prepared::Applied => {
            // Whoever applies again with another owner means it; and an attempt may have ended just before its last change.
            give(disk.as_ref(), node, order.owner)?;
            let partitions = jobs.len() as u64;
            return Ok(Applied {
                partitions,
                kept: partitions,
                bytes: 0,
                plan: hash,
                warnings: Vec::new(),
            });
        }
        Prepared::Directories(directories) => directories,
    };
    let settings = work::settings(&source, node);
    let endings = Endings::read(&tree, &source).await?;
    let beginning = (plan.raised_leader_epoch(), plan.cut.as_millisecond());
    let shared = partition::Shared::new(Arc::clone(&disk), cluster, tree, settings, endings, beginning);
    let shared = Arc::new(shared);
    let outcome = work::write_partitions(&shared, jobs, &mut directories, &order, node).await?;

    let disk = disk.as_ref();
    for (dir, progress) in node.log_dirs.iter().zip(&directories) {
        if node.is_broker() {
            let finished = progress.record.finished.values();
            write_broker_files(disk, &dir.path, finished, node.broker_epoch.map(BrokerEpoch))?;
        }
        if node.is_controller() && dir.path == node.metadata_log_dir {
            write_cluster_metadata(disk, &dir.path, &plan.checkpoint.end().checkpoint_name(), &checkpoint)?;
        }
    }
    sync(disk, node)?;
    for progress in &mut directories {
        progress.applied(disk)?;
    }
    give(disk, node, order.owner)?;
    sync(disk, node)?;
    for dir in &node.log_dirs {
        write_meta_properties(disk, &dir.path, &plan.cluster_id, order.node, dir.id()?)?;
    }
    give(disk, node, order.owner)?;
    Ok(Applied {
        partitions: outcome.partitions,
        kept: outcome.kept,
        bytes: outcome.bytes,
        plan: hash,
        warnings: outcome.warnings,
    })
}

fn check_repository(cluster: &Cluster, plan: &Plan, hash: Hash) -> Result<()> {
    let foreign = |reason: String| {
        Err(Error::Foreign {
            plan: hash,
            reason,
            remedy: "check --repository and --plan: a plan is for the repository that it was made from",
        })
    };
    let repository = cluster.repository().id().to_string();
    if plan.repository_id != repository {
        return foreign(format!(
            "it is for the repository {}, this is {repository}",
            plan.repository_id
        ));
    }
    if plan.cluster_id != cluster.id().0 {
        return foreign(format!(
            "it is for the cluster {}, not for {}",
            plan.cluster_id,
            cluster.id()
        ));
    }
    Ok(())
}

const NEW_PLAN: &str = "make a new plan with `maxbrod restore plan --out`, and apply it on every node";

/// The snapshot must be what the plan was made from, and nothing may have happened since that the plan's epochs are not above.
fn check_journal(journal: &Journal, plan: &Plan, hash: Hash) -> Result<()> {
    let snapshot = journal.snapshot(plan.snapshot.as_str())?;
    if snapshot.committed.root != plan.root {
        return Err(Error::Foreign {
            plan: hash,
            reason: format!(
                "the snapshot {} in this repository is not the one that it was made from",
                plan.snapshot
            ),
            remedy: NEW_PLAN,
        });
    }
    let highest = journal.state().highest_leader_epoch;
    // The plan's own restore is noted with the plan's own epoch.
    if highest > plan.leader_epoch {
        return Err(Error::Foreign {
            plan: hash,
            reason: format!(
                "it starts at leader epoch {}, and epoch {highest} was used since in a snapshot or another restore",
                plan.leader_epoch
            ),
            remedy: NEW_PLAN,
        });
    }
    Ok(())
}

/// Brings everything onto the disks.
fn sync(disk: &dyn Disk, node: &NodePlan) -> Result<()> {
    for dir in &node.log_dirs {
        sync_file_system(disk, &dir.path)?;
    }
    Ok(())
}

fn sync_file_system(disk: &dyn Disk, path: &Path) -> Result<()> {
    disk.sync_file_system(path).map_err(Error::io("syncing", path))
}

fn give(disk: &dyn Disk, node: &NodePlan, owner: Option<Owner>) -> Result<()> {
    let Some(Owner { user, group }) = owner else {
        return Ok(());
    };
    for dir in &node.log_dirs {
        disk.give(&dir.path, user, group)
            .map_err(Error::io("changing the owner of", &dir.path))?;
    }
    Ok(())
}
