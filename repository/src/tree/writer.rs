//! Writing a snapshot's tree, partition by partition.

mod leaves;
mod root;

use bytes::Bytes;
use maxbrod_kafka::{Offset, TopicId};
use maxbrod_proto::manifest;

pub(super) use self::leaves::FinishedLeaf;
use self::leaves::Leaves;
pub use root::{MetadataImage, PackInfo, RootRecord, WrittenTree};

use super::chunk_ref::{ChunkRef, encode_leaf};
use super::node::{NodeRef, NodeWriter};
use super::partition::PartitionRecord;
use super::reader::{Partition, Tree};
use super::table::Tables;
use super::{MAX_PARTITIONS, MAX_TOPICS, TOPICS_MEAN, ends_node};
use crate::error::{Error, Result};
use crate::key::SealingKey;
use crate::name::TreeName;
use crate::repository::Cluster;

/// Writes one snapshot's tree with bounded memory.
///
/// Topics come in ascending order of their ids, partitions in ascending order within; what is equal to the base's is
/// referred to there.
pub struct TreeWriter<'a> {
    cluster: Cluster,
    run: u64,
    epoch: u64,
    base: Option<&'a Tree>,
    nodes: NodeWriter,
    /// The topics of the node that is being filled; the last one is being filled too.
    topics: Vec<TopicBuilder>,
    topic_nodes: Vec<FinishedTopics>,
    totals: manifest::Totals,
    highest_leader_epoch: i32,
}

struct TopicBuilder {
    id: TopicId,
    name: String,
    partitions: Vec<(i32, NodeRef)>,
}

struct FinishedTopics {
    node: NodeRef,
    first: TopicId,
    last: TopicId,
    topics: u64,
    partitions: u64,
}

/// Chunks that a partition takes over from the base.
#[derive(Clone, Copy, Debug)]
pub struct Inherited<'a> {
    /// The base's partition.
    pub partition: &'a Partition,
    /// Chunks that end at or below are not taken: the log's first offset now.
    pub from: Offset,
    /// Chunks that end above are not taken.
    pub to: Offset,
}

impl<'a> TreeWriter<'a> {
    /// Begins a tree of the open run. `key`: a manifest key that is stored already; `None` where nothing is encrypted.
    pub async fn new(
        cluster: &Cluster,
        run: u64,
        epoch: u64,
        key: Option<SealingKey>,
        base: Option<&'a Tree>,
    ) -> Result<Self> {
        if key.is_some() != cluster.repository().config().is_encrypted() {
            return Err(unwritable(
                "a manifest key must be given exactly where the repository is encrypted",
            ));
        }
        // An earlier attempt of the same epoch may have used names. Nobody else uses this epoch's.
        let folder = format!("{}/{run}", cluster.names().trees());
        let sequence = next_sequence(cluster, &folder, epoch).await?;
        let id_key = cluster.repository().id_key()?.clone();
        let nodes = NodeWriter::new(cluster.clone(), id_key, key, TreeName { run, epoch, sequence });
        Ok(Self {
            cluster: cluster.clone(),
            run,
            epoch,
            base,
            nodes,
            topics: Vec::new(),
            topic_nodes: Vec::new(),
            totals: manifest::Totals::default(),
            highest_leader_epoch: -1,
        })
    }

    /// Begins a topic.
    pub async fn topic(&mut self, id: TopicId, name: &str) -> Result<()> {
        if let Some(last) = self.topics.last() {
            if last.id >= id {
                return Err(unwritable(&format!("topic {id} comes after topic {}", last.id)));
            }
            if self.node_is_full() || ends_node(boundary(last.id), TOPICS_MEAN) {
                self.finish_topics(None).await?;
            }
        } else if self.topic_nodes.last().is_some_and(|node| node.last >= id) {
            return Err(unwritable(&format!("topic {id} comes too late")));
        }
        self.topics.push(TopicBuilder {
            id,
            name: name.to_owned(),
            partitions: Vec::new(),
        });
        self.totals.topics += 1;
        Ok(())
    }

