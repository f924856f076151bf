//! What a restore refuses, and that it then touches nothing.

use maxbrod_repository::{Event, SnapshotId};

use super::*;
use crate::disk::{DiskFile, Entry, Space};
use crate::error::Kind;

async fn refusal(scene: &Scene, plan: &Plan, node: i32) -> (Kind, &'static str, String) {
    let disk = Arc::new(MortalDisk::counting());
    let error = apply_on(disk, &scene.cluster, order(plan, node)).await.unwrap_err();
    (error.kind(), error.code(), format!("{error}; {}", error.remedy()))
}

#[tokio::test]
async fn a_directory_that_is_not_empty_is_refused_and_left_alone() {
    for (name, says) in [
        ("orders-0/00000000000000000000.log", "orders-0 is in it"),
        ("meta.properties", "meta.properties is in it"),
        ("lost+found/x", "root of a file system"),
    ] {
        let scene = Scene::new().await;
        let file = scene.path(1, "b").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "precious").unwrap();
        let before = scene.tree(1);
        let (kind, code, text) = refusal(&scene, &scene.plan, 1).await;
        assert_eq!((kind, code), (Kind::Failed, "directory-occupied"));
        assert!(text.contains(says) && text.contains("node1/b"), "{text}");
        assert_eq!(scene.tree(1), before, "not even the other directory is begun");
    }
}

#[tokio::test]
async fn an_interrupted_restore_by_another_plan_is_refused() {
    let scene = Scene::new().await;
    let mut other = scene.plan.clone();
    other.warnings.push("made elsewhere".to_owned());
    apply(&scene.cluster, order(&other, 3)).await.unwrap();
    let (kind, code, text) = refusal(&scene, &scene.plan, 3).await;
    assert_eq!((kind, code), (Kind::Failed, "directory-occupied"));
    assert!(text.contains(&other.hash().to_string()), "{text}");
}

#[tokio::test]
async fn what_someone_put_into_an_unfinished_restore_is_refused() {
    let scene = Scene::new().await;
    let disk = MortalDisk::dying_after(40);
    scene.apply_on(disk, 1).await.unwrap_err();
    fs::write(scene.path(1, "a").join("meta.properties"), "version=1").unwrap();
    let (_, code, text) = refusal(&scene, &scene.plan, 1).await;
    assert_eq!(code, "directory-occupied");
    assert!(text.contains("did not write"), "{text}");
    fs::remove_file(scene.path(1, "a").join("meta.properties")).unwrap();
    fs::create_dir(scene.path(1, "a").join("foreign-0")).unwrap();
    let (_, code, text) = refusal(&scene, &scene.plan, 1).await;
    assert_eq!(code, "directory-occupied");
    assert!(text.contains("foreign-0"), "{text}");
}

#[tokio::test]
async fn a_plan_for_another_repository_cluster_or_snapshot_is_refused() {
    let scene = Scene::new().await;
    let mut plan = scene.plan.clone();
    plan.repository_id = "00000000-0000-4000-8000-000000000000".to_owned();
    let (kind, code, text) = refusal(&scene, &plan, 1).await;
    assert_eq!((kind, code), (Kind::Failed, "plan-foreign"));
    assert!(text.contains(&plan.repository_id), "{text}");

    let mut plan = scene.plan.clone();
    plan.cluster_id = "otherotherotherotherAA".to_owned();
    assert_eq!(refusal(&scene, &plan, 1).await.1, "plan-foreign");

    let mut plan = scene.plan.clone();
    plan.root.length += 1;
    assert_eq!(refusal(&scene, &plan, 1).await.1, "plan-foreign");

    let mut plan = scene.plan.clone();
    plan.snapshot = "20200101T000000Z-9".parse::<SnapshotId>().unwrap();
    assert_eq!(refusal(&scene, &plan, 1).await.1, "no-such-snapshot");

    let mut plan = scene.plan.clone();
    plan.next_producer_id += 1;
    let (_, code, text) = refusal(&scene, &plan, 1).await;
    assert_eq!(code, "plan-foreign");
    assert!(text.contains("is not the planned one"), "{text}");
    assert!(scene.tree(1).is_empty());
}

#[tokio::test]
async fn a_node_that_is_not_in_the_plan_is_refused() {
    let scene = Scene::new().await;
    let (kind, code, text) = refusal(&scene, &scene.plan, 9).await;
    assert_eq!((kind, code), (Kind::Usage, "unknown-node"));
    assert!(text.contains("1, 2, 3"), "{text}");
}

#[tokio::test]
async fn a_plan_is_stale_once_its_epochs_were_used() {
    let scene = Scene::new().await;
    let mut journal = Journal::load(&scene.cluster).await.unwrap();
    let restored = |epoch| Event::Restored {
        snapshot: scene.plan.snapshot.clone(),
        highest_leader_epoch: epoch,
        plan: scene.plan.hash(),
        note: String::new(),
    };
    journal
        .append_until_written(restored(scene.plan.leader_epoch))
        .await
        .unwrap();
    scene.apply(3).await.unwrap();
    journal
        .append_until_written(restored(scene.plan.leader_epoch + 1))
        .await
        .unwrap();
    let (kind, code, text) = refusal(&scene, &scene.plan, 1).await;
    assert_eq!((kind, code), (Kind::Failed, "plan-foreign"));
    assert!(text.contains("make a new plan"), "{text}");
}

