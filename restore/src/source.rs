//! What a restore reads of a snapshot before it writes anything.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use maxbrod_kafka::metadata::{Checkpoint, Position};
use maxbrod_kafka::{PartitionId, TopicId};
use maxbrod_proto::manifest;
use maxbrod_repository::{ChunkReader, PartitionSlot, Tree};

use crate::error::{Error, Result};

/// Partition nodes asked for at the same time.
const AHEAD: usize = 16;

/// Names a partition whatever its topic is called.
pub(crate) type PartitionKey = (TopicId, PartitionId);

/// A snapshot's metadata, as it was, and which partitions it holds.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) snapshot: String,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) nodes: Vec<manifest::Node>,
    pub(crate) gaps: Vec<manifest::Gap>,
    pub(crate) partitions: BTreeMap<PartitionKey, PartitionSlot>,
}

/// What the manifest says of a partition, as far as planning depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Bytes of its log.
    pub(crate) log_bytes: u64,
    /// The highest leader epoch in it; −1: none.
    pub(crate) leader_epoch: i32,
}

/// What becomes of a partition that the metadata names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The snapshot holds it.
    Restored,
    /// The snapshot should hold it and does not.
    Gap,
    /// It began after the moment of the snapshot: nothing acknowledged before is in it.
    Later,
}

impl Source {
    /// Reads the metadata, and where the partitions' nodes lie.
    pub(crate) async fn read(tree: &Tree) -> Result<Self> {
        let root = tree.root();
        let snapshot = root.snapshot_id.clone();
        let image = tree.metadata()?.ok_or_else(|| Error::NoMetadata {
            snapshot: snapshot.clone(),
        })?;
        let reader = ChunkReader::new(tree.cluster());
        let mut bytes = Vec::new();
        for chunk in &image.chunks {
            bytes.extend_from_slice(&reader.read(chunk).await?);
        }
        let position = Position {
            end_offset: image.offset,
            epoch: image.epoch,
        };
        let unreadable = |reason: String| Error::Metadata {
            snapshot: snapshot.clone(),
            reason,
        };
        if bytes.len() as u64 != image.length {
            return Err(unreadable(format!(
                "it has {} bytes, its manifest says {}",
                bytes.len(),
                image.length
            )));
        }
        let checkpoint = Checkpoint::decode(position, &bytes).map_err(|error| unreadable(error.to_string()))?;
        let mut partitions = BTreeMap::new();
        let mut topics = tree.topics();
        while let Some(topic) = topics.next().await? {
            for slot in topic.partitions {
                partitions.insert((slot.topic_id, slot.partition), slot);
            }
        }
        Ok(Self {
            snapshot,
            checkpoint,
            nodes: root.nodes.clone(),
            gaps: root.gaps.clone(),
            partitions,
        })
    }

    /// Reads what planning needs of every partition.
    pub(crate) async fn sizes(&self, tree: &Tree) -> Result<BTreeMap<PartitionKey, Size>> {
        let slots = self.partitions.values().copied();
        let sizes = stream::iter(slots).map(|slot| async move {
            let partition = tree.partition(&slot).await?;
            let size = Size {
                log_bytes: partition.logical_bytes(),
                leader_epoch: partition.record().highest_leader_epoch().map_or(-1, |epoch| epoch.0),
            };
            Ok(((slot.topic_id, slot.partition), size))
        });
        sizes.buffered(AHEAD).try_collect().await
    }

    /// What becomes of the partition of this name, which the metadata has.
    pub(crate) fn fate(&self, key: PartitionKey, name: &str) -> Fate {
        if self.partitions.contains_key(&key) {
            return Fate::Restored;
        }
        // The coordinator names a partition that it could not capture or ship; one that it did not even look for did not exist
        // when phase M began.
        let named = |gap: &manifest::Gap| gap.what.strip_prefix("partition ") == Some(name);
        if self.gaps.iter().any(named) {
            Fate::Gap
        } else {
            Fate::Later
        }
    }
}
