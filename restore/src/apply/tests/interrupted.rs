//! A restore that breaks off anywhere and is run again.

use super::*;

/// Node 1 after a restore that nothing disturbed, and how many steps it took.
async fn undisturbed() -> (Scene, BTreeMap<PathBuf, Vec<u8>>, u64) {
    let scene = Scene::new().await;
    let disk = MortalDisk::counting();
    scene.apply_on(disk.clone(), 1).await.unwrap();
    let tree = scene.tree(1);
    fs::remove_dir_all(scene.folder.path().join("node1")).unwrap();
    (scene, tree, disk.steps())
}

#[tokio::test]
async fn wherever_it_breaks_off_the_next_run_completes_it_and_nothing_could_start_in_between() {
    let (scene, whole, steps) = undisturbed().await;
    assert!(steps > 50, "{steps}");
    let mut startable = 0;
    for step in 0..steps {
        let error = scene.apply_on(MortalDisk::dying_after(step), 1).await.unwrap_err();
        assert_eq!(error.code(), "io", "at step {step}: {error}");
        // Kafka needs a meta.properties in every directory.
        let identities = ["a", "b"].map(|name| scene.path(1, name).join("meta.properties").exists());
        if identities == [true, true] {
            startable += 1;
            let others = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.len();
            assert_eq!(
                others(&scene.tree(1)),
                whole.len(),
                "at step {step} everything else is there"
            );
        }
        let applied = scene
            .apply(1)
            .await
            .unwrap_or_else(|error| panic!("after step {step}: {error}"));
        assert_eq!(applied.partitions, 3);
        assert!(scene.tree(1) == whole, "after step {step} the directories differ");
        fs::remove_dir_all(scene.folder.path().join("node1")).unwrap();
    }
    assert!(startable <= 1, "only the last step makes it startable");
}

#[tokio::test]
async fn breaking_off_again_and_again_still_ends() {
    let (scene, whole, steps) = undisturbed().await;
    let mut attempts = 0;
    for lifetime in (10..steps + 40).step_by(9).cycle() {
        attempts += 1;
        if scene.apply_on(MortalDisk::dying_after(lifetime), 1).await.is_ok() {
            break;
        }
        assert!(attempts < 100);
    }
    assert!(attempts > 3);
    assert!(scene.tree(1) == whole);
}

#[tokio::test]
async fn what_is_on_the_disk_is_kept_and_what_is_not_whole_is_written_again() {
    let (scene, whole, steps) = undisturbed().await;
    // Just before the identities: all partitions are noted.
    scene.apply_on(MortalDisk::dying_after(steps - 8), 1).await.unwrap_err();
    assert!(!scene.path(1, "a").join("meta.properties").exists());
    let partition = scene.path(1, "b").join("orders-1");
    let log = partition.join("00000000000000000010.log");
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 1]).unwrap();
    fs::remove_file(scene.path(1, "a").join("orders-0").join("partition.metadata")).unwrap();
    let applied = scene.apply(1).await.unwrap();
    assert_eq!((applied.partitions, applied.kept), (3, 1));
    assert!(scene.tree(1) == whole);
}
