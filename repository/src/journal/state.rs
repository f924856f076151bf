//! What a journal's entries add up to, and the rules that each must keep.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::CHECKPOINT_EVERY;
use super::entry::Entry;
use super::event::{Committed, Event};
use crate::config::FORMAT_VERSION;
use crate::id::Hash;
use crate::name::{PackName, SnapshotId};

/// More packs than this are marked by several entries.
const MAX_MARKED: usize = 10_000;

/// The state of one cluster's backups after some entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JournalState {
    /// What the first entry names as its predecessor.
    pub genesis: Hash,
    /// The number of the next entry.
    pub next: u64,
    /// Hash of the last entry's bytes.
    pub head: Hash,
    /// The newest epoch; 0: no coordinator has been here.
    pub epoch: u64,
    /// Who holds it.
    pub holder: String,
    /// The run that is open.
    pub open_run: Option<OpenRun>,
    /// The snapshots, by run.
    pub snapshots: BTreeMap<u64, Snapshot>,
    /// The highest leader epoch of any snapshot there ever was and of any restore; −1: none.
    pub highest_leader_epoch: i32,
    /// Packs that were marked and not swept, by the number of the entry that marked them.
    pub marks: BTreeMap<u64, Mark>,
    /// Settings.
    pub settings: BTreeMap<String, String>,
}

/// A run that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// Its number.
    pub run: u64,
    /// The run of the snapshot that it builds on.
    pub base: Option<u64>,
}

/// A snapshot: committed and not deleted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// What its commit says.
    #[serde(flatten)]
    pub committed: Committed,
    /// The run that it was built on.
    pub base: Option<u64>,
    /// Why it must not be deleted, if so.
    pub held: Option<String>,
    /// The newest rehearsal's time and result.
    pub drilled: Option<(Timestamp, bool)>,
}

/// Packs that were marked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub time: Timestamp,
    /// Which.
    pub packs: BTreeSet<PackName>,
}

impl JournalState {
    /// Before the first entry.
    pub fn new(genesis: Hash) -> Self {
        Self {
            genesis,
            next: 0,
            head: genesis,
            epoch: 0,
            holder: String::new(),
            open_run: None,
            snapshots: BTreeMap::new(),
            highest_leader_epoch: -1,
            marks: BTreeMap::new(),
            settings: BTreeMap::new(),
        }
    }

    /// The newest snapshot: the only possible base of a new run.
    pub fn newest(&self) -> Option<&Snapshot> {
        self.snapshots.values().next_back()
    }

    /// A snapshot by its name.
    pub fn snapshot(&self, id: &SnapshotId) -> Option<&Snapshot> {
        self.snapshots
            .get(&id.run())
            .filter(|snapshot| snapshot.committed.snapshot == *id)
    }

    /// Whether a pack may not be referred to any more.
    pub fn is_marked(&self, pack: &PackName) -> bool {
        self.marks.values().any(|mark| mark.packs.contains(pack))
    }

    /// Adds an entry whose bytes have this hash. `Err` is the rule that it breaks; the state is unchanged then.
    pub fn apply(&mut self, entry: &Entry, hash: Hash) -> Result<(), String> {
        self.check_place(entry)?;
        let mut next = self.clone();
        next.apply_event(entry)?;
        next.next = entry.n + 1;
        next.head = hash;
        *self = next;
        Ok(())
    }

    fn check_place(&self, entry: &Entry) -> Result<(), String> {
        if entry.n != self.next {
            return Err(format!("it says that it is entry {}, expected {}", entry.n, self.next));
        }
        if entry.previous != self.head {
            return Err("the entry before it is not the one that its writer saw".to_owned());
        }
        let due = entry.n != 0 && entry.n.is_multiple_of(CHECKPOINT_EVERY);
        match &entry.checkpoint {
            Some(checkpoint) if !due || **checkpoint != *self => {
                Err("its checkpoint is not what the entries before it add up to".to_owned())
            }
            None if due => Err("it lacks its checkpoint".to_owned()),
            _ => Ok(()),
        }
    }

