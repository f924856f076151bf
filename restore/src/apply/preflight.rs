//! Refuses what cannot work, before anything is written; then marks the directories as this restore's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::work::Job;
use crate::disk::{Disk, Entry};
use crate::error::{Error, Result};
use crate::log_dir::{CLUSTER_METADATA, FILES, META_PROPERTIES};
use crate::plan::{LogDirPlan, NodePlan};
use crate::progress_file::{Head, NAME, ProgressFile, Record};

/// What the directories are.
pub(super) enum Prepared {
    /// Restored by this very plan: nothing is left to do.
    Applied,
    /// Ready, in the order of the node's plan.
    Directories(Vec<ProgressFile>),
}

/// Looks at all directories, and begins or goes on with the restore in each of them.
pub(super) fn prepare(disk: &dyn Disk, node: &NodePlan, jobs: &[Job], head: &Head) -> Result<Prepared> {
    let mut states = Vec::new();
    for (index, dir) in node.log_dirs.iter().enumerate() {
        let planned: BTreeSet<&str> = jobs
            .iter()
            .filter(|job| job.directory == index)
            .map(|job| job.name.as_str())
            .collect();
        states.push(look(disk, dir, &planned, head)?);
    }
    if states.iter().all(|state| state.applied && state.startable) {
        return Ok(Prepared::Applied);
    }
    check_space(disk, node, &states)?;
    let mut directories = Vec::new();
    for (dir, state) in node.log_dirs.iter().zip(states) {
        disk.create_dir_all(&dir.path).map_err(Error::io("making", &dir.path))?;
        let record = Record {
            head: head.clone(),
            finished: state.finished,
            applied: state.applied,
        };
        // Writes, so it also tells whether the directory can be written.
        directories.push(ProgressFile::open(disk, &dir.path, record)?);
    }
    Ok(Prepared::Directories(directories))
}

/// A directory as it was found.
struct State {
    finished: BTreeMap<String, crate::progress_file::FinishedPartition>,
    applied: bool,
    /// Whether `meta.properties` is there.
    startable: bool,
}

fn look(disk: &dyn Disk, dir: &LogDirPlan, planned: &BTreeSet<&str>, head: &Head) -> Result<State> {
    let entries = disk
        .list(&dir.path)
        .map_err(Error::io("reading", &dir.path))?
        .unwrap_or_default();
    let occupied = |reason: String, remedy| Error::Occupied {
        path: dir.path.clone(),
        reason,
        remedy,
    };
    let has = |name: &str| entries.iter().any(|entry| entry.name == name);
    // Half of a first `.maxbrod-restore` is nobody's.
    if entries.iter().all(|entry| entry.name == format!("{NAME}.tmp")) {
        return Ok(State {
            finished: BTreeMap::new(),
            applied: false,
            startable: false,
        });
    }
    if has("lost+found") {
        return Err(occupied(
            "it is the root of a file system, where Kafka does not start because of lost+found".to_owned(),
            "restore into a directory below it (--map)",
        ));
    }
    let Some(progress) = ProgressFile::read(disk, &dir.path)? else {
        let first = entries.first().map(|entry| entry.name.as_str()).unwrap_or_default();
        return Err(occupied(
            format!("{first} is in it; a restore needs an empty directory and never writes over what is there"),
            "empty it, or map it elsewhere (--map)",
        ));
    };
    let record = progress.record;
    if record.head != *head {
        let Head {
            plan, snapshot, node, ..
        } = record.head;
        return Err(occupied(
            format!("it belongs to a restore of node {node} from the snapshot {snapshot} by the plan {plan}"),
            "apply that plan, or empty the directory",
        ));
    }
    let startable = has(META_PROPERTIES);
    if startable && !record.applied {
        return Err(occupied(
            format!("a {META_PROPERTIES} is in it that this restore did not write"),
            "empty the directory",
        ));
    }
    if startable {
        // Since it was applied, a broker may have been at work in it: what is there is not looked at.
        return Ok(State {
            finished: record.finished,
            applied: true,
            startable,
        });
    }
    if let Some(foreign) = entries.iter().find(|entry| !is_ours(entry, planned)) {
        return Err(occupied(
            format!("{} is in it, which is not of this restore", foreign.name),
            "take it away and apply again",
        ));
    }
    let mut finished = BTreeMap::new();
    for (name, partition) in record.finished {
        if planned.contains(name.as_str()) && partition.is_intact(disk, &dir.path.join(&name))? {
            finished.insert(name, partition);
        }
    }
    Ok(State {
        finished,
        applied: false,
        startable,
    })
}

/// Whether an entry is left over from an earlier attempt.
fn is_ours(entry: &Entry, planned: &BTreeSet<&str>) -> bool {
    if entry.is_dir {
        return entry.name == CLUSTER_METADATA || planned.contains(entry.name.as_str());
    }
    let name = entry.name.strip_suffix(".tmp").unwrap_or(&entry.name);
    name == NAME || name == META_PROPERTIES || FILES.contains(&name)
}

/// Adds up what the directories of each file system need.
fn check_space(disk: &dyn Disk, node: &NodePlan, states: &[State]) -> Result<()> {
    let mut needs: BTreeMap<u64, (u64, u64, PathBuf)> = BTreeMap::new();
    for (dir, state) in node.log_dirs.iter().zip(states) {
        let space = disk
            .space(&dir.path)
            .map_err(Error::io("reading the free space of", &dir.path))?;
        let there: u64 = state.finished.values().flat_map(|done| done.files.values()).sum();
        let (needed, ..) = needs
            .entry(space.device)
            .or_insert((0, space.available, dir.path.clone()));
        *needed = needed.saturating_add(dir.space_bytes.saturating_sub(there));
    }
    match needs.into_values().find(|(needed, free, _)| needed > free) {
        Some((needed, free, path)) => Err(Error::NoSpace { path, needed, free }),
        None => Ok(()),
    }
}
