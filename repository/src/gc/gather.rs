//! Taking the inventory.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::TryStreamExt as _;

use super::{Inventory, StoredPack};
use crate::error::Result;
use crate::id::ContentId;
use crate::journal::JournalState;
use crate::name::PackName;
use crate::repository::Cluster;
use crate::tree::{ChunkRef, Tree};

/// Walks over the trees of all snapshots and lists the packs. Partitions that snapshots share are read once.
pub async fn gather(cluster: &Cluster, journal: &JournalState) -> Result<Inventory> {
    let mut live: BTreeMap<PackName, BTreeMap<u64, u64>> = BTreeMap::new();
    let mut seen: HashSet<ContentId> = HashSet::new();
    for snapshot in journal.snapshots.values() {
        let tree = Tree::open(cluster, &snapshot.committed.root).await?;
        let mut mark = |chunk: &ChunkRef| {
            live.entry(chunk.pack).or_default().insert(chunk.position, chunk.length);
        };
        if let Some(image) = tree.metadata()? {
            image.chunks.iter().for_each(&mut mark);
        }
        let mut topics = tree.topics();
        while let Some(topic) = topics.next().await? {
            for slot in topic.partitions {
                if !seen.insert(slot.node.id) {
                    continue;
                }
                let partition = tree.partition(&slot).await?;
                if let Some(snapshot) = &partition.record().producer_snapshot {
                    mark(&snapshot.chunk);
                }
                let mut chunks = std::pin::pin!(tree.chunks(&partition));
                while let Some(chunk) = chunks.try_next().await? {
                    mark(&chunk);
                }
            }
        }
    }
    let folder = cluster.names().packs();
    let packs = cluster.store().list(&folder).await?.into_iter().filter_map(|info| {
        let name = info.name.strip_prefix(&folder)?.strip_prefix('/')?.parse().ok()?;
        Some(StoredPack {
            name,
            length: info.length,
            modified: info.modified,
        })
    });
    Ok(Inventory {
        packs: packs.collect(),
        live,
        open_run: journal.open_run.map(|open| open.run),
        marked: journal
            .marks
            .values()
            .flat_map(|mark| mark.packs.iter().copied())
            .collect::<BTreeSet<_>>(),
    })
}
