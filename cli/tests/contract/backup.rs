//! A repository with one snapshot of a made-up cluster: the topic `orders`, one partition with 20 records, one without.

use std::path::{Path, PathBuf};

use maxbrod_kafka::{ClusterId, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, TopicId, Uuid};
use maxbrod_repository::{
    Appended, BatchEnd, ChunkRef, Cluster, Committed, Compression, Consistency, End, Environment, Event, Identities,
    Journal, KeyObject, KeyPurpose, PackInfo, PackName, PackWriter, PartitionKind, PartitionRecord, Repository, Role,
    RootRecord, Sealer, SealingKey, SnapshotId, Store, TreeWriter,
};

use crate::program::{Ended, maxbrod};

pub const CLUSTER: &str = "MkU3OEVBNTcwNTJENDM2Qg";
const ORDERS: TopicId = TopicId(Uuid([1; 16]));

/// The repository, encrypted, and the operator's identity.
pub struct Backup {
    folder: tempfile::TempDir,
    pub snapshot: String,
}

impl Backup {
    pub fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recipient = Identities::generate_file(&folder.path().join("operator.key")).unwrap();
        Identities::generate_file(&folder.path().join("stranger.key")).unwrap();
        let url = url(folder.path());
        maxbrod(&["init", "--repository", &url, "--recipient", &recipient.to_string()]).assert_done();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let snapshot = runtime.block_on(take_snapshot(&url, &folder.path().join("operator.key")));
        Self { folder, snapshot }
    }

    pub fn url(&self) -> String {
        url(self.folder.path())
    }

    /// A file of the repository.
    pub fn object(&self, name: &str) -> PathBuf {
        self.folder.path().join("repository").join(name)
    }

    pub fn pack(&self) -> PathBuf {
        self.object(&format!("clusters/{CLUSTER}/packs/1/1-0"))
    }

    /// Runs a command on it, as one who can decrypt it.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_as("operator.key", arguments)
    }

    /// Runs a command with another identity file.
    pub fn run_as(&self, identity: &str, arguments: &[&str]) -> Ended {
        let identity = self.folder.path().join(identity);
        let mut all = arguments.to_vec();
        let url = self.url();
        all.extend(["--json", "--repository", &url, "--identity", identity.to_str().unwrap()]);
        maxbrod(&all)
    }
}

fn url(folder: &Path) -> String {
    format!("file://{}", folder.join("repository").display())
}

async fn take_snapshot(url: &str, identity: &Path) -> String {
    let store = Store::open(&url.parse().unwrap()).await.unwrap();
    let identities = Identities::from_file(identity).unwrap();
    let environment = Environment::system("a test".to_owned());
    let repository = Repository::open(store, identities, environment).await.unwrap();
    let cluster = repository.cluster(&ClusterId(CLUSTER.to_owned())).unwrap();
    let mut journal = Journal::load(&cluster).await.unwrap();
    let epoch = journal.take_epoch("a test").await.unwrap();
    let run = journal.state().next;
    let opened = journal.append(Event::RunOpened { run, base: None }).await.unwrap();
    assert!(matches!(opened, Appended::Written(_)));

    let recipients = repository.config().manifest_recipients();
    let manifest_key = SealingKey::generate(repository.environment().random.as_ref());
    repository
        .keys()
        .store(&manifest_key, KeyPurpose::Manifest, &recipients)
        .await
        .unwrap();
    let mut tree = TreeWriter::new(&cluster, run, epoch, Some(manifest_key), None)
        .await
        .unwrap();
    let (pack, chunks) = ship(
        &cluster,
        PackName {
            run,
            epoch,
            sequence: 0,
        },
    )
    .await;
    tree.topic(ORDERS, "orders").await.unwrap();
    let after = BatchEnd {
        end_offset: Offset(20),
        leader_epoch: LeaderEpoch(4),
        crc: 7,
    };
    tree.partition(&partition(0, End::After(after)), None, chunks)
        .await
        .unwrap();
    tree.partition(&partition(1, End::Empty(Offset(0))), None, Vec::new())
        .await
        .unwrap();

    let cut = "2026-11-24T12:00:00Z".parse().unwrap();
    let snapshot = SnapshotId::new(cut, run);
    let root = RootRecord {
        snapshot: snapshot.clone(),
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
        highest_leader_epoch: LeaderEpoch(4),
    };
    let written = tree.finish(root, &[pack]).await.unwrap();
    let committed = Event::Committed(Box::new(Committed {
        run,
        snapshot: snapshot.clone(),
        label: "nightly".to_owned(),
        root: written.root,
        consistency: Consistency::CrashConsistent,
        started: cut,
        cut,
        committed: cut,
        freeze_ms: 1,
        totals: written.totals,
        highest_leader_epoch: written.highest_leader_epoch,
        format: 1,
    }));
    assert!(matches!(journal.append(committed).await.unwrap(), Appended::Written(_)));
    snapshot.to_string()
}

/// One pack with two chunks of ten offsets each, as an agent would make it.
async fn ship(cluster: &Cluster, name: PackName) -> (PackInfo, Vec<ChunkRef>) {
    let repository = cluster.repository();
    let random = repository.environment().random.clone();
    let key = SealingKey::generate(random.as_ref());
    let recipients = repository.config().recipients();
    let object = KeyObject::new(
        key.id(),
        KeyPurpose::Data,
        recipients.to_vec(),
        key.wrap(recipients).unwrap(),
    );
    repository.keys().store_wrapped(object).await.unwrap();
    let mut sealer = Sealer::new(repository.id_key().unwrap().clone(), Some(key));
    let mut writer = PackWriter::new(Vec::new());
    let mut chunks = Vec::new();
    for base in [0, 10] {
        let body = format!("the batches from {base} on");
        let mut sealed = Vec::new();
        let (id, length) = sealer
            .seal(
                Role::Chunk,
                body.as_bytes(),
                Compression::Zstd(1),
                random.as_ref(),
                &mut sealed,
            )
            .unwrap();
        let entry = writer.append(id, sealer.key_id(), &sealed).unwrap();
        chunks.push(ChunkRef {
            id,
            base_offset: Offset(base),
            next_offset: Offset(base + 10),
            leader_epoch: LeaderEpoch(4),
            pack: name,
            position: entry.position,
            length,
            key: entry.key,
            logical_length: body.len() as u64,
            closed: true,
        });
    }
    let (finished, bytes) = writer.finish().unwrap();
    cluster
        .store()
        .create_new(&cluster.names().pack(name), bytes.into())
        .await
        .unwrap();
    (
        PackInfo {
            name,
            length: finished.length,
            sha256: finished.sha256,
        },
        chunks,
    )
}

fn partition(number: i32, end: End) -> PartitionRecord {
    PartitionRecord {
        topic_id: ORDERS,
        partition: PartitionId(number),
        kind: PartitionKind::Data,
        source: NodeId(1),
        source_directory: DirectoryId(Uuid([9; 16])),
        log_start: Offset(0),
        end,
        leader_epochs: vec![(LeaderEpoch(4), Offset(0))],
        compacted: false,
        producer_snapshot: None,
        partition_metadata: format!("version: 0\ntopic_id: {ORDERS}\n"),
        vouched: true,
    }
}
