//! A repository with one snapshot in it, in a folder.

use std::path::Path;

use jiff::Timestamp;
use maxbrod_kafka::metadata::{MetadataImage, Quorum, encode_checkpoint};
use maxbrod_kafka::{Batches, ClusterId, LeaderEpoch, Offset, TopicId};
use maxbrod_proto::manifest;
use maxbrod_repository::{
    ChunkRef, Cluster, Committed, Compression, Consistency, Environment, Event, FORMAT_VERSION, InitOptions, Journal,
    Location, PackInfo, PackName, PackWriter, ProducerSnapshot, Repository, Role, RootRecord, Sealer, SnapshotId,
    Store, TreeWriter,
};

use super::{CLUSTER, Log, image, nodes};

/// What a snapshot holds of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) topic: TopicId,
    pub(crate) name: String,
    pub(crate) logs: Vec<HeldLog>,
}

/// A partition's log.
#[derive(Clone, Debug)]
pub(crate) struct HeldLog {
    pub(crate) log: Log,
    /// A broker's producer snapshot and its offset.
    pub(crate) producers: Option<(i64, Vec<u8>)>,
}

impl Held {
    pub(crate) fn of(topic: TopicId, name: &str, logs: impl IntoIterator<Item = Log>) -> Self {
        Self {
            topic,
            name: name.to_owned(),
            logs: logs.into_iter().map(|log| HeldLog { log, producers: None }).collect(),
        }
    }
}

/// A snapshot to be made.
#[derive(Clone, Debug)]
pub(crate) struct SampleSnapshot {
    pub(crate) cluster: String,
    pub(crate) image: MetadataImage,
    pub(crate) quorum: Quorum,
    pub(crate) nodes: Vec<manifest::Node>,
    pub(crate) gaps: Vec<manifest::Gap>,
    /// In order of the topics' ids.
    pub(crate) held: Vec<Held>,
}

impl SampleSnapshot {
    /// Of the made-up cluster, whose directories are below `root`.
    pub(crate) fn new(root: &Path, held: Vec<Held>) -> Self {
        Self {
            cluster: CLUSTER.to_owned(),
            image: image(),
            quorum: Quorum::Static,
            nodes: nodes(root),
            gaps: Vec::new(),
            held,
        }
    }

    /// Makes a repository in a folder and commits the snapshot to it.
    pub(crate) async fn commit(&self, folder: &Path) -> Journal {
        let location = Location::files(folder);
        let environment = Environment::system("test");
        let store = Store::prepare(&location).await.unwrap();
        let repository = Repository::init(store, InitOptions::NotEncrypted, environment)
            .await
            .unwrap();
        let cluster = repository.cluster(&ClusterId(self.cluster.clone())).unwrap();
        let mut journal = Journal::load(&cluster).await.unwrap();
        let epoch = journal.take_epoch("test").await.unwrap();
        let run = journal.state().next;
        journal
            .append_until_written(Event::RunOpened { run, base: None })
            .await
            .unwrap();
        let mut shipper = Shipper::new(&cluster, run, epoch);
        let written = self.write_tree(&cluster, &mut shipper).await;
        let time: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        let committed = Committed {
            run,
            snapshot: SnapshotId::new(time, run),
            label: String::new(),
            root: written.root,
            consistency: Consistency::CrashConsistent,
            started: time,
            cut: time,
            committed: time,
            freeze_ms: 0,
            totals: written.totals,
            highest_leader_epoch: written.highest_leader_epoch,
            format: FORMAT_VERSION,
        };
        journal
            .append_until_written(Event::Committed(Box::new(committed)))
            .await
            .unwrap();
        journal
    }

