//! Topics, and a walk over them.

use bytes::Bytes;
use maxbrod_kafka::{PartitionId, TopicId};
use maxbrod_proto::manifest;

use super::super::node::NodeRef;
use super::super::partition::topic_id;
use super::Tree;
use crate::error::Result;

/// A topic of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicEntry {
    /// Its id.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Its partitions, ascending.
    pub partitions: Vec<PartitionSlot>,
}

/// Where a partition's node lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSlot {
    /// Its topic.
    pub topic_id: TopicId,
    /// Its number.
    pub partition: PartitionId,
    /// Its node.
    pub node: NodeRef,
}

/// A node of topics, as the root refers to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TopicsRef {
    pub(super) node: NodeRef,
    pub(super) first: TopicId,
    pub(super) last: TopicId,
}

impl TopicsRef {
    pub(super) fn decode(reference: &manifest::TopicsRef, keys: &[Bytes]) -> Option<Self> {
        Some(Self {
            node: NodeRef::decode(reference.node.as_ref(), keys)?,
            first: topic_id(&reference.first_topic_id)?,
            last: topic_id(&reference.last_topic_id)?,
        })
    }
}

pub(in super::super) fn decode_topics(node: &manifest::Topics) -> Option<Vec<TopicEntry>> {
    let topic = |topic: &manifest::Topic| {
        let id = topic_id(&topic.topic_id)?;
        let slot = |reference: &manifest::PartitionRef| {
            let node = NodeRef::decode(reference.node.as_ref(), &node.keys)?;
            Some(PartitionSlot {
                topic_id: id,
                partition: PartitionId(reference.partition),
                node,
            })
        };
        let partitions: Option<Vec<_>> = topic.partitions.iter().map(slot).collect();
        let partitions = partitions.filter(|slots| slots.is_sorted_by(|a, b| a.partition < b.partition))?;
        Some(TopicEntry {
            id,
            name: topic.name.clone(),
            partitions,
        })
    };
    let topics: Option<Vec<_>> = node.topics.iter().map(topic).collect();
    topics.filter(|topics| topics.is_sorted_by(|a, b| a.id < b.id))
}

/// A walk over a snapshot's topics.
#[derive(Debug)]
pub struct Topics<'a> {
    tree: &'a Tree,
    next_node: usize,
    ready: std::vec::IntoIter<TopicEntry>,
    /// The last topic of a node: it may go on in the next one.
    pending: Option<TopicEntry>,
}

impl<'a> Topics<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            next_node: 0,
            ready: Vec::new().into_iter(),
            pending: None,
        }
    }

    /// The next topic.
    pub async fn next(&mut self) -> Result<Option<TopicEntry>> {
        loop {
            if let Some(topic) = self.ready.next() {
                match &mut self.pending {
                    Some(pending) if pending.id == topic.id => pending.partitions.extend(topic.partitions),
                    pending => {
                        if let Some(complete) = pending.replace(topic) {
                            return Ok(Some(complete));
                        }
                    }
                }
                continue;
            }
            let Some(reference) = self.tree.topics.get(self.next_node) else {
                return Ok(self.pending.take());
            };
            self.ready = self.tree.topics_node(&reference.node).await?.into_iter();
            self.next_node += 1;
        }
    }
}
