//! Whatever is wrong is said once, clearly, and loses nothing.

mod broker_files;
mod log_dirs;
mod mount;
mod repository;

use std::fs;
use std::path::{Path, PathBuf};

use maxbrod_lab::{Cluster, ClusterSpec, Finished, LabError, Programs, TopicSpec, Workload};
use maxbrod_repository::Identities;
use maxbrod_repository::testing::rewrite;
use maxbrod_tests::{Backup, READY, Scene};
use serde_json::Value;

fn code_of(finished: &Finished) -> &str {
    finished
        .json
        .pointer("/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A command that must fail like this, naming this object.
fn refused(finished: &Finished, exit: i32, code: &str, named: &str) {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    assert_eq!((finished.code, code_of(finished)), (exit, code), "{said}");
    assert!(said.contains(named), "{named} is not named: {said}");
}

fn largest_file(folder: &Path) -> PathBuf {
    let mut files: Vec<(u64, PathBuf)> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.push((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    files.into_iter().max().map(|(_, path)| path).unwrap()
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A snapshot of one small broker that is stopped afterwards.
fn backed_up(scene: &Scene) -> Result<(Cluster, Programs, String), LabError> {
    let mut cluster = scene.boot(ClusterSpec::combined(1))?;
    let mut workload = Workload::standard(1, scene.path().join("acknowledged"));
    workload.setup.topics.push(TopicSpec::new("quiet", 1, 1));
    workload.load.seconds = Some(6);
    let client = cluster.client();
    client.create(&workload.setup)?;
    client.load(&workload.load)?.wait(READY)?;
    let backup = Backup::start(Backup::encrypted(scene.path())?, &cluster)?;
    let created = backup.create("before the accidents")?;
    let mut programs = backup.programs;

    // Two agents with one node id: the second is refused, the first goes on.
    let properties = &cluster.node(1)?.server_properties;
    programs.start_agent_by("impostor", properties)?;
    programs.wait_for_log("impostor", "node id")?;
    programs.kill("impostor");
    // An agent of another cluster.
    let foreign = foreign_node(scene.path(), properties);
    programs.start_agent_by("stranger", &foreign)?;
    programs.wait_for_log("stranger", "cluster")?;
    programs.kill("stranger");
    programs.snapshot("the first agent still works")?;

    programs.stop_all();
    cluster.stop()?;
    let id = created.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok((cluster, programs, id))
}

/// The configuration of a node with the same id in another cluster.
fn foreign_node(directory: &Path, properties: &Path) -> PathBuf {
    let data = directory.join("foreign-data");
    fs::create_dir_all(&data).unwrap();
    let meta = "version=1\ncluster.id=Zm9yZWlnbiBjbHVzdGVyIQ\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAZA\n";
    fs::write(data.join("meta.properties"), meta).unwrap();
    let mut text: String = fs::read_to_string(properties)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with("log.dir") && !line.starts_with("metadata.log.dir"))
        .map(|line| format!("{line}\n"))
        .collect();
    text.push_str(&format!("log.dirs={}\n", data.display()));
    let path = directory.join("foreign.properties");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn damage_is_found_named_and_never_restored() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let (mut cluster, programs, id) = backed_up(&scene)?;
    let repository = scene.path().join("repository");
    let packs = repository.join("clusters").join(cluster.cluster_id()).join("packs");
    let plan = scene.path().join("plan.json");
    let plan_path = plan.to_string_lossy().into_owned();
    let apply = ["restore", "apply", "--plan", plan_path.as_str(), "--node", "1"];
    let plan_it = [
        "restore",
        "plan",
        "--snapshot",
        id.as_str(),
        "--out",
        plan_path.as_str(),
    ];
    programs.maxbrod_ok(&plan_it)?;

    // The directories of a broker are never written over.
    let data = cluster.node(1)?.log_dirs.first().cloned().unwrap_or_default();
    refused(
        &programs.maxbrod(&apply)?,
        1,
        "directory-occupied",
        &data.to_string_lossy(),
    );
    cluster.wipe()?;

    // Somebody else's identity, and none.
    let stranger = scene.path().join("stranger.key");
    Identities::generate_file(&stranger).unwrap();
    let other = [("MAXBROD_IDENTITY", stranger.to_str().unwrap_or_default())];
    refused(
        &programs.maxbrod_with(&["snapshot", "show", &id], &other)?,
        1,
        "wrong-identity",
        "age1",
    );
    refused(
        &programs.maxbrod(&["snapshot", "show", "20200101T000000Z-9"])?,
        2,
        "no-such-snapshot",
        "20200101T000000Z-9",
    );

    // A damaged pack, then a missing one.
    let pack = largest_file(&packs);
    let intact = fs::read(&pack).unwrap();
    flip_a_bit(&pack);
    let name = pack.file_name().unwrap().to_string_lossy().into_owned();
    let verified = programs.maxbrod(&["snapshot", "verify", &id, "--level", "full"])?;
    assert_eq!(verified.code, 4, "{}", verified.stdout);
    assert!(verified.stdout.contains(&name), "{}", verified.stdout);
    let applied = programs.maxbrod(&apply)?;
    assert_eq!(applied.code, 4, "{}", applied.stderr);
    assert!(
        !data.join("meta.properties").exists(),
        "what is damaged is never startable"
    );
    fs::remove_file(&pack).unwrap();
    let verified = programs.maxbrod(&["snapshot", "verify", &id, "--level", "presence"])?;
    assert_eq!(verified.code, 3, "{}", verified.stdout);
    assert!(verified.stdout.contains(&name), "{}", verified.stdout);
    refused(&programs.maxbrod(&apply)?, 3, "object-missing", &name);
    fs::write(&pack, &intact).unwrap();

    // Another plan's work in the directory; then the same plan goes on where it broke off, and the broker starts.
    let other_plan = scene.path().join("other-plan.json");
    let other_path = other_plan.to_string_lossy().into_owned();
    programs.maxbrod_ok(&[
        "restore",
        "plan",
        "--snapshot",
        &id,
        "--no-hold-retention",
        "--out",
        &other_path,
    ])?;
    refused(
        &programs.maxbrod(&["restore", "apply", "--plan", &other_path, "--node", "1"])?,
        1,
        "directory-occupied",
        &data.to_string_lossy(),
    );
    programs.maxbrod_ok(&apply)?;
    cluster.start_and_wait(READY)?;
    cluster.stop()?;

    // A tampered journal.
    let journal = repository.join("clusters").join(cluster.cluster_id()).join("journal");
    let entry = journal.join(format!("{:020}", 1));
    flip_a_bit(&entry);
    assert_eq!(programs.maxbrod(&["audit", "verify"])?.code, 4);
    fs::remove_file(&entry).unwrap();
    let verified = programs.maxbrod(&["audit", "verify"])?;
    assert_eq!(verified.code, 3, "{}", verified.stdout);

    // A format from the future.
    let config = repository.join("config");
    let mut object = fs::read(&config).unwrap();
    rewrite(&mut object, |json| {
        json.replace("\"format_version\":1", "\"format_version\":7")
    });
    fs::write(&config, object).unwrap();
    refused(&programs.maxbrod(&["snapshot", "list"])?, 1, "newer-format", "config");
    Ok(())
}

#[test]
fn a_flipped_bit_in_a_segment_is_never_shipped() -> Result<(), LabError> {
    let scene = Scene::new()?;
    // Only one replica: nobody else could help out.
    let mut cluster = scene.boot(ClusterSpec::combined(1))?;
    let mut workload = Workload::standard(1, scene.path().join("acknowledged"));
    workload.load.seconds = Some(6);
    let client = cluster.client();
    client.create(&workload.setup)?;
    client.load(&workload.load)?.wait(READY)?;
    let data = cluster.node(1)?.log_dirs.first().cloned().unwrap_or_default();
    let segment = data.join("codec-none-0").join(format!("{:020}.log", 0));
    flip_a_bit(&segment);

    let mut backup = Backup::start(Backup::plain(scene.path())?, &cluster)?;
    let refused = backup.programs.maxbrod(&["snapshot", "create", "--wait"])?;
    assert_eq!(refused.code, 1, "{}{}", refused.stdout, refused.stderr);
    assert!(
        refused.stderr.contains("codec-none-0"),
        "the partition is named: {}",
        refused.stderr
    );
    let status = backup.programs.maxbrod_ok(&["cluster", "status"])?;
    let told = status
        .pointer("/last_snapshot/error/message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    assert!(
        told.contains("codec-none-0"),
        "who did not wait is told, too: {status:#}"
    );
    assert_eq!(
        backup.programs.maxbrod_ok(&["snapshot", "list"])?,
        serde_json::json!([]),
        "nothing is half committed"
    );

    // Where the operator takes a snapshot with a named gap over none at all.
    backup.programs.stop("coordinator");
    let mut programs = backup
        .programs
        .coordinator_settings("[snapshot]\nrequire = \"one-replica\"\n");
    programs.start_coordinator()?;
    programs.wait_for_agents(1)?;
    let incomplete = programs.maxbrod(&["snapshot", "create", "--wait"])?;
    assert_eq!(incomplete.code, 3, "{}{}", incomplete.stdout, incomplete.stderr);
    assert!(incomplete.stdout.contains("codec-none-0"), "{}", incomplete.stdout);

    flip_a_bit(&segment);
    backup = Backup { programs };
    let healed = backup.create("the bit is back")?;
    assert_eq!(healed.pointer("/gaps"), Some(&serde_json::json!([])));
    cluster.stop()?;
    Ok(())
}