#[tokio::test]
async fn a_snapshot_that_was_deleted_is_not_restored() {
    let scene = Scene::new().await;
    let mut journal = Journal::load(&scene.cluster).await.unwrap();
    let deleted = Event::Deleted {
        snapshot: scene.plan.snapshot.clone(),
        reason: String::new(),
    };
    journal.append_until_written(deleted).await.unwrap();
    assert_eq!(refusal(&scene, &scene.plan, 1).await.1, "no-such-snapshot");
}

/// The pack of a partition's first chunk, as a file.
async fn pack_of(scene: &Scene, topic: TopicId) -> PathBuf {
    let tree = Tree::open(&scene.cluster, &scene.plan.root).await.unwrap();
    let partition = tree.find(topic, PartitionId(0)).await.unwrap().unwrap();
    let chunk = tree.all_chunks(&partition).await.unwrap()[1];
    scene
        .folder
        .path()
        .join("repository")
        .join(scene.cluster.names().pack(chunk.pack))
}

#[tokio::test]
async fn a_damaged_chunk_is_named_with_its_offsets_pack_and_remedy() {
    let scene = Scene::new().await;
    let tree = Tree::open(&scene.cluster, &scene.plan.root).await.unwrap();
    let partition = tree.find(ORDERS, PartitionId(0)).await.unwrap().unwrap();
    let chunk = tree.all_chunks(&partition).await.unwrap()[2];
    let pack = pack_of(&scene, ORDERS).await;
    let mut bytes = fs::read(&pack).unwrap();
    bytes[chunk.position as usize + 20] ^= 4;
    fs::write(&pack, bytes).unwrap();
    let (kind, code, text) = refusal(&scene, &scene.plan, 1).await;
    assert_eq!((kind, code), (Kind::Integrity, "object-damaged"));
    let offsets = format!("offsets {} to {}", chunk.base_offset, chunk.next_offset.0 - 1);
    assert!(
        text.contains("orders-0") && text.contains(&offsets) && text.contains("packs/"),
        "{text}"
    );
    assert!(text.contains("restore another snapshot"), "{text}");
    assert!(!scene.path(1, "a").join("meta.properties").exists());
}

#[tokio::test]
async fn a_missing_pack_is_named_and_once_it_is_back_the_restore_goes_on() {
    let scene = Scene::new().await;
    let pack = pack_of(&scene, ACCOUNTS).await;
    let aside = scene.folder.path().join("aside");
    fs::rename(&pack, &aside).unwrap();
    let (kind, code, text) = refusal(&scene, &scene.plan, 1).await;
    assert_eq!((kind, code), (Kind::Incomplete, "object-missing"));
    assert!(text.contains("accounts-0") && text.contains("packs/"), "{text}");
    fs::rename(&aside, &pack).unwrap();
    assert_eq!(scene.apply(1).await.unwrap().partitions, 3);
}

/// A file system with hardly any room.
struct FullDisk;

impl Disk for FullDisk {
    fn create_dir_all(&self, path: &Path) -> std::io::Result<()> {
        HostDisk.create_dir_all(path)
    }
    fn create(&self, path: &Path) -> std::io::Result<Box<dyn DiskFile>> {
        HostDisk.create(path)
    }
    fn append(&self, path: &Path) -> std::io::Result<Box<dyn DiskFile>> {
        HostDisk.append(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        HostDisk.rename(from, to)
    }
    fn remove_dir_all(&self, path: &Path) -> std::io::Result<()> {
        HostDisk.remove_dir_all(path)
    }
    fn read(&self, path: &Path) -> std::io::Result<Option<Vec<u8>>> {
        HostDisk.read(path)
    }
    fn list(&self, path: &Path) -> std::io::Result<Option<Vec<Entry>>> {
        HostDisk.list(path)
    }
    fn sync_dir(&self, path: &Path) -> std::io::Result<()> {
        HostDisk.sync_dir(path)
    }
    fn sync_file_system(&self, path: &Path) -> std::io::Result<()> {
        HostDisk.sync_file_system(path)
    }
    fn space(&self, _path: &Path) -> std::io::Result<Space> {
        // Enough for each of node 1's directories, not for both.
        Ok(Space {
            device: 1,
            available: 20 << 20,
        })
    }
    fn give(&self, path: &Path, user: u32, group: Option<u32>) -> std::io::Result<()> {
        HostDisk.give(path, user, group)
    }
}

#[tokio::test]
async fn too_little_space_is_told_before_anything_is_written() {
    let scene = Scene::new().await;
    let error = scene.apply_on(FullDisk, 1).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::Failed, "no-space"));
    assert!(scene.tree(1).is_empty());
    scene.apply_on(FullDisk, 3).await.unwrap();
}
