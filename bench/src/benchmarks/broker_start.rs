//! A real broker's start after a restore, against the same broker's start after a clean stop.

use std::time::{Duration, Instant};

use maxbrod_lab::{Cluster, ClusterSpec, Setup, TopicSpec};

use crate::error::{BenchError, Result};
use crate::house::House;
use crate::machine;
use crate::producer;
use crate::row::{Row, Unit};
use crate::scene::Scene;
use crate::spread::Pairs;

const LIMIT: f64 = 1.2;
const REPEAT: usize = 7;
const PARTITIONS: i32 = 200;
const BYTES: u64 = 1 << 30;
const READY: Duration = Duration::from_secs(180);
/// Kafka logs it when the broker is unfenced and takes requests.
const STARTED: &str = "Kafka Server started";

pub(super) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let directory = scene.directory("broker-start")?;
    let distribution = scene.distribution()?;
    let mut cluster = Cluster::create(
        ClusterSpec::combined(1),
        &distribution,
        &directory.path().join("cluster"),
    )?;
    cluster.start_and_wait(READY)?;
    let topic = TopicSpec::new("topic", PARTITIONS, 1).config("segment.bytes", 1 << 20);
    let setup = Setup {
        topics: vec![topic],
        ..Setup::default()
    };
    cluster.client().create(&setup)?;
    let bootstrap = cluster.bootstrap_servers();
    producer::fill(&distribution, directory.path(), &bootstrap, "topic", PARTITIONS, BYTES)?;

    let mut house = House::new(scene, directory.path(), cluster.cluster_id())?;
    house.programs.start_coordinator()?;
    for node in cluster.nodes() {
        house.programs.start_agent(node)?;
    }
    let created = house.snapshot()?;
    let id = created
        .get("id")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    house.programs.stop_all();
    cluster.stop()?;

    let mut pairs = Pairs::default();
    for _ in 0..scene.repeat(REPEAT) {
        cluster.wipe()?;
        house.programs.restore(&cluster, &id)?;
        let restored = time_start(&mut cluster)?;
        cluster.stop()?;
        let stopped = time_start(&mut cluster)?;
        cluster.stop()?;
        pairs.push(restored.as_secs_f64(), stopped.as_secs_f64());
    }
    let row = Row::ratio(
        "broker start after a restore",
        "the same broker's start after a clean stop",
        &pairs,
        Unit::Seconds,
        LIMIT,
    );
    Ok(vec![row.note(format!(
        "Kafka {}, {PARTITIONS} partitions, {} GiB in segments of 1 MiB, from the start of the process to {STARTED:?}; caches \
         dropped before each",
        distribution.version(),
        BYTES >> 30
    ))])
}

fn time_start(cluster: &mut Cluster) -> Result<Duration> {
    machine::make_cold()?;
    cluster.mark_logs();
    let begun = Instant::now();
    cluster.start_node(1)?;
    loop {
        let log = cluster.log_since_mark(1)?;
        if log.contains(STARTED) {
            return Ok(begun.elapsed());
        }
        if begun.elapsed() > READY {
            return Err(BenchError::Unexpected(format!(
                "the broker did not start; its log:\n{log}"
            )));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
