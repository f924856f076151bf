//! Planning, from values to values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::name::PackName;

/// A pack of whose bytes less than this share is live is worth copying forward, in hundredths.
pub const SPARSE: u64 = 25;

/// What is in the store and what refers to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The packs that the store lists.
    pub packs: Vec<StoredPack>,
    /// What the snapshots use of each pack: length by position of the chunks.
    pub live: BTreeMap<PackName, BTreeMap<u64, u64>>,
    /// The run that is open: its packs are in use though nothing refers to them yet.
    pub open_run: Option<u64>,
    /// Packs that are marked.
    pub marked: BTreeSet<PackName>,
}

/// A pack in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPack {
    /// Its name.
    pub name: PackName,
    /// In bytes.
    pub length: u64,
    /// By the store's clock.
    pub modified: Timestamp,
}

/// What a pack is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackUse {
    /// Its name.
    pub name: PackName,
    /// In bytes.
    pub length: u64,
    /// Bytes that snapshots use.
    pub live: u64,
}

/// What could be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// No snapshot uses them: to be marked.
    pub unreferenced: Vec<PackUse>,
    /// Marked before: to be swept when the grace time is over.
    pub marked: Vec<PackUse>,
    /// Little of them is live: to be copied forward.
    pub sparse: Vec<PackUse>,
    /// In use as they are.
    pub kept: u64,
    /// Of the open run.
    pub open: u64,
    /// Referred to, but not in the store: an integrity failure, nothing may be marked.
    pub missing: Vec<PackName>,
    /// Marked, but referred to: an integrity failure, nothing may be swept.
    pub marked_but_live: Vec<PackName>,
    /// Bytes of all packs.
    pub stored_bytes: u64,
    /// Bytes that snapshots use.
    pub live_bytes: u64,
    /// Bytes that marking and sweeping would free.
    pub reclaimable_bytes: u64,
}

/// Sorts packs by what they are used for.
pub fn plan(inventory: &Inventory) -> Plan {
    let mut plan = Plan::default();
    let stored: BTreeSet<_> = inventory.packs.iter().map(|pack| pack.name).collect();
    plan.missing = inventory
        .live
        .keys()
        .filter(|name| !stored.contains(name))
        .copied()
        .collect();
    plan.marked_but_live = inventory
        .live
        .keys()
        .filter(|name| inventory.marked.contains(name))
        .copied()
        .collect();
    for pack in &inventory.packs {
        let live = inventory.live.get(&pack.name).map_or(0, |chunks| chunks.values().sum());
        let usage = PackUse {
            name: pack.name,
            length: pack.length,
            live,
        };
        plan.stored_bytes += pack.length;
        plan.live_bytes += live;
        if inventory.marked.contains(&pack.name) {
            plan.reclaimable_bytes += pack.length;
            plan.marked.push(usage);
        } else if live == 0 && inventory.open_run == Some(pack.name.run) {
            plan.open += 1;
        } else if live == 0 {
            plan.reclaimable_bytes += pack.length;
            plan.unreferenced.push(usage);
        } else if live.saturating_mul(100) < pack.length.saturating_mul(SPARSE) {
            plan.sparse.push(usage);
        } else {
            plan.kept += 1;
        }
    }
    plan
}
