//! A small cluster's snapshots, made up.

use std::sync::Arc;

use jiff::Timestamp;
use maxbrod_kafka::{ClusterId, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, TopicId, Uuid};
use maxbrod_repository::testing::SampleRandom;
use maxbrod_repository::{
    Appended, BatchEnd, ChunkRef, Cluster, Committed, Compression, Consistency, End, Environment, Event, Identities,
    Inherited, InitOptions, Journal, KeyPurpose, PackInfo, PackName, PackWriter, PartitionKind, PartitionRecord,
    ProducerSnapshot, Repository, Role, RootRecord, Sealer, SealingKey, Snapshot, SnapshotId, Store, Tree, TreeWriter,
};

pub const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";

pub fn environment(seed: u64) -> Environment {
    Environment {
        random: Arc::new(SampleRandom::new(seed)),
        ..Environment::system(format!("test {seed}"))
    }
}

pub async fn plain(store: Store) -> Repository {
    Repository::init(store, InitOptions::NotEncrypted, environment(1))
        .await
        .unwrap()
}

/// Encrypted for one operator and one coordinator; their identity files.
pub struct Keys {
    folder: tempfile::TempDir,
    pub options: InitOptions,
}

impl Keys {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let operator = Identities::generate_file(&folder.path().join("operator")).unwrap();
        let coordinator = Identities::generate_file(&folder.path().join("coordinator")).unwrap();
        Identities::generate_file(&folder.path().join("stranger")).unwrap();
        let options = InitOptions::Encrypted {
            recipients: vec![operator],
            coordinator_recipients: vec![coordinator],
        };
        Self { folder, options }
    }

    pub fn identity(&self, who: &str) -> Identities {
        Identities::from_file(&self.folder.path().join(who)).unwrap()
    }
}

pub fn cluster(repository: &Repository) -> Cluster {
    repository.cluster(&ClusterId(CLUSTER.to_owned())).unwrap()
}

pub fn topic(number: u8) -> TopicId {
    let mut bytes = [number; 16];
    bytes[0] = number;
    TopicId(Uuid(bytes))
}

/// What a partition's log holds between two offsets: ten bytes for each.
pub fn content(topic: u8, partition: i32, from: i64, to: i64) -> Vec<u8> {
    (from..to)
        .flat_map(|offset| format!("{topic:02x}{partition:02x}{offset:06}").into_bytes())
        .collect()
}

pub fn record(number: u8, partition: i32, log_start: i64, end: i64) -> PartitionRecord {
    PartitionRecord {
        topic_id: topic(number),
        partition: PartitionId(partition),
        kind: PartitionKind::Data,
        source: NodeId(1),
        source_directory: DirectoryId(Uuid([9; 16])),
        log_start: Offset(log_start),
        end: if end == log_start {
            End::Empty(Offset(end))
        } else {
            End::After(BatchEnd {
                end_offset: Offset(end),
                leader_epoch: LeaderEpoch(4),
                crc: 77,
            })
        },
        leader_epochs: vec![(LeaderEpoch(0), Offset(0)), (LeaderEpoch(4), Offset(3))],
        compacted: false,
        producer_snapshot: None,
        partition_metadata: format!("version: 0\ntopic_id: {}\n", topic(number)),
        vouched: true,
    }
}

/// Seals chunks into packs and stores them, like agent and coordinator do together.
pub struct Shipper {
    cluster: Cluster,
    sealer: Sealer,
    run: u64,
    epoch: u64,
    pub packs: Vec<PackInfo>,
}

impl Shipper {
    pub async fn new(cluster: &Cluster, run: u64, epoch: u64) -> Self {
        let repository = cluster.repository();
        let key = if repository.config().is_encrypted() {
            let key = SealingKey::generate(repository.environment().random.as_ref());
            let recipients = repository.config().recipients();
            let wrapped = key.wrap(recipients).unwrap();
            let object = maxbrod_repository::KeyObject::new(key.id(), KeyPurpose::Data, recipients.to_vec(), wrapped);
            repository.keys().store_wrapped(object).await.unwrap();
            Some(key)
        } else {
            None
        };
        let sealer = Sealer::new(repository.id_key().unwrap().clone(), key);
        Self {
            cluster: cluster.clone(),
            sealer,
            run,
            epoch,
            packs: Vec::new(),
        }
    }

    /// One pack of chunks, each with `step` offsets.
    pub async fn ship(&mut self, topic: u8, partition: i32, from: i64, to: i64, step: i64) -> Vec<ChunkRef> {
        let random = self.cluster.repository().environment().random.clone();
        let mut writer = PackWriter::new(Vec::new());
        let name = PackName {
            run: self.run,
            epoch: self.epoch,
            sequence: self.packs.len() as u64,
        };
        let mut chunks = Vec::new();
        let mut base = from;
        while base < to {
            let next = (base + step).min(to);
            let body = content(topic, partition, base, next);
            let mut sealed = Vec::new();
            let (id, length) = self
                .sealer
                .seal(Role::Chunk, &body, Compression::Zstd(1), random.as_ref(), &mut sealed)
                .unwrap();
            let entry = writer.append(id, self.sealer.key_id(), &sealed).unwrap();
            assert_eq!(entry.length, length);
            chunks.push(ChunkRef {
                id,
                base_offset: Offset(base),
                next_offset: Offset(next),
                leader_epoch: LeaderEpoch(4),
                pack: name,
                position: entry.position,
                length,
                key: entry.key,
                logical_length: body.len() as u64,
                closed: next % 10 == 0,
            });
            base = next;
        }
        let (finished, bytes) = writer.finish().unwrap();
        self.cluster
            .store()
            .create_new(&self.cluster.names().pack(name), bytes.into())
            .await
            .unwrap();
        self.packs.push(PackInfo {
            name,
            length: finished.length,
            sha256: finished.sha256,
        });
        chunks
    }
}

