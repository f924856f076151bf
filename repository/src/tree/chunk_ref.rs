//! References to chunks.

use maxbrod_kafka::{LeaderEpoch, Offset};
use maxbrod_proto::manifest;

use super::table::{Tables, TablesRef};
use crate::id::{ContentId, KeyId};
use crate::name::PackName;
use crate::seal::{MAX_BODY, OVERHEAD};

/// A chunk, what is in it and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRef {
    /// Keyed hash of its bytes.
    pub id: ContentId,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset after its last one.
    pub next_offset: Offset,
    /// Leader epoch of its last batch.
    pub leader_epoch: LeaderEpoch,
    /// The pack that holds it.
    pub pack: PackName,
    /// Of the sealed chunk in the pack.
    pub position: u64,
    /// Sealed.
    pub length: u64,
    /// The data key; `None`: not encrypted.
    pub key: Option<KeyId>,
    /// Of its bytes.
    pub logical_length: u64,
    /// Whether it ends at a content-defined boundary; if not it is an open tail that a later snapshot may replace.
    pub closed: bool,
}

impl ChunkRef {
    pub(super) fn encode(&self, tables: &mut Tables) -> manifest::Chunk {
        manifest::Chunk {
            id: self.id.0.to_vec().into(),
            base_offset: self.base_offset.0,
            next_offset: self.next_offset.0,
            leader_epoch: self.leader_epoch.0,
            pack: tables.pack(self.pack),
            position: self.position,
            length: self.length,
            key: tables.key(self.key),
            logical_length: self.logical_length,
            closed: self.closed,
        }
    }

    pub(super) fn decode(chunk: &manifest::Chunk, tables: TablesRef<'_>) -> Option<Self> {
        chunk.position.checked_add(chunk.length)?;
        (chunk.logical_length <= MAX_BODY && chunk.length <= MAX_BODY + OVERHEAD).then_some(())?;
        Some(Self {
            id: ContentId::from_slice(&chunk.id)?,
            base_offset: Offset(chunk.base_offset),
            next_offset: Offset(chunk.next_offset),
            leader_epoch: LeaderEpoch(chunk.leader_epoch),
            pack: tables.pack(chunk.pack)?,
            position: chunk.position,
            length: chunk.length,
            key: tables.key(chunk.key)?,
            logical_length: chunk.logical_length,
            closed: chunk.closed,
        })
    }
}

/// The chunks of a leaf, which must ascend.
pub(super) fn decode_leaf(leaf: &manifest::Leaf) -> Option<Vec<ChunkRef>> {
    let tables = TablesRef {
        packs: &leaf.packs,
        keys: &leaf.keys,
    };
    let chunks: Option<Vec<_>> = leaf
        .chunks
        .iter()
        .map(|chunk| ChunkRef::decode(chunk, tables))
        .collect();
    chunks.filter(|chunks| chunks.is_sorted_by(follows))
}

/// Whether a chunk may stand after another.
pub(super) fn follows(before: &ChunkRef, after: &ChunkRef) -> bool {
    before.next_offset <= after.base_offset
}

pub(super) fn encode_leaf(chunks: &[ChunkRef]) -> manifest::Leaf {
    let mut tables = Tables::default();
    let chunks = chunks.iter().map(|chunk| chunk.encode(&mut tables)).collect();
    let (packs, keys) = tables.finish();
    manifest::Leaf { chunks, packs, keys }
}
