//! A broker without agent: what its partitions' leaders say on disk vouches for them.

use std::collections::BTreeSet;
use std::time::Duration;

use maxbrod_lab::{ClusterSpec, LabError, Workload};
use maxbrod_tests::{Backup, READY, Scene};
use serde_json::Value;

const MISSING: i32 = 3;

#[test]
fn a_replica_without_agent_is_vouched_for_by_its_leaders_checkpoint() -> Result<(), LabError> {
    let scene = Scene::new()?;
    // Kafka's default is 5 s; the second file of each phase has to be waited for.
    let spec = ClusterSpec::combined(3).setting("replica.high.watermark.checkpoint.interval.ms", 1_000);
    let cluster = scene.boot(spec)?;
    let workload = Workload::standard(3, scene.path().join("acknowledged"));
    let client = cluster.client();
    client.create(&workload.setup)?;
    let mut load = client.load(&workload.load)?;
    load.wait_flowing(READY)?;
    std::thread::sleep(Duration::from_secs(3));

    let settings = "[snapshot]\nrequire = \"one-replica\"\n";
    let mut programs = Backup::plain(scene.path())?.coordinator_settings(settings);
    programs.start_coordinator()?;
    for node in cluster.nodes().iter().filter(|node| node.id != MISSING) {
        programs.start_agent(node)?;
    }
    programs.wait_for_agents(2)?;
    let created = programs.maxbrod(&["snapshot", "create", "--wait"])?;
    assert_eq!(
        created.code, 3,
        "it is said that something is missing: {}{}",
        created.stdout, created.stderr
    );
    load.stop()?;

    let gaps = created.json.get("gaps").and_then(Value::as_array);
    let gaps: BTreeSet<String> = gaps
        .into_iter()
        .flatten()
        .filter_map(|gap| gap.get("what")?.as_str().map(str::to_owned))
        .collect();
    let id = created.json.get("id").and_then(Value::as_str).unwrap_or_default();
    let shown = programs.maxbrod(&["snapshot", "show", id, "--partitions"])?;
    assert_eq!(shown.code, 3, "{}", shown.stderr);
    let rows = shown.json.get("partition_list").and_then(Value::as_array);
    let (mut vouched, mut unvouched) = (0, 0);
    for row in rows.into_iter().flatten() {
        let (Some(topic), Some(partition)) = (row.get("topic").and_then(Value::as_str), row.get("partition")) else {
            continue;
        };
        let is_vouched = row.get("vouched").and_then(Value::as_bool).unwrap_or_default();
        let is_named = gaps.contains(&format!("partition {topic}-{partition}"));
        assert_ne!(is_vouched, is_named, "{topic}-{partition}: {row} {gaps:?}");
        if is_vouched {
            vouched += 1;
        } else {
            unvouched += 1;
        }
    }
    assert!(gaps.contains(&format!("node {MISSING}")), "{gaps:?}");
    // Nobody reads the checkpoint of the broker without agent: what it leads is not vouched for.
    let mut led = 0;
    for topic in workload.setup.topics.iter().take(6) {
        let partitions = client.partitions(&topic.name)?;
        led += partitions.iter().filter(|it| it.leader == Some(MISSING)).count();
    }
    assert!(
        vouched > 20 && led > 0 && unvouched >= led,
        "{vouched} vouched for, {unvouched} not, {led} led by it"
    );
    Ok(())
}