    /// Writes a partition of the topic begun last: what is taken over from the base, and then these chunks.
    pub async fn partition(
        &mut self,
        record: &PartitionRecord,
        inherited: Option<Inherited<'_>>,
        chunks: impl IntoIterator<Item = ChunkRef>,
    ) -> Result<()> {
        let previous = match self.topics.last() {
            Some(topic) if topic.id == record.topic_id => topic.partitions.last().map(|(partition, _)| *partition),
            _ => return Err(unwritable(&format!("topic {} was not begun", record.topic_id))),
        };
        if previous.is_some_and(|previous| previous >= record.partition.0) {
            return Err(unwritable(&format!(
                "partition {} of topic {} comes twice",
                record.partition, record.topic_id
            )));
        }
        if self.node_is_full() {
            let (id, name) = match self.topics.last() {
                Some(topic) => (topic.id, topic.name.clone()),
                None => return Err(unwritable("no topic was begun")),
            };
            self.finish_topics(Some(TopicBuilder {
                id,
                name,
                partitions: Vec::new(),
            }))
            .await?;
        }
        let found;
        let base = match (inherited, self.base) {
            (Some(inherited), _) => Some(inherited.partition),
            (None, Some(base)) => {
                found = base.find(record.topic_id, record.partition).await?;
                found.as_ref()
            }
            (None, None) => None,
        };
        let mut leaves = Leaves::new(base);
        if let Some(inherited) = inherited {
            let tree = self
                .base
                .ok_or_else(|| unwritable("chunks can't be taken over without a base"))?;
            leaves.inherit(&mut self.nodes, tree, inherited).await?;
        }
        for chunk in chunks {
            leaves.push(&mut self.nodes, chunk).await?;
        }
        let mut tables = Tables::default();
        let mut node = record.encode(&mut tables);
        node.chunks = leaves.chunks;
        node.logical_bytes = leaves.logical_bytes;
        node.leaves = leaves.finished.iter().map(|leaf| leaf.encode(&mut tables)).collect();
        node.tail = (!leaves.open.is_empty()).then(|| encode_leaf(&leaves.open));
        (node.packs, node.keys) = tables.finish();
        self.totals.partitions += 1;
        self.totals.chunks += node.chunks;
        self.totals.logical_bytes += node.logical_bytes;
        let epoch = record.highest_leader_epoch().map_or(-1, |epoch| epoch.0);
        self.highest_leader_epoch = self.highest_leader_epoch.max(epoch);
        let in_base = base.map(|base| *base.node());
        let node = self.nodes.put(&node, |id| in_base.filter(|node| node.id == id)).await?;
        if let Some(topic) = self.topics.last_mut() {
            topic.partitions.push((record.partition.0, node));
        }
        Ok(())
    }

    fn node_is_full(&self) -> bool {
        let partitions: usize = self.topics.iter().map(|topic| topic.partitions.len()).sum();
        self.topics.len() >= MAX_TOPICS || partitions >= MAX_PARTITIONS
    }

    /// Writes the node that is being filled, and begins another one.
    async fn finish_topics(&mut self, next: Option<TopicBuilder>) -> Result<()> {
        let topics = std::mem::replace(&mut self.topics, next.into_iter().collect());
        let (Some(first), Some(last)) = (
            topics.first().map(|topic| topic.id),
            topics.last().map(|topic| topic.id),
        ) else {
            return Ok(());
        };
        let mut tables = Tables::default();
        let mut node = manifest::Topics::default();
        for topic in &topics {
            let partitions = topic.partitions.iter();
            node.topics.push(manifest::Topic {
                topic_id: Bytes::copy_from_slice(&topic.id.0.0),
                name: topic.name.clone(),
                partitions: partitions
                    .map(|(partition, node)| manifest::PartitionRef {
                        partition: *partition,
                        node: Some(node.encode(&mut tables)),
                    })
                    .collect(),
            });
        }
        (_, node.keys) = tables.finish();
        let base = self.base;
        let written = self.nodes.put(&node, |id| base?.topics_node_with(id)).await?;
        self.topic_nodes.push(FinishedTopics {
            node: written,
            first,
            last,
            topics: topics.len() as u64,
            partitions: topics.iter().map(|topic| topic.partitions.len() as u64).sum(),
        });
        Ok(())
    }
}

impl std::fmt::Debug for TreeWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TreeWriter")
            .field("run", &self.run)
            .field("totals", &self.totals)
            .finish_non_exhaustive()
    }
}

/// Uniformly distributed, and the same in every snapshot.
fn boundary(topic: TopicId) -> u8 {
    blake3::hash(&topic.0.0).as_bytes().first().copied().unwrap_or_default()
}

fn unwritable(reason: &str) -> Error {
    Error::Unwritable {
        object: "the manifest".to_owned(),
        reason: reason.to_owned(),
    }
}

/// The first sequence that no object `<folder>/<epoch>-<sequence>` has.
async fn next_sequence(cluster: &Cluster, folder: &str, epoch: u64) -> Result<u64> {
    let mut next = 0;
    for info in cluster.store().list(folder).await? {
        let name = info.name.rsplit('/').next().and_then(|name| name.split_once('-'));
        if let Some((of, sequence)) = name
            && of.parse() == Ok(epoch)
            && let Ok(sequence) = sequence.parse::<u64>()
        {
            next = next.max(sequence.saturating_add(1));
        }
    }
    Ok(next)
}
