use jiff::Timestamp;

use super::{Inventory, StoredPack, plan};
use crate::name::PackName;

fn pack(run: u64, sequence: u64) -> PackName {
    PackName {
        run,
        epoch: 1,
        sequence,
    }
}

fn inventory(packs: &[(PackName, u64)], live: &[(PackName, u64, u64)]) -> Inventory {
    let mut inventory = Inventory {
        packs: packs
            .iter()
            .map(|(name, length)| StoredPack {
                name: *name,
                length: *length,
                modified: Timestamp::UNIX_EPOCH,
            })
            .collect(),
        ..Inventory::default()
    };
    for (name, position, length) in live {
        inventory.live.entry(*name).or_default().insert(*position, *length);
    }
    inventory
}

#[test]
fn a_pack_that_no_snapshot_uses_is_reclaimable() {
    let plan = plan(&inventory(
        &[(pack(1, 0), 100), (pack(1, 1), 100)],
        &[(pack(1, 1), 0, 90)],
    ));
    assert_eq!(
        plan.unreferenced.iter().map(|pack| pack.name).collect::<Vec<_>>(),
        [pack(1, 0)]
    );
    assert_eq!(
        (plan.kept, plan.reclaimable_bytes, plan.stored_bytes, plan.live_bytes),
        (1, 100, 200, 90)
    );
}

#[test]
fn the_open_run_is_left_alone() {
    let mut inventory = inventory(&[(pack(7, 0), 100)], &[]);
    inventory.open_run = Some(7);
    let plan = plan(&inventory);
    assert!(plan.unreferenced.is_empty());
    assert_eq!(plan.open, 1);
}

#[test]
fn a_pack_of_which_little_is_live_is_sparse() {
    let plan = plan(&inventory(
        &[(pack(1, 0), 1000), (pack(1, 1), 1000)],
        &[(pack(1, 0), 0, 249), (pack(1, 1), 0, 250)],
    ));
    assert_eq!(
        plan.sparse.iter().map(|pack| pack.name).collect::<Vec<_>>(),
        [pack(1, 0)]
    );
    assert_eq!(plan.kept, 1);
}

#[test]
fn a_pack_that_is_gone_or_marked_though_it_is_used_is_told() {
    let mut inventory = inventory(&[(pack(1, 1), 100)], &[(pack(1, 0), 0, 10), (pack(1, 1), 0, 90)]);
    inventory.marked.insert(pack(1, 1));
    let plan = plan(&inventory);
    assert_eq!(plan.missing, [pack(1, 0)]);
    assert_eq!(plan.marked_but_live, [pack(1, 1)]);
}