    async fn write_tree(&self, cluster: &Cluster, shipper: &mut Shipper) -> maxbrod_repository::WrittenTree {
        let checkpoint = encode_checkpoint(&self.image, &self.quorum, 1_000).unwrap();
        let (run, epoch) = (shipper.run, shipper.epoch);
        let metadata = shipper
            .pack(&[(Offset(0), Offset(checkpoint.len() as i64), checkpoint.to_vec())])
            .await;
        let mut tree = TreeWriter::new(cluster, run, epoch, None, None).await.unwrap();
        for held in &self.held {
            tree.topic(held.topic, &held.name).await.unwrap();
            for HeldLog { log, producers } in &held.logs {
                let mut record = log.record.clone();
                if let Some((offset, bytes)) = producers {
                    let chunk = shipper
                        .pack(&[(Offset(0), Offset(bytes.len() as i64), bytes.clone())])
                        .await[0];
                    record.producer_snapshot = Some(ProducerSnapshot {
                        offset: Offset(*offset),
                        chunk,
                    });
                }
                let bodies: Vec<_> = log.chunks.iter().map(|chunk| span(chunk)).collect();
                let chunks = shipper.pack(&bodies).await;
                tree.partition(&record, None, chunks).await.unwrap();
            }
        }
        let root = RootRecord {
            snapshot: SnapshotId::new("2026-11-24T12:00:00Z".parse().unwrap(), run),
            label: String::new(),
            consistency: Consistency::CrashConsistent,
            times: manifest::Times::default(),
            nodes: self.nodes.clone(),
            gaps: self.gaps.clone(),
            notes: Vec::new(),
            cut_back: Vec::new(),
            hooks: Vec::new(),
            metadata: Some(maxbrod_repository::MetadataImage {
                offset: self.image.position().end_offset,
                epoch: self.image.position().epoch,
                kraft_version: 0,
                voters: Vec::new(),
                length: checkpoint.len() as u64,
                chunks: metadata,
            }),
            read_bytes: 0,
            highest_leader_epoch: LeaderEpoch(7),
        };
        tree.finish(root, &shipper.packs).await.unwrap()
    }
}

/// The offsets of a chunk's batches, and the chunk.
fn span(chunk: &[u8]) -> (Offset, Offset, Vec<u8>) {
    let batches: Vec<_> = Batches::new(chunk, 0).map(Result::unwrap).collect();
    let (first, last) = (batches.first().unwrap(), batches.last().unwrap());
    (first.base_offset(), last.next_offset(), chunk.to_vec())
}

/// Stores packs, like agent and coordinator do together.
struct Shipper {
    cluster: Cluster,
    sealer: Sealer,
    run: u64,
    epoch: u64,
    packs: Vec<PackInfo>,
}

impl Shipper {
    fn new(cluster: &Cluster, run: u64, epoch: u64) -> Self {
        Self {
            cluster: cluster.clone(),
            sealer: Sealer::new(cluster.repository().id_key().unwrap().clone(), None),
            run,
            epoch,
            packs: Vec::new(),
        }
    }

    async fn pack(&mut self, bodies: &[(Offset, Offset, Vec<u8>)]) -> Vec<ChunkRef> {
        if bodies.is_empty() {
            return Vec::new();
        }
        let random = self.cluster.repository().environment().random.clone();
        let mut writer = PackWriter::new(Vec::new());
        let pack = PackName {
            run: self.run,
            epoch: self.epoch,
            sequence: self.packs.len() as u64,
        };
        let mut chunks = Vec::new();
        for (base_offset, next_offset, body) in bodies {
            let mut sealed = Vec::new();
            let compression = Compression::Zstd(1);
            let (id, length) = self
                .sealer
                .seal(Role::Chunk, body, compression, random.as_ref(), &mut sealed)
                .unwrap();
            let entry = writer.append(id, None, &sealed).unwrap();
            chunks.push(ChunkRef {
                id,
                base_offset: *base_offset,
                next_offset: *next_offset,
                leader_epoch: LeaderEpoch(1),
                pack,
                position: entry.position,
                length,
                key: None,
                logical_length: body.len() as u64,
                closed: true,
            });
        }
        let (finished, bytes) = writer.finish().unwrap();
        let name = self.cluster.names().pack(pack);
        self.cluster.store().create_new(&name, bytes.into()).await.unwrap();
        self.packs.push(PackInfo {
            name: pack,
            length: finished.length,
            sha256: finished.sha256,
        });
        chunks
    }
}
