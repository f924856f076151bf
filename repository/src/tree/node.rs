//! Nodes in the store: `trees/<run>/<epoch>-<sequence>` holds sealed nodes back to back.

mod read;
mod write;

use bytes::Bytes;
use maxbrod_proto::manifest;

pub(super) use read::NodeReader;
pub(super) use write::{COMPRESSION, NodeWriter};

use super::table::{Tables, TablesRef};
use crate::id::{ContentId, KeyId};
use crate::name::TreeName;

/// Where a node lies and what it must hash to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRef {
    /// The object.
    pub tree: TreeName,
    /// Of the sealed node in it.
    pub position: u64,
    /// Sealed.
    pub length: u64,
    /// Keyed hash of the encoded node.
    pub id: ContentId,
    /// The manifest key; `None`: not encrypted.
    pub key: Option<KeyId>,
}

impl NodeRef {
    pub(super) fn encode(&self, tables: &mut Tables) -> manifest::NodeRef {
        manifest::NodeRef {
            run: self.tree.run,
            epoch: self.tree.epoch,
            sequence: self.tree.sequence,
            position: self.position,
            length: self.length,
            id: self.id.0.to_vec().into(),
            key: tables.key(self.key),
        }
    }

    pub(super) fn decode(node: Option<&manifest::NodeRef>, keys: &[Bytes]) -> Option<Self> {
        let node = node?;
        node.position.checked_add(node.length)?;
        Some(Self {
            tree: TreeName {
                run: node.run,
                epoch: node.epoch,
                sequence: node.sequence,
            },
            position: node.position,
            length: node.length,
            id: ContentId::from_slice(&node.id)?,
            key: TablesRef { packs: &[], keys }.key(node.key)?,
        })
    }
}
