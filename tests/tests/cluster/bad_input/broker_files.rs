//! Files of a broker that are not what Kafka wrote: what records depend on is refused, what can be had otherwise is not needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use maxbrod_lab::{Client, Cluster, ClusterSpec, Finished, LabError, Programs, Setup, TopicSpec};
use maxbrod_tests::{Backup, READY, Scene, identity_differences, log_problems};
use serde_json::{Value, json};

use super::refused;

/// A snapshot that is taken while a file is spoilt; the file is as before afterwards.
fn snapshot_with(programs: &Programs, file: &Path, spoil: impl FnOnce(&mut Vec<u8>)) -> Result<Finished, LabError> {
    let intact = fs::read(file).unwrap();
    let mut spoilt = intact.clone();
    spoil(&mut spoilt);
    assert_ne!(intact, spoilt, "{} is not spoilt", file.display());
    fs::write(file, spoilt).unwrap();
    let finished = programs.maxbrod(&["snapshot", "create", "--wait"]);
    fs::write(file, intact).unwrap();
    finished
}

/// What helps where a replica is damaged: another one.
fn replaceable(finished: &Finished) {
    assert!(
        finished.stdout.contains("let Kafka replace this replica"),
        "{}",
        finished.stdout
    );
}

/// Where the last batch of a segment starts.
fn last_batch(segment: &[u8]) -> usize {
    let (mut position, mut last) = (0, 0);
    while position < segment.len() {
        last = position;
        let length: [u8; 4] = segment[position + 8..position + 12].try_into().unwrap();
        position += 12 + u32::from_be_bytes(length) as usize;
    }
    last
}

fn files_ending(directory: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect();
    files.sort();
    files
}

/// A broker whose topic `orders` has closed segments.
fn boot(scene: &Scene) -> Result<(Cluster, Client), LabError> {
    let cluster = scene.boot(ClusterSpec::combined(1))?;
    let client = cluster.client();
    client.create(&Setup {
        topics: vec![TopicSpec::new("orders", 1, 1).config("segment.ms", 1_000)],
        ..Setup::default()
    })?;
    for _ in 0..2 {
        client.smoke(&["orders".to_owned()], 1)?;
        sleep(Duration::from_millis(1_200));
    }
    Ok((cluster, client))
}

#[test]
fn spoilt_files_of_a_broker_are_named_or_not_needed() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let (mut cluster, client) = boot(&scene)?;
    let data = cluster.node(1)?.log_dirs[0].clone();
    let orders = data.join("orders-0");
    let segments = files_ending(&orders, ".log");
    assert!(segments.len() >= 2, "no segment is closed: {segments:?}");
    let closed = &segments[0];
    let mut programs = Backup::start(Backup::plain(scene.path())?, &cluster)?.programs;

    // A closed segment that was cut short: within a batch, and between two.
    for torn in [7, 0] {
        let finished = snapshot_with(&programs, closed, |bytes| {
            let length = last_batch(bytes) + torn;
            bytes.truncate(length);
        })?;
        refused(&finished, 1, "partition-not-shipped", "orders-0");
        replaceable(&finished);
    }
    let epochs = orders.join("leader-epoch-checkpoint");
    let finished = snapshot_with(&programs, &epochs, |bytes| *bytes = b"0\nsome\n0 0\n".to_vec())?;
    refused(&finished, 1, "partition-not-vouched", "leader-epoch-checkpoint");
    assert!(finished.stdout.contains("orders-0"), "{}", finished.stdout);
    replaceable(&finished);
    assert_eq!(
        programs.maxbrod_ok(&["snapshot", "list"])?,
        json!([]),
        "nothing is half committed"
    );

    // Kafka can do without these, and so can a snapshot.
    let producers = files_ending(&orders, ".snapshot").pop().expect("a producer snapshot");
    let name = producers.file_name().unwrap().to_string_lossy().into_owned();
    let finished = snapshot_with(&programs, &producers, |bytes| bytes.truncate(9))?;
    assert_eq!(finished.code, 0, "{}", finished.stdout);
    programs.wait_for_log("agent-1", &name)?;
    for checkpoint in ["replication-offset-checkpoint", "log-start-offset-checkpoint"] {
        let file = data.join(checkpoint);
        let finished = snapshot_with(&programs, &file, |bytes| *bytes = b"0\nmany\norders".to_vec())?;
        assert_eq!(
            (finished.code, &finished.json["gaps"]),
            (0, &json!([])),
            "{checkpoint}: {}",
            finished.stdout
        );
    }
    let before = (client.describe()?, client.dump(&scene.path().join("before"), None)?);
    let last = programs.snapshot("all is well")?;
    programs.maxbrod_ok(&["snapshot", "verify", "latest", "--level", "full"])?;

    programs.stop_all();
    cluster.kill();
    cluster.wipe()?;
    programs.restore(&cluster, last["id"].as_str().unwrap())?;
    cluster.mark_logs();
    cluster.start_and_wait(READY)?;
    assert_eq!(log_problems(&cluster)?, Vec::<String>::new());
    assert_eq!(
        identity_differences(&before.0, &client.describe()?),
        Vec::<String>::new()
    );
    let after = client.dump(&scene.path().join("after"), None)?;
    let orders = |dump: &maxbrod_lab::Dump| {
        dump.partitions
            .iter()
            .find(|(name, _)| name.topic == "orders")
            .map(|(_, one)| one.records.clone())
    };
    assert!(orders(&before.1).is_some_and(|records| !records.is_empty()));
    assert_eq!(orders(&before.1), orders(&after));

    a_spoilt_metadata_checkpoint_is_named(&mut programs, &cluster)?;
    programs.stop_all();
    cluster.stop()
}

/// A restored controller has its metadata in one checkpoint.
fn a_spoilt_metadata_checkpoint_is_named(programs: &mut Programs, cluster: &Cluster) -> Result<(), LabError> {
    let node = cluster.node(1)?;
    let directory = node.log_dirs[0].join("__cluster_metadata-0");
    let checkpoint = files_ending(&directory, ".checkpoint").pop().unwrap();
    let name = checkpoint.file_name().unwrap().to_string_lossy().into_owned();
    let intact = fs::read(&checkpoint).unwrap();
    super::flip_a_bit(&checkpoint);
    programs.start_coordinator()?;
    programs.start_agent(node)?;
    programs.wait_for_agents(1)?;
    let finished = programs.maxbrod(&["snapshot", "create", "--wait"])?;
    refused(&finished, 1, "no-metadata", &name);
    fs::write(&checkpoint, intact).unwrap();
    programs.wait_for_agents(1)?;
    let healed = programs.snapshot("the checkpoint is back")?;
    assert_eq!(healed["gaps"], Value::Array(Vec::new()));
    Ok(())
}
