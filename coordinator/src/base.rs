//! What the snapshot before holds: the base that the open run builds on.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use maxbrod_cut::{BatchEnd, PartitionKey};
use maxbrod_kafka::{LeaderEpoch, Offset};
use maxbrod_proto::agent::{BasePartition, TailChunk};
use maxbrod_repository::{ChunkRef, Cluster, ContentId, End, Partition, Result, Snapshot, Tree};

use crate::sequencer::{BaseSummary, SourceOrder};
use crate::source_plan::Precedent;
use crate::wire;

/// So many partitions' nodes are read at a time.
const READERS: usize = 32;

/// The base, or nothing where there is none.
#[derive(Debug, Default)]
pub(crate) struct Base {
    tree: Option<Tree>,
    entries: BTreeMap<PartitionKey, Entry>,
    summaries: Arc<BTreeMap<PartitionKey, BaseSummary>>,
}

/// What is kept in memory of a partition.
#[derive(Debug)]
struct Entry {
    log_start: Offset,
    end: Option<BatchEnd>,
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    tail: Vec<TailChunk>,
    compacted: bool,
    producer_snapshot: Option<ContentId>,
}

impl Base {
    /// Reads a snapshot's partitions, without their leaves.
    pub(crate) async fn load(cluster: &Cluster, snapshot: Option<&Snapshot>) -> Result<Self> {
        let Some(snapshot) = snapshot else {
            return Ok(Self::default());
        };
        let tree = Tree::open(cluster, &snapshot.committed.root).await?;
        let mut slots = Vec::new();
        let mut topics = tree.topics();
        while let Some(topic) = topics.next().await? {
            slots.extend(topic.partitions);
        }
        drop(topics);
        let reading = slots.into_iter().map(|slot| {
            let tree = &tree;
            async move { tree.partition(&slot).await }
        });
        let partitions: Vec<Partition> = stream::iter(reading).buffered(READERS).try_collect().await?;
        let mut entries = BTreeMap::new();
        let mut summaries = BTreeMap::new();
        for partition in partitions {
            let record = partition.record();
            let key = PartitionKey {
                topic_id: record.topic_id,
                partition: record.partition,
            };
            let precedent = Precedent {
                source: record.source,
                bytes: partition.logical_bytes(),
            };
            summaries.insert(
                key,
                BaseSummary {
                    precedent,
                    end: record.end.offset(),
                    compacted: record.compacted,
                },
            );
            entries.insert(key, Entry::of(&partition));
        }
        Ok(Self {
            tree: Some(tree),
            entries,
            summaries: Arc::new(summaries),
        })
    }

    /// What sequencing must know.
    pub(crate) fn summaries(&self) -> Arc<BTreeMap<PartitionKey, BaseSummary>> {
        Arc::clone(&self.summaries)
    }

    /// The tree, to share its nodes.
    pub(crate) fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// What an agent is told that the base holds of a partition; nothing when that is not a single record.
    pub(crate) fn of_order(&self, order: &SourceOrder) -> Option<BasePartition> {
        let entry = self.entries.get(&order.key)?;
        let end = entry.end?;
        let match_by_id = entry.compacted || order.compacted;
        let told = wire::base_partition(
            entry.log_start,
            Some(end),
            &entry.leader_epochs,
            entry.tail.clone(),
            match_by_id,
        );
        let producer_snapshot = entry
            .producer_snapshot
            .map_or_else(Bytes::new, |id| id.0.to_vec().into());
        Some(BasePartition {
            producer_snapshot,
            ..told
        })
    }

    /// A partition's node.
    pub(crate) async fn partition(&self, key: &PartitionKey) -> Result<Option<Partition>> {
        match &self.tree {
            Some(tree) if self.entries.contains_key(key) => tree.find(key.topic_id, key.partition).await,
            _ => Ok(None),
        }
    }

    /// All chunks of a partition.
    pub(crate) async fn chunks(&self, partition: &Partition) -> Result<Vec<ChunkRef>> {
        match &self.tree {
            Some(tree) => tree.all_chunks(partition).await,
            None => Ok(Vec::new()),
        }
    }
}

impl Entry {
    fn of(partition: &Partition) -> Self {
        let record = partition.record();
        let open_from = partition
            .tail()
            .iter()
            .rposition(|chunk| chunk.closed)
            .map_or(0, |closed| closed + 1);
        let tail = partition.tail().iter().skip(open_from);
        Self {
            log_start: record.log_start,
            end: match record.end {
                End::After(batch) => Some(BatchEnd {
                    end_offset: batch.end_offset,
                    leader_epoch: batch.leader_epoch,
                    crc: batch.crc,
                }),
                End::Empty(_) => None,
            },
            leader_epochs: record.leader_epochs.clone(),
            tail: tail
                .map(|chunk| TailChunk {
                    base_offset: chunk.base_offset.0,
                    length: chunk.logical_length,
                })
                .collect(),
            compacted: record.compacted,
            producer_snapshot: record.producer_snapshot.as_ref().map(|snapshot| snapshot.chunk.id),
        }
    }
}
