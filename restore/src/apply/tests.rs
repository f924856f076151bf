mod booted;
mod broker_files;
mod interrupted;
mod real_broker;
mod refused;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use maxbrod_kafka::{CheckpointId, Outcome, PartitionId, TopicId, parse_partition_metadata};
use tempfile::TempDir;

use super::*;
use crate::disk::mortal::MortalDisk;
use crate::options::PlanOptions;
use crate::planning::plan;
use crate::progress_file::ProgressFile;
use crate::sample::{ACCOUNTS, Held, Log, LogBuilder, ORDERS, QUIET, SampleSnapshot, path};

/// The made-up cluster's snapshot and a plan of its restore.
struct Scene {
    folder: TempDir,
    cluster: Cluster,
    plan: Plan,
}

fn orders(partition: i32) -> Log {
    let mut log = LogBuilder::at(10);
    for round in 0..4 {
        log = log
            .transactional(7, 2)
            .plain(3)
            .idempotent(8, 1)
            .epoch(2 + round)
            .marker(7, Outcome::Abort);
    }
    log.log(ORDERS, partition, 3)
}

fn accounts() -> Log {
    let mut log = LogBuilder::at(0)
        .plain(2)
        .skip(10)
        .plain(2)
        .skip(4)
        .plain(1)
        .log(ACCOUNTS, 0, 1);
    log.record.compacted = true;
    log
}

fn held() -> Vec<Held> {
    vec![
        Held::of(ORDERS, "orders", [orders(0), orders(1)]),
        Held::of(ACCOUNTS, "accounts", [accounts()]),
        Held::of(QUIET, "quiet", [LogBuilder::at(0).log(QUIET, 0, 1)]),
    ]
}

impl Scene {
    async fn new() -> Self {
        Self::of(|_| ()).await
    }

    async fn of(change: impl FnOnce(&mut SampleSnapshot)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut snapshot = SampleSnapshot::new(folder.path(), held());
        change(&mut snapshot);
        let journal = snapshot.commit(&folder.path().join("repository")).await;
        let options = PlanOptions {
            accept_gaps: true,
            ..PlanOptions::default()
        };
        let plan = plan(&journal, "latest", &options).await.unwrap();
        Self {
            cluster: journal.cluster().clone(),
            folder,
            plan,
        }
    }

    async fn apply_on(&self, disk: impl Disk + 'static, node: i32) -> Result<Applied> {
        apply_on(Arc::new(disk), &self.cluster, order(&self.plan, node)).await
    }

    /// Without waiting for the disk.
    async fn apply(&self, node: i32) -> Result<Applied> {
        self.apply_on(MortalDisk::counting(), node).await
    }

    fn path(&self, node: i32, name: &str) -> PathBuf {
        path(self.folder.path(), node, name)
    }

    /// What is on a node's disks, by paths relative to them.
    fn tree(&self, node: i32) -> BTreeMap<PathBuf, Vec<u8>> {
        tree(&self.folder.path().join(format!("node{node}")))
    }

    fn names(&self, node: i32, name: &str) -> Vec<String> {
        let entries = HostDisk.list(&self.path(node, name)).unwrap().unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect()
    }
}

fn order(plan: &Plan, node: i32) -> Apply<'_> {
    Apply {
        plan,
        node: NodeId(node),
        owner: None,
        progress: Arc::new(|_| ()),
    }
}

fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    if !root.exists() {
        return BTreeMap::new();
    }
    let files = walkdir::WalkDir::new(root).into_iter().map(|entry| entry.unwrap());
    files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let relative = entry.path().strip_prefix(root).unwrap().to_owned();
            (relative, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn a_broker_and_controller_gets_everything_that_a_clean_stop_leaves() {
    let scene = Scene::new().await;
    let applied = scene.apply(1).await.unwrap();
    assert_eq!(
        (applied.partitions, applied.kept, applied.plan),
        (3, 0, scene.plan.hash())
    );
    assert!(applied.warnings.is_empty());
    let broker = [
        ".kafka_cleanshutdown",
        ".maxbrod-restore",
        "log-start-offset-checkpoint",
        "meta.properties",
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
    ];
    let with = |more: &[&str]| {
        let mut names: Vec<String> = broker.iter().chain(more).map(|name| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(scene.names(1, "a"), with(&["__cluster_metadata-0", "orders-0"]));
    assert_eq!(scene.names(1, "b"), with(&["accounts-0", "orders-1"]));
    let high_watermarks = fs::read_to_string(scene.path(1, "b").join("replication-offset-checkpoint")).unwrap();
    assert_eq!(high_watermarks, "0\n2\naccounts 0 19\norders 1 38\n");
    let checkpoint = fs::read(
        scene
            .path(1, "a")
            .join("__cluster_metadata-0")
            .join(&scene.plan.checkpoint.name),
    )
    .unwrap();
    assert_eq!(Hash::of(&checkpoint), scene.plan.checkpoint.blake3);
}

#[tokio::test]
async fn a_broker_without_the_metadata_and_a_controller_without_partitions_get_their_part() {
    let scene = Scene::new().await;
    assert_eq!(scene.apply(2).await.unwrap().partitions, 3);
    assert_eq!(scene.apply(3).await.unwrap().partitions, 0);
    assert!(!scene.names(2, "a").contains(&"__cluster_metadata-0".to_owned()));
    assert!(
        !scene.names(2, "meta").contains(&"__cluster_metadata-0".to_owned()),
        "it fetches the metadata itself"
    );
    assert!(scene.names(2, "meta").contains(&"meta.properties".to_owned()));
    assert_eq!(
        scene.names(3, "meta"),
        [".maxbrod-restore", "__cluster_metadata-0", "meta.properties"]
    );
    let metadata = scene.names(3, "meta/__cluster_metadata-0");
    assert!(metadata.iter().any(|name| CheckpointId::parse(name).is_some()));
}

#[tokio::test]
async fn all_replicas_of_a_partition_hold_the_same_bytes() {
    let scene = Scene::new().await;
    scene.apply(1).await.unwrap();
    scene.apply(2).await.unwrap();
    let one = tree(&scene.path(1, "a").join("orders-0"));
    let two = tree(&scene.path(2, "a").join("orders-0"));
    assert!(one.len() > 7, "{:?}", one.keys());
    assert_eq!(one, two);
    let logs: Vec<u8> = one
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log"))
        .flat_map(|(_, bytes)| bytes.clone())
        .collect();
    assert_eq!(logs, orders(0).bytes());
}

#[tokio::test]
async fn applying_again_changes_nothing() {
    let scene = Scene::new().await;
    scene.apply(1).await.unwrap();
    let before = scene.tree(1);
    let again = scene.apply(1).await.unwrap();
    assert_eq!((again.partitions, again.kept, again.bytes), (3, 3, 0));
    assert_eq!(scene.tree(1), before);
}

#[tokio::test]
async fn progress_is_told_up_to_the_end() {
    let scene = Scene::new().await;
    let told: Arc<Mutex<Vec<Progress>>> = Arc::default();
    let listener = Arc::clone(&told);
    let order = Apply {
        progress: Arc::new(move |progress| listener.lock().unwrap().push(progress)),
        ..order(&scene.plan, 1)
    };
    apply(&scene.cluster, order).await.unwrap();
    let told = told.lock().unwrap();
    assert!(told.is_sorted_by_key(|progress| (progress.partitions, progress.bytes)));
    let last = told.last().unwrap();
    assert_eq!((last.partitions, last.bytes), (3, last.total_bytes));
    assert!(last.total_bytes > 0);
}

#[tokio::test]
async fn an_accepted_gap_becomes_an_empty_partition() {
    let scene = Scene::of(|snapshot| {
        snapshot.held[0].logs.remove(1);
        snapshot.gaps.push(maxbrod_proto::manifest::Gap {
            what: "partition orders-1".to_owned(),
            why: "its agent was silent".to_owned(),
            remedy: String::new(),
        });
    })
    .await;
    scene.apply(1).await.unwrap();
    let files = tree(&scene.path(1, "b").join("orders-1"));
    assert_eq!(files[Path::new("00000000000000000000.log")], b"");
    assert_eq!(
        parse_partition_metadata(&files[Path::new("partition.metadata")]),
        Some(ORDERS)
    );
}

#[tokio::test]
async fn a_producer_snapshot_that_cannot_be_understood_is_rebuilt_and_said() {
    let scene = Scene::of(|snapshot| snapshot.held[0].logs[0].producers = Some((20, b"no snapshot".to_vec()))).await;
    let applied = scene.apply(1).await.unwrap();
    assert_eq!(applied.warnings.len(), 1);
    assert!(applied.warnings[0].contains("orders-0") && applied.warnings[0].contains("offset 20"));
    scene.apply(2).await.unwrap();
    let name = "00000000000000000038.snapshot";
    let of = |partition: &str| fs::read(scene.path(2, "a").join(partition).join(name)).unwrap();
    assert_eq!(of("orders-0"), of("orders-1"));
}

#[tokio::test]
async fn two_nodes_restored_by_one_plan_say_so() {
    let scene = Scene::new().await;
    scene.apply(1).await.unwrap();
    scene.apply(3).await.unwrap();
    let head = |node, name| {
        ProgressFile::read(&HostDisk, &scene.path(node, name))
            .unwrap()
            .unwrap()
            .record
            .head
    };
    let (one, three) = (head(1, "b"), head(3, "meta"));
    assert_eq!((one.plan, one.checkpoint), (three.plan, three.checkpoint));
    assert_eq!(one.plan, scene.plan.hash());
    assert_eq!((one.node, three.node), (1, 3));
}

#[tokio::test]
async fn mapped_directories_are_where_it_goes() {
    let scene = Scene::new().await;
    let mut plan = scene.plan.clone();
    let elsewhere = scene.folder.path().join("elsewhere").join("deep");
    plan.nodes[2].metadata_log_dir.clone_from(&elsewhere);
    plan.nodes[2].log_dirs[0].path.clone_from(&elsewhere);
    apply(&scene.cluster, order(&plan, 3)).await.unwrap();
    assert!(elsewhere.join("meta.properties").exists());
    assert!(!scene.path(3, "meta").exists());
}
