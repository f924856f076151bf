//! A whole cluster: snapshot under load, destruction, restore, and everything that must be as before.

use std::path::Path;
use std::time::Duration;

use maxbrod_lab::{Cluster, ClusterSpec, LabError, LoadHandle, Programs, Workload};
use maxbrod_repository::testing::S3TestServer;
use maxbrod_tests::{Backup, READY, Scene, Snapshot, identity_differences, judge, log_problems, profile_dir};
use serde_json::Value;

fn number(document: &Value, field: &str) -> u64 {
    document.get(field).and_then(Value::as_u64).unwrap_or_default()
}

fn load(cluster: &Cluster, workload: &Workload, seconds: u64) -> Result<LoadHandle, LabError> {
    let client = cluster.client();
    client.create(&workload.setup)?;
    let mut load = client.load(&workload.load)?;
    load.wait_flowing(READY)?;
    std::thread::sleep(Duration::from_secs(seconds));
    Ok(load)
}

/// Kills everything, restores, boots, and holds the restored cluster against the original.
fn destroy_and_restore(
    scene: &Scene,
    cluster: &mut Cluster,
    programs: &mut Programs,
    before: &Snapshot,
    acknowledged: Option<&Path>,
) -> Result<(), LabError> {
    programs.stop_all();
    cluster.kill();
    cluster.wipe()?;
    programs.restore(cluster, &before.id)?;
    cluster.mark_logs();
    cluster.start_and_wait(READY)?;
    assert_eq!(
        log_problems(cluster)?,
        Vec::<String>::new(),
        "a restored broker finds what a clean shutdown leaves"
    );
    for node in cluster.node_ids() {
        let log = cluster.log_since_mark(node)?;
        assert!(
            !log.contains("Recovering unflushed segment"),
            "node {node} recovered segments:\n{log}"
        );
    }
    let after = cluster.client().describe()?;
    assert_eq!(identity_differences(&before.description, &after), Vec::<String>::new());
    let report = judge(cluster, before, &scene.path().join("restored.dump"), acknowledged)?;
    assert!(report.is_clean(), "{report:#?}");
    assert!(
        report.records > 1_000,
        "a comparison of {} records proves nothing",
        report.records
    );
    Ok(())
}

#[test]
fn a_destroyed_cluster_comes_back_record_for_record_and_can_be_backed_up_again() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let mut cluster = scene.boot(ClusterSpec::combined(3).log_dirs(2))?;
    let workload = Workload::standard(3, scene.path().join("acknowledged")).at_least_partitions(200, 3);
    let load = load(&cluster, &workload, 10)?;
    let backup = Backup::start(Backup::encrypted(scene.path())?, &cluster)?;
    let full = backup.create("full")?;
    std::thread::sleep(Duration::from_secs(5));
    let second = backup.create("incremental")?;
    std::thread::sleep(Duration::from_secs(2));
    load.stop()?;

    assert!(number(&full, "partitions") >= 200, "{full:#}");
    assert!(
        number(&second, "read_bytes") < number(&full, "logical_bytes"),
        "what the base holds is not read again: {second:#}"
    );
    let before = backup.remember(second, &cluster, &scene.path().join("original.dump"))?;
    let mut programs = backup.programs;
    programs.maxbrod_ok(&["snapshot", "verify", &before.id, "--level", "full"])?;
    destroy_and_restore(
        &scene,
        &mut cluster,
        &mut programs,
        &before,
        Some(&workload.load.acknowledged),
    )?;

    // The restored cluster works, survives a rolling restart, and its next snapshot builds on the last one.
    cluster.client().smoke(&["codec-none".to_owned()], 3)?;
    for node in cluster.node_ids() {
        cluster.stop_node(node)?;
        cluster.start_node(node)?;
        cluster.wait_ready(READY)?;
    }
    cluster.client().smoke(&["codec-none".to_owned()], 3)?;
    let again = Backup::start(programs, &cluster)?;
    let third = again.create("after the restore")?;
    let third = again.remember(third, &cluster, &scene.path().join("third.dump"))?;
    let mut programs = again.programs;
    // What was acknowledged after the second snapshot was lost with the first cluster.
    destroy_and_restore(&scene, &mut cluster, &mut programs, &third, None)?;
    programs.maxbrod_ok(&["audit", "verify"])?;
    Ok(())
}

#[test]
fn brokers_and_controllers_on_separate_nodes_come_back_from_an_s3_repository() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let server = runtime.block_on(S3TestServer::start()).unwrap();
    let mut cluster = scene.boot(ClusterSpec::separate(2, 1))?;
    let workload = Workload::standard(2, scene.path().join("acknowledged"));
    let load = load(&cluster, &workload, 8)?;
    let mut programs = Programs::new(
        &profile_dir(),
        &scene.path().join("maxbrod"),
        &server.location("backups").to_string(),
    )?;
    for (name, value) in server.variables() {
        programs = programs.variable(&name, &value);
    }
    programs.maxbrod_ok(&["init", "--no-encryption"])?;
    let backup = Backup::start(programs, &cluster)?;
    let snapshot = backup.create("")?;
    load.stop()?;
    let before = backup.remember(snapshot, &cluster, &scene.path().join("original.dump"))?;
    let mut programs = backup.programs;
    programs.maxbrod_ok(&["repository", "check"])?;
    destroy_and_restore(
        &scene,
        &mut cluster,
        &mut programs,
        &before,
        Some(&workload.load.acknowledged),
    )?;
    cluster.client().smoke(&["codec-none".to_owned()], 2)?;
    Ok(())
}
