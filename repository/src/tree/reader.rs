//! Reading a snapshot's tree, as little of it as is asked for.

mod topics;

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use maxbrod_kafka::{LeaderEpoch, Offset, PartitionId, TopicId};
use maxbrod_proto::manifest;
use prost::Message as _;

use self::topics::TopicsRef;
pub(super) use self::topics::decode_topics;
pub use self::topics::{PartitionSlot, TopicEntry, Topics};

use super::MAX_NODE;
use super::chunk_ref::{ChunkRef, decode_leaf, follows};
use super::node::{NodeReader, NodeRef};
use super::partition::PartitionRecord;
use super::table::TablesRef;
use super::writer::{FinishedLeaf, MetadataImage, PackInfo};
use crate::error::{Error, Result};
use crate::id::ContentId;
use crate::journal::RootRef;
use crate::name::PackName;
use crate::repository::Cluster;
use crate::seal::{Expected, MAX_BODY, Role, open};

/// A snapshot's tree, its root read.
pub struct Tree {
    nodes: NodeReader,
    /// How messages call the root.
    object: String,
    root: manifest::Root,
    topics: Vec<TopicsRef>,
    /// The node of topics that was looked into last.
    recent: tokio::sync::Mutex<Option<(NodeRef, Vec<TopicEntry>)>>,
}

/// A partition's node.
#[derive(Clone, Debug)]
pub struct Partition {
    record: PartitionRecord,
    node: NodeRef,
    leaves: Vec<FinishedLeaf>,
    tail: Vec<ChunkRef>,
    chunks: u64,
    logical_bytes: u64,
}

impl Partition {
    /// What is said of it.
    pub fn record(&self) -> &PartitionRecord {
        &self.record
    }

    /// How many chunks it has.
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Of all chunks.
    pub fn logical_bytes(&self) -> u64 {
        self.logical_bytes
    }

    /// The last chunks: those after the last complete leaf.
    pub fn tail(&self) -> &[ChunkRef] {
        &self.tail
    }

    pub(super) fn node(&self) -> &NodeRef {
        &self.node
    }

    pub(super) fn leaves(&self) -> &[FinishedLeaf] {
        &self.leaves
    }
}

impl Tree {
    /// Reads a root. That it is the committed one is checked by its id.
    pub async fn open(cluster: &Cluster, root: &RootRef) -> Result<Self> {
        let object = cluster.names().root(root.name);
        let damaged = |reason: &str| Error::damaged(&object, reason);
        let sealed = cluster.store().get(&object).await?;
        if sealed.len() as u64 != root.length {
            return Err(damaged(&format!(
                "it has {} bytes, its commit says {}",
                sealed.len(),
                root.length
            )));
        }
        let key = match root.key {
            Some(key) => Some(cluster.repository().keys().get(key).await?),
            None => None,
        };
        let expected = Expected {
            role: Role::Root,
            id: root.id,
            limit: MAX_NODE,
            object: &object,
        };
        let body = open(expected, &sealed, cluster.repository().id_key()?, key.as_ref())?;
        let root_node = manifest::Root::decode(body.as_slice()).map_err(|source| damaged(&source.to_string()))?;
        if root_node.repository_id != cluster.repository().id().to_string() {
            return Err(damaged("it belongs to another repository"));
        }
        if root_node.cluster_id != cluster.id().to_string() || root_node.run != root.name.run {
            return Err(damaged("it belongs to another cluster or run"));
        }
        let topics: Option<Vec<_>> = root_node
            .topics
            .iter()
            .map(|reference| TopicsRef::decode(reference, &root_node.keys))
            .collect();
        let topics = topics.filter(|topics| topics.is_sorted_by(|a, b| a.last <= b.first));
        Ok(Self {
            nodes: NodeReader::new(cluster.clone()),
            topics: topics.ok_or_else(|| damaged("its topics are malformed"))?,
            object,
            root: root_node,
            recent: tokio::sync::Mutex::default(),
        })
    }

    /// The root as it is stored.
    pub fn root(&self) -> &manifest::Root {
        &self.root
    }

    /// Whose it is.
    pub fn cluster(&self) -> &Cluster {
        self.nodes.cluster()
    }

    /// The cluster's metadata; `None`: the snapshot has none, and its gaps say why.
    pub fn metadata(&self) -> Result<Option<MetadataImage>> {
        let Some(image) = &self.root.metadata else {
            return Ok(None);
        };
        let tables = TablesRef {
            packs: &self.root.packs,
            keys: &self.root.keys,
        };
        let chunks: Option<Vec<_>> = image
            .chunks
            .iter()
            .map(|chunk| ChunkRef::decode(chunk, tables))
            .collect();
        let chunks = chunks.ok_or_else(|| Error::damaged(&self.object, "its metadata image is malformed"))?;
        Ok(Some(MetadataImage {
            offset: Offset(image.offset),
            epoch: LeaderEpoch(image.epoch),
            kraft_version: image.kraft_version,
            voters: image.voters.clone(),
            chunks,
            length: image.length,
        }))
    }

    /// The packs that the run added.
    pub async fn packs_added(&self) -> Result<Vec<PackInfo>> {
        let mut packs = Vec::new();
        for reference in &self.root.packs_added {
            let node = NodeRef::decode(reference.node.as_ref(), &self.root.keys)
                .ok_or_else(|| Error::damaged(&self.object, "its list of packs is malformed"))?;
            let list: manifest::Packs = self.nodes.read(&node).await?;
            for pack in &list.packs {
                let info = pack.name.as_ref().zip(pack.sha256.as_ref().try_into().ok());
                let (name, sha256) =
                    info.ok_or_else(|| Error::damaged(self.nodes.object(&node), "a pack in it is malformed"))?;
                packs.push(PackInfo {
                    name: PackName::from(name),
                    length: pack.length,
                    sha256,
                });
            }
        }
        Ok(packs)
    }

