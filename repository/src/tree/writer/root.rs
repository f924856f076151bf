//! The last node.

use bytes::Bytes;
use maxbrod_kafka::{LeaderEpoch, Offset};
use maxbrod_proto::manifest;
use prost::Message as _;

use super::super::chunk_ref::ChunkRef;
use super::super::node::COMPRESSION;
use super::super::table::Tables;
use super::super::{MAX_NODE, PACKS_IN_NODE};
use super::{TreeWriter, next_sequence, unwritable};
use crate::error::Result;
use crate::journal::{Consistency, RootRef, SnapshotTotals};
use crate::name::{PackName, RootName, SnapshotId};
use crate::seal::Role;

/// What a root says of a whole snapshot; the rest the writer knows itself.
#[derive(Clone, Debug, PartialEq)]
pub struct RootRecord {
    /// The snapshot's name.
    pub snapshot: SnapshotId,
    /// What the operator called it.
    pub label: String,
    /// How far it is one moment of the cluster.
    pub consistency: Consistency,
    /// When its phases were.
    pub times: manifest::Times,
    /// The nodes, as their agents described them.
    pub nodes: Vec<manifest::Node>,
    /// What is missing or not vouched for.
    pub gaps: Vec<manifest::Gap>,
    /// What could not be vouched for.
    pub notes: Vec<String>,
    /// Partitions that were cut below what their replicas hold.
    pub cut_back: Vec<manifest::CutBack>,
    /// What the checkpoint commands of applications said.
    pub hooks: Vec<manifest::HookResult>,
    /// The cluster's metadata.
    pub metadata: Option<MetadataImage>,
    /// Bytes read from the brokers' disks.
    pub read_bytes: u64,
    /// The highest leader epoch in the metadata; the partitions' own are known.
    pub highest_leader_epoch: LeaderEpoch,
}

/// The cluster's metadata as a KRaft checkpoint, cut into chunks that are data.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataImage {
    /// After the last record that is in it.
    pub offset: Offset,
    /// Of the last batch that is in it.
    pub epoch: LeaderEpoch,
    /// The feature `kraft.version`.
    pub kraft_version: u32,
    /// The voters.
    pub voters: Vec<manifest::Voter>,
    /// The file's pieces, in order; their offsets are positions in it.
    pub chunks: Vec<ChunkRef>,
    /// The file's length.
    pub length: u64,
}

/// A pack that a run added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackInfo {
    /// Its name.
    pub name: PackName,
    /// In bytes.
    pub length: u64,
    /// Of all bytes.
    pub sha256: [u8; 32],
}

/// A tree that is stored; committing its root to the journal makes it a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenTree {
    /// For the journal.
    pub root: RootRef,
    /// For the journal.
    pub totals: SnapshotTotals,
    /// For the journal; −1: none.
    pub highest_leader_epoch: i32,
}

impl TreeWriter<'_> {
    /// Writes what is left and the root. `packs`: those that the run added.
    pub async fn finish(mut self, record: RootRecord, packs: &[PackInfo]) -> Result<WrittenTree> {
        self.finish_topics(None).await?;
        let mut tables = Tables::default();
        let mut packs_added = Vec::new();
        for group in packs.chunks(PACKS_IN_NODE) {
            let list = manifest::Packs {
                packs: group
                    .iter()
                    .map(|pack| manifest::Pack {
                        name: Some(pack.name.into()),
                        length: pack.length,
                        sha256: Bytes::copy_from_slice(&pack.sha256),
                    })
                    .collect(),
            };
            let node = self.nodes.put(&list, |_| None).await?;
            packs_added.push(manifest::PacksRef {
                node: Some(node.encode(&mut tables)),
                packs: group.len() as u64,
                bytes: group.iter().map(|pack| pack.length).sum(),
            });
        }
        self.nodes.flush().await?;
        let mut totals = self.totals;
        totals.read_bytes = record.read_bytes;
        totals.new_packs = packs.len() as u64;
        totals.new_bytes = packs.iter().map(|pack| pack.length).sum::<u64>() + self.nodes.stored_bytes;
        totals.new_nodes = self.nodes.written;
        totals.shared_nodes = self.nodes.shared;
        let highest_leader_epoch = self.highest_leader_epoch.max(record.highest_leader_epoch.0);
        let repository = self.cluster.repository().clone();
        let mut root = manifest::Root {
            repository_id: repository.id().to_string(),
            cluster_id: self.cluster.id().to_string(),
            run: self.run,
            base_run: self.base.map(|base| base.root().run),
            snapshot_id: record.snapshot.to_string(),
            label: record.label,
            consistency: record.consistency.as_str().to_owned(),
            software: repository.environment().software.clone(),
            times: Some(record.times),
            totals: Some(totals),
            nodes: record.nodes,
            gaps: record.gaps,
            notes: record.notes,
            cut_back: record.cut_back,
            hooks: record.hooks,
            metadata: record.metadata.map(|image| image.encode(&mut tables)),
            topics: self
                .topic_nodes
                .iter()
                .map(|finished| manifest::TopicsRef {
                    node: Some(finished.node.encode(&mut tables)),
                    first_topic_id: Bytes::copy_from_slice(&finished.first.0.0),
                    last_topic_id: Bytes::copy_from_slice(&finished.last.0.0),
                    topics: finished.topics,
                    partitions: finished.partitions,
                })
                .collect(),
            packs_added,
            highest_leader_epoch,
            packs: Vec::new(),
            keys: Vec::new(),
        };
        (root.packs, root.keys) = tables.finish();
        let body = root.encode_to_vec();
        if body.len() as u64 > MAX_NODE {
            return Err(unwritable("the root is too large"));
        }
        let mut sealed = Vec::new();
        let random = repository.environment().random.as_ref();
        let sealer = self.nodes.sealer();
        let (id, length) = sealer.seal(Role::Root, &body, COMPRESSION, random, &mut sealed)?;
        let key = sealer.key_id();
        let folder = format!("{}/{}", self.cluster.names().roots(), self.run);
        let sequence = next_sequence(&self.cluster, &folder, self.epoch).await?;
        let name = RootName {
            run: self.run,
            epoch: self.epoch,
            sequence,
        };
        self.cluster
            .store()
            .create_new(&self.cluster.names().root(name), sealed.into())
            .await?;
        Ok(WrittenTree {
            root: RootRef { name, id, length, key },
            totals: SnapshotTotals {
                topics: totals.topics,
                partitions: totals.partitions,
                logical_bytes: totals.logical_bytes,
                read_bytes: totals.read_bytes,
                new_bytes: totals.new_bytes + length,
                gaps: root.gaps.len() as u64,
            },
            highest_leader_epoch,
        })
    }
}

impl MetadataImage {
    fn encode(&self, tables: &mut Tables) -> manifest::MetadataImage {
        manifest::MetadataImage {
            offset: self.offset.0,
            epoch: self.epoch.0,
            kraft_version: self.kraft_version,
            voters: self.voters.clone(),
            chunks: self.chunks.iter().map(|chunk| chunk.encode(tables)).collect(),
            length: self.length,
        }
    }
}
