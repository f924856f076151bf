//! Collects a partition's chunks in leaves.

use std::collections::HashMap;

use maxbrod_proto::manifest;

use super::super::chunk_ref::{ChunkRef, encode_leaf, follows};
use super::super::node::{NodeRef, NodeWriter};
use super::super::reader::{Partition, Tree};
use super::super::table::Tables;
use super::super::{LEAF_MEAN, MAX_LEAF, ends_node};
use super::{Inherited, unwritable};
use crate::error::Result;
use crate::id::ContentId;

/// A leaf that is stored.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct FinishedLeaf {
    pub(in super::super) node: NodeRef,
    pub(in super::super) base_offset: i64,
    pub(in super::super) next_offset: i64,
    pub(in super::super) chunks: u32,
    pub(in super::super) logical_bytes: u64,
}

impl FinishedLeaf {
    pub(super) fn encode(&self, tables: &mut Tables) -> manifest::LeafRef {
        manifest::LeafRef {
            node: Some(self.node.encode(tables)),
            base_offset: self.base_offset,
            next_offset: self.next_offset,
            chunks: self.chunks,
            logical_bytes: self.logical_bytes,
        }
    }
}

pub(super) struct Leaves {
    pub(super) finished: Vec<FinishedLeaf>,
    /// The chunks after the last leaf.
    pub(super) open: Vec<ChunkRef>,
    pub(super) chunks: u64,
    pub(super) logical_bytes: u64,
    last: Option<ChunkRef>,
    last_leaf_end: i64,
    /// The base's leaves.
    in_base: HashMap<ContentId, NodeRef>,
}

impl Leaves {
    pub(super) fn new(base: Option<&Partition>) -> Self {
        let in_base = base.map(|base| base.leaves().iter().map(|leaf| (leaf.node.id, leaf.node)).collect());
        Self {
            finished: Vec::new(),
            open: Vec::new(),
            chunks: 0,
            logical_bytes: 0,
            last: None,
            last_leaf_end: i64::MIN,
            in_base: in_base.unwrap_or_default(),
        }
    }

    /// Takes over chunks of the base; whole leaves without reading them.
    pub(super) async fn inherit(&mut self, nodes: &mut NodeWriter, tree: &Tree, from: Inherited<'_>) -> Result<()> {
        for leaf in from.partition.leaves() {
            if leaf.next_offset <= from.from.0 || leaf.base_offset >= from.to.0 {
                continue;
            }
            if self.open.is_empty() && leaf.base_offset >= from.from.0 && leaf.next_offset <= from.to.0 {
                self.finished.push(*leaf);
                self.chunks += u64::from(leaf.chunks);
                self.logical_bytes += leaf.logical_bytes;
                (self.last, self.last_leaf_end) = (None, leaf.next_offset);
                nodes.shared += 1;
                continue;
            }
            for chunk in tree.leaf(leaf).await? {
                self.inherit_chunk(nodes, chunk, from).await?;
            }
        }
        for chunk in from.partition.tail() {
            self.inherit_chunk(nodes, *chunk, from).await?;
        }
        Ok(())
    }

    async fn inherit_chunk(&mut self, nodes: &mut NodeWriter, chunk: ChunkRef, from: Inherited<'_>) -> Result<()> {
        if chunk.next_offset > from.from && chunk.next_offset <= from.to {
            self.push(nodes, chunk).await?;
        }
        Ok(())
    }

    pub(super) async fn push(&mut self, nodes: &mut NodeWriter, chunk: ChunkRef) -> Result<()> {
        let in_order = match &self.last {
            Some(last) => follows(last, &chunk),
            None => self.last_leaf_end <= chunk.base_offset.0,
        };
        if !in_order || chunk.next_offset <= chunk.base_offset {
            let reason = format!(
                "the chunk of offsets {} to {} is out of order",
                chunk.base_offset, chunk.next_offset
            );
            return Err(unwritable(&reason));
        }
        self.last = Some(chunk);
        self.chunks += 1;
        self.logical_bytes += chunk.logical_length;
        self.open.push(chunk);
        // Not the id's first byte: whoever sorts or shards by it would disturb the distribution.
        let [.., byte] = chunk.id.0;
        if ends_node(byte, LEAF_MEAN) || self.open.len() >= MAX_LEAF {
            self.finish_leaf(nodes).await?;
        }
        Ok(())
    }

    async fn finish_leaf(&mut self, nodes: &mut NodeWriter) -> Result<()> {
        let chunks = std::mem::take(&mut self.open);
        let (Some(first), Some(last)) = (chunks.first(), chunks.last()) else {
            return Ok(());
        };
        let node = nodes
            .put(&encode_leaf(&chunks), |id| self.in_base.get(&id).copied())
            .await?;
        self.finished.push(FinishedLeaf {
            node,
            base_offset: first.base_offset.0,
            next_offset: last.next_offset.0,
            chunks: chunks.len() as u32,
            logical_bytes: chunks.iter().map(|chunk| chunk.logical_length).sum(),
        });
        Ok(())
    }
}