pub fn root_record(snapshot: SnapshotId) -> RootRecord {
    RootRecord {
        snapshot,
        label: "nightly".to_owned(),
        consistency: Consistency::CrashConsistent,
        times: Default::default(),
        nodes: Vec::new(),
        gaps: Vec::new(),
        notes: Vec::new(),
        cut_back: Vec::new(),
        hooks: Vec::new(),
        metadata: None,
        read_bytes: 0,
        highest_leader_epoch: LeaderEpoch(6),
    }
}

pub async fn manifest_key(cluster: &Cluster) -> Option<SealingKey> {
    let repository = cluster.repository();
    if !repository.config().is_encrypted() {
        return None;
    }
    let key = SealingKey::generate(repository.environment().random.as_ref());
    let recipients = repository.config().manifest_recipients();
    repository
        .keys()
        .store(&key, KeyPurpose::Manifest, &recipients)
        .await
        .unwrap();
    Some(key)
}

/// Opens the next run, based on the newest snapshot.
pub async fn open_run(journal: &mut Journal) -> u64 {
    if journal.held_epoch().is_none() {
        journal.take_epoch("test coordinator").await.unwrap();
    }
    let run = journal.state().next;
    let base = journal.state().newest().map(|snapshot| snapshot.committed.run);
    match journal.append(Event::RunOpened { run, base }).await.unwrap() {
        Appended::Written(entry) => assert_eq!(entry.n, run),
        Appended::Lost => panic!("nobody else writes"),
    }
    run
}

pub async fn commit(journal: &mut Journal, snapshot: SnapshotId, written: maxbrod_repository::WrittenTree) -> Snapshot {
    let committed = Committed {
        run: snapshot.run(),
        snapshot: snapshot.clone(),
        label: "nightly".to_owned(),
        root: written.root,
        consistency: Consistency::CrashConsistent,
        started: Timestamp::UNIX_EPOCH,
        cut: Timestamp::UNIX_EPOCH,
        committed: Timestamp::UNIX_EPOCH,
        freeze_ms: 1,
        totals: written.totals,
        highest_leader_epoch: written.highest_leader_epoch,
        format: 1,
    };
    assert!(matches!(
        journal.append(Event::Committed(Box::new(committed))).await.unwrap(),
        Appended::Written(_)
    ));
    journal.snapshot(snapshot.as_str()).unwrap().clone()
}

/// Topics, and how far their partitions reach in the first and in the second snapshot.
pub const PARTITIONS: [(u8, i32, i64, i64); 5] = [
    (1, 0, 40, 40),
    (1, 1, 0, 0),
    (2, 0, 35, 60),
    (3, 0, 20, 20),
    (3, 1, 5, 9),
];

/// A whole snapshot of the sample cluster: the first one, or one on top of it.
pub async fn snapshot(cluster: &Cluster, journal: &mut Journal) -> Snapshot {
    let base = match journal.state().newest() {
        Some(newest) => Some(Tree::open(cluster, &newest.committed.root).await.unwrap()),
        None => None,
    };
    let run = open_run(journal).await;
    let epoch = journal.held_epoch().unwrap();
    let mut shipper = Shipper::new(cluster, run, epoch).await;
    let key = manifest_key(cluster).await;
    let mut tree = TreeWriter::new(cluster, run, epoch, key, base.as_ref()).await.unwrap();
    let mut last = None;
    for (number, partition, first, second) in PARTITIONS {
        if last.replace(number) != Some(number) {
            tree.topic(topic(number), &format!("topic-{number}")).await.unwrap();
        }
        let end = if base.is_some() { second } else { first };
        let mut record = record(number, partition, 0, end);
        let found = match &base {
            Some(base) => base.find(topic(number), PartitionId(partition)).await.unwrap(),
            None => None,
        };
        let held = found.as_ref().map_or(0, |found| found.record().end.offset().0);
        let chunks = if end > held {
            shipper.ship(number, partition, held, end, 10).await
        } else {
            Vec::new()
        };
        record.producer_snapshot = match &found {
            Some(found) => found.record().producer_snapshot,
            None => chunks.first().map(|chunk| ProducerSnapshot {
                offset: Offset(1),
                chunk: *chunk,
            }),
        };
        let inherited = found.as_ref().map(|partition| Inherited {
            partition,
            from: Offset(0),
            to: Offset(held),
        });
        tree.partition(&record, inherited, chunks).await.unwrap();
    }
    let id = SnapshotId::new(Timestamp::UNIX_EPOCH, run);
    let written = tree.finish(root_record(id.clone()), &shipper.packs).await.unwrap();
    commit(journal, id, written).await
}