    /// Walks over all topics, in order of their ids.
    pub fn topics(&self) -> Topics<'_> {
        Topics::new(self)
    }

    /// One topic by its name; reads all nodes of topics if need be.
    pub async fn topic_named(&self, name: &str) -> Result<Option<TopicEntry>> {
        let mut topics = self.topics();
        while let Some(topic) = topics.next().await? {
            if topic.name == name {
                return Ok(Some(topic));
            }
        }
        Ok(None)
    }

    /// A partition's node.
    pub async fn partition(&self, slot: &PartitionSlot) -> Result<Partition> {
        let node: manifest::Partition = self.nodes.read(&slot.node).await?;
        let damaged = |reason: &str| Error::damaged(self.nodes.object(&slot.node), reason);
        let record = PartitionRecord::decode(&node).ok_or_else(|| damaged("it is no partition's node"))?;
        if record.topic_id != slot.topic_id || record.partition != slot.partition {
            return Err(damaged("it is another partition's node"));
        }
        let leaf = |leaf: &manifest::LeafRef| {
            (leaf.logical_bytes <= u64::from(leaf.chunks) * MAX_BODY).then_some(())?;
            Some(FinishedLeaf {
                node: NodeRef::decode(leaf.node.as_ref(), &node.keys)?,
                base_offset: leaf.base_offset,
                next_offset: leaf.next_offset,
                chunks: leaf.chunks,
                logical_bytes: leaf.logical_bytes,
            })
        };
        let leaves: Option<Vec<_>> = node.leaves.iter().map(leaf).collect();
        let leaves = leaves.filter(|leaves| leaves.is_sorted_by(|a, b| a.next_offset <= b.base_offset));
        let leaves = leaves.ok_or_else(|| damaged("its leaves are malformed"))?;
        let tail = match &node.tail {
            None => Vec::new(),
            Some(tail) => decode_leaf(tail).ok_or_else(|| damaged("its last chunks are malformed"))?,
        };
        if let (Some(leaf), Some(chunk)) = (leaves.last(), tail.first())
            && leaf.next_offset > chunk.base_offset.0
        {
            return Err(damaged("its chunks do not ascend"));
        }
        let counted = leaves.iter().map(|leaf| u64::from(leaf.chunks)).sum::<u64>() + tail.len() as u64;
        if counted != node.chunks {
            return Err(damaged("it does not have as many chunks as it says"));
        }
        Ok(Partition {
            record,
            node: slot.node,
            leaves,
            tail,
            chunks: node.chunks,
            logical_bytes: node.logical_bytes,
        })
    }

    /// A partition by its topic's id and its number. Quick when asked in ascending order.
    pub async fn find(&self, topic: TopicId, partition: PartitionId) -> Result<Option<Partition>> {
        for reference in self
            .topics
            .iter()
            .filter(|reference| (reference.first..=reference.last).contains(&topic))
        {
            let slot = {
                let mut recent = self.recent.lock().await;
                if recent.as_ref().is_none_or(|(node, _)| *node != reference.node) {
                    *recent = Some((reference.node, self.topics_node(&reference.node).await?));
                }
                let topics = recent.iter().flat_map(|(_, topics)| topics);
                let mut slots = topics
                    .filter(|entry| entry.id == topic)
                    .flat_map(|entry| &entry.partitions);
                slots.find(|slot| slot.partition == partition).copied()
            };
            if let Some(slot) = slot {
                return self.partition(&slot).await.map(Some);
            }
        }
        Ok(None)
    }

    /// All chunks of a partition, in order, read leaf by leaf.
    pub fn chunks<'a>(&'a self, partition: &'a Partition) -> impl Stream<Item = Result<ChunkRef>> + 'a {
        let leaves = stream::iter(&partition.leaves).then(|leaf| self.leaf(leaf));
        let tail = stream::iter(partition.tail.iter().copied().map(Ok));
        leaves
            .map_ok(|chunks| stream::iter(chunks.into_iter().map(Ok)))
            .try_flatten()
            .chain(tail)
    }

    /// All chunks of a partition at once.
    pub async fn all_chunks(&self, partition: &Partition) -> Result<Vec<ChunkRef>> {
        self.chunks(partition).try_collect().await
    }

    pub(super) async fn leaf(&self, leaf: &FinishedLeaf) -> Result<Vec<ChunkRef>> {
        let node: manifest::Leaf = self.nodes.read(&leaf.node).await?;
        let agrees = |chunks: &Vec<ChunkRef>| {
            chunks.len() == leaf.chunks as usize
                && chunks
                    .first()
                    .is_some_and(|chunk| chunk.base_offset.0 == leaf.base_offset)
                && chunks
                    .last()
                    .is_some_and(|chunk| chunk.next_offset.0 == leaf.next_offset)
                && chunks.is_sorted_by(follows)
        };
        decode_leaf(&node).filter(agrees).ok_or_else(|| {
            Error::damaged(
                self.nodes.object(&leaf.node),
                "it is not the leaf that its partition names",
            )
        })
    }

    async fn topics_node(&self, node: &NodeRef) -> Result<Vec<TopicEntry>> {
        let topics: manifest::Topics = self.nodes.read(node).await?;
        decode_topics(&topics).ok_or_else(|| Error::damaged(self.nodes.object(node), "its topics are malformed"))
    }

    /// The node of topics that has this id.
    pub(super) fn topics_node_with(&self, id: ContentId) -> Option<NodeRef> {
        self.topics
            .iter()
            .find(|reference| reference.node.id == id)
            .map(|reference| reference.node)
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("snapshot", &self.root.snapshot_id)
            .finish_non_exhaustive()
    }
}
