//! Reading nodes.
//!
//! Nodes that are read after each other were mostly written after each other: a block around a node is read and kept,
//! so that a walk over a tree costs one request per megabyte and not one per node.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use prost::Message;

use super::super::MAX_NODE;
use super::NodeRef;
use crate::error::{Error, Result};
use crate::name::TreeName;
use crate::repository::Cluster;
use crate::seal::{Expected, Role, open};

const BLOCK: u64 = 1 << 20;
/// Blocks that are kept.
const KEPT: usize = 24;

pub(in super::super) struct NodeReader {
    cluster: Cluster,
    blocks: Mutex<VecDeque<(TreeName, u64, Bytes)>>,
}

impl NodeReader {
    pub(in super::super) fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            blocks: Mutex::default(),
        }
    }

    pub(in super::super) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// A node, found to have its id.
    pub(in super::super) async fn read<M: Message + Default>(&self, node: &NodeRef) -> Result<M> {
        let sealed = self.sealed(node).await?;
        let object = self.object(node);
        let id_key = self.cluster.repository().id_key()?;
        let key = match node.key {
            Some(key) => Some(self.cluster.repository().keys().get(key).await?),
            None => None,
        };
        let expected = Expected {
            role: Role::Node,
            id: node.id,
            limit: MAX_NODE,
            object: &object,
        };
        let body = open(expected, &sealed, id_key, key.as_ref())?;
        M::decode(body.as_slice()).map_err(|source| Error::damaged(&object, format!("decoding it: {source}")))
    }

    /// How messages call a node.
    pub(in super::super) fn object(&self, node: &NodeRef) -> String {
        format!(
            "the node at byte {} of {}",
            node.position,
            self.cluster.names().tree(node.tree)
        )
    }

    async fn sealed(&self, node: &NodeRef) -> Result<Bytes> {
        let end = node.position + node.length;
        if node.length > MAX_NODE {
            return Err(Error::damaged(
                self.object(node),
                "its reference gives it an impossible length",
            ));
        }
        // Large nodes pass the cache by.
        if node.length > BLOCK {
            return self
                .cluster
                .store()
                .get_range(&self.cluster.names().tree(node.tree), node.position..end)
                .await;
        }
        let first = self.block(node.tree, node.position / BLOCK).await?;
        let start = (node.position % BLOCK) as usize;
        let length = node.length as usize;
        if start + length <= BLOCK as usize {
            return slice(&first, start, start + length).ok_or_else(|| self.cut_off(node));
        }
        let second = self.block(node.tree, node.position / BLOCK + 1).await?;
        let head = slice(&first, start, BLOCK as usize).ok_or_else(|| self.cut_off(node))?;
        let tail = slice(&second, 0, start + length - BLOCK as usize).ok_or_else(|| self.cut_off(node))?;
        Ok([head, tail].concat().into())
    }

    fn cut_off(&self, node: &NodeRef) -> Error {
        Error::damaged(
            self.cluster.names().tree(node.tree),
            format!("it ends within the node at byte {}", node.position),
        )
    }

    async fn block(&self, tree: TreeName, index: u64) -> Result<Bytes> {
        let lock = || self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut blocks = lock();
            if let Some(place) = blocks
                .iter()
                .position(|(name, block, _)| (*name, *block) == (tree, index))
                && let Some(found) = blocks.remove(place)
            {
                let bytes = found.2.clone();
                blocks.push_front(found);
                return Ok(bytes);
            }
        }
        let range = index * BLOCK..(index + 1) * BLOCK;
        let bytes = self
            .cluster
            .store()
            .get_up_to(&self.cluster.names().tree(tree), range)
            .await?;
        let mut blocks = lock();
        blocks.push_front((tree, index, bytes.clone()));
        blocks.truncate(KEPT);
        Ok(bytes)
    }
}

fn slice(bytes: &Bytes, start: usize, end: usize) -> Option<Bytes> {
    (end <= bytes.len()).then(|| bytes.slice(start..end))
}