    fn apply_event(&mut self, entry: &Entry) -> Result<(), String> {
        if let Event::Epoch { holder } = &entry.event {
            if entry.epoch != self.epoch + 1 {
                return Err(format!("epoch {} does not follow epoch {}", entry.epoch, self.epoch));
            }
            self.epoch = entry.epoch;
            self.holder.clone_from(holder);
            return Ok(());
        }
        if entry.epoch != self.epoch {
            return Err(format!(
                "it was written in epoch {}, but the newest is {}",
                entry.epoch, self.epoch
            ));
        }
        if entry.event.needs_epoch() && self.epoch == 0 {
            return Err("no coordinator has taken an epoch".to_owned());
        }
        match &entry.event {
            Event::Epoch { .. } => {}
            Event::RunOpened { run, base } => self.open(entry.n, *run, *base)?,
            Event::RunClosed { run, .. } => {
                self.check_open(*run)?;
                self.open_run = None;
            }
            Event::Committed(committed) => self.commit(committed)?,
            Event::Deleted { snapshot, .. } => {
                if let Some(reason) = &self.existing(snapshot)?.held {
                    return Err(format!("the snapshot {snapshot} is held: {reason}"));
                }
                self.snapshots.remove(&snapshot.run());
            }
            Event::Held { snapshot, reason } => self.existing(snapshot)?.held = Some(reason.clone()),
            Event::Released { snapshot, .. } => {
                if self.existing(snapshot)?.held.take().is_none() {
                    return Err(format!("the snapshot {snapshot} is not held"));
                }
            }
            Event::Marked { packs } => self.mark(entry, packs)?,
            Event::Swept { mark, .. } => {
                self.marks
                    .remove(mark)
                    .ok_or_else(|| format!("there is no mark {mark} to sweep"))?;
            }
            Event::Restored {
                highest_leader_epoch, ..
            } => {
                // The snapshot may have been deleted while the restore ran.
                self.highest_leader_epoch = self.highest_leader_epoch.max(*highest_leader_epoch);
            }
            Event::Drilled { snapshot, passed, .. } => self.existing(snapshot)?.drilled = Some((entry.time, *passed)),
            Event::Configured(configured) => {
                for (name, value) in &configured.settings {
                    match value {
                        Some(value) => self.settings.insert(name.clone(), value.clone()),
                        None => self.settings.remove(name),
                    };
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, n: u64, run: u64, base: Option<u64>) -> Result<(), String> {
        if run != n {
            return Err(format!(
                "a run has the number of the entry that opens it, {n}, not {run}"
            ));
        }
        if let Some(open) = self.open_run {
            return Err(format!("run {} is open", open.run));
        }
        let newest = self.newest().map(|snapshot| snapshot.committed.run);
        if base.is_some() && base != newest {
            return Err("its base is not the newest snapshot".to_owned());
        }
        self.open_run = Some(OpenRun { run, base });
        Ok(())
    }

    fn check_open(&self, run: u64) -> Result<OpenRun, String> {
        match self.open_run {
            Some(open) if open.run == run => Ok(open),
            Some(open) => Err(format!("run {run} is not open, run {} is", open.run)),
            None => Err(format!("run {run} is not open")),
        }
    }

    fn commit(&mut self, committed: &Committed) -> Result<(), String> {
        let open = self.check_open(committed.run)?;
        if committed.snapshot.run() != committed.run || committed.root.name.run != committed.run {
            return Err(format!("snapshot or root are not named after run {}", committed.run));
        }
        if committed.root.name.epoch > self.epoch {
            return Err(format!(
                "its root is of epoch {}, which has not been",
                committed.root.name.epoch
            ));
        }
        if committed.format > FORMAT_VERSION {
            return Err(format!(
                "its manifest has format version {}; use a newer maxbrod",
                committed.format
            ));
        }
        self.open_run = None;
        self.highest_leader_epoch = self.highest_leader_epoch.max(committed.highest_leader_epoch);
        let snapshot = Snapshot {
            committed: committed.clone(),
            base: open.base,
            held: None,
            drilled: None,
        };
        self.snapshots.insert(committed.run, snapshot);
        Ok(())
    }

    fn mark(&mut self, entry: &Entry, packs: &[PackName]) -> Result<(), String> {
        if packs.is_empty() || packs.len() > MAX_MARKED {
            return Err(format!(
                "it marks {} packs, between 1 and {MAX_MARKED} are possible",
                packs.len()
            ));
        }
        if let Some(open) = self.open_run
            && let Some(pack) = packs.iter().find(|pack| pack.run == open.run)
        {
            return Err(format!("pack {pack} belongs to the run that is open"));
        }
        if let Some(pack) = packs.iter().find(|pack| self.is_marked(pack)) {
            return Err(format!("pack {pack} is marked already"));
        }
        self.marks.insert(
            entry.n,
            Mark {
                time: entry.time,
                packs: packs.iter().copied().collect(),
            },
        );
        Ok(())
    }

    fn existing(&mut self, id: &SnapshotId) -> Result<&mut Snapshot, String> {
        self.snapshots
            .get_mut(&id.run())
            .filter(|snapshot| snapshot.committed.snapshot == *id)
            .ok_or_else(|| format!("there is no snapshot {id}"))
    }
}
