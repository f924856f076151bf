//! Writing nodes.

use bytes::Bytes;
use prost::Message;

use super::super::{MAX_NODE, TREE_OBJECT};
use super::NodeRef;
use crate::error::{Error, Result};
use crate::id::ContentId;
use crate::key::{IdKey, SealingKey};
use crate::name::TreeName;
use crate::repository::Cluster;
use crate::seal::{Compression, Role, Sealer};

/// Manifests are written often and read rarely; level 3 is fast enough to never matter.
pub(in super::super) const COMPRESSION: Compression = Compression::Zstd(3);

/// Seals nodes and collects them in objects.
pub(in super::super) struct NodeWriter {
    cluster: Cluster,
    sealer: Sealer,
    tree: TreeName,
    buffer: Vec<u8>,
    /// Bytes in objects that are stored.
    pub(in super::super) stored_bytes: u64,
    /// Nodes written.
    pub(in super::super) written: u64,
    /// Nodes that the base has.
    pub(in super::super) shared: u64,
}

impl NodeWriter {
    pub(in super::super) fn new(cluster: Cluster, id_key: IdKey, key: Option<SealingKey>, first: TreeName) -> Self {
        let sealer = Sealer::new(id_key, key);
        Self {
            cluster,
            sealer,
            tree: first,
            buffer: Vec::new(),
            stored_bytes: 0,
            written: 0,
            shared: 0,
        }
    }

    /// Writes a node, unless `base` says that it is there already.
    pub(in super::super) async fn put(
        &mut self,
        node: &impl Message,
        base: impl FnOnce(ContentId) -> Option<NodeRef>,
    ) -> Result<NodeRef> {
        let body = node.encode_to_vec();
        if body.len() as u64 > MAX_NODE {
            let reason = format!("a node of {} bytes; {MAX_NODE} are possible", body.len());
            return Err(Error::Unwritable {
                object: "the manifest".to_owned(),
                reason,
            });
        }
        let id = self.sealer.id_of(&body);
        if let Some(node) = base(id) {
            self.shared += 1;
            return Ok(node);
        }
        let position = self.buffer.len() as u64;
        let random = self.cluster.repository().environment().random.clone();
        let length = self
            .sealer
            .seal_with_id(Role::Node, id, &body, COMPRESSION, random.as_ref(), &mut self.buffer)?;
        let node = NodeRef {
            tree: self.tree,
            position,
            length,
            id,
            key: self.sealer.key_id(),
        };
        self.written += 1;
        if self.buffer.len() >= TREE_OBJECT {
            self.flush().await?;
        }
        Ok(node)
    }

    /// Stores what is not stored yet.
    pub(in super::super) async fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let body = Bytes::from(std::mem::take(&mut self.buffer));
        self.stored_bytes += body.len() as u64;
        self.cluster
            .store()
            .create_new(&self.cluster.names().tree(self.tree), body)
            .await?;
        self.tree.sequence += 1;
        Ok(())
    }

    pub(in super::super) fn sealer(&mut self) -> &mut Sealer {
        &mut self.sealer
    }
}
