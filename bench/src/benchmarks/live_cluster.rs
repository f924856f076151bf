//! Snapshots of a real cluster under load: how long they freeze, and what producers feel of them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use maxbrod_lab::{Cluster, ClusterSpec, Setup, TopicSpec};

use crate::error::{BenchError, Result};
use crate::house::{House, number};
use crate::producer::Probe;
use crate::row::{Row, Unit};
use crate::scene::Scene;
use crate::spread::{Pairs, Samples};

const FREEZE_LIMIT_MS: f64 = 1_000.0;
const LATENCY_LIMIT: f64 = 1.1;
const REPEAT: usize = 25;
const BROKERS: usize = 3;
const READY: Duration = Duration::from_secs(600);
/// Partitions that the producer writes to, and records of a kilobyte per second.
const LOADED: i32 = 30;
const RATE: u32 = 300;
/// Between two windows, and after the last acknowledgement of one.
const SETTLE: Duration = Duration::from_secs(2);
/// Shorter snapshots are looked at for as long: their after-effects count.
const WINDOW: Duration = Duration::from_secs(4);

pub(super) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let directory = scene.directory("live-cluster")?;
    let distribution = scene.distribution()?;
    let spec = ClusterSpec::combined(BROKERS);
    let mut cluster = Cluster::create(spec, &distribution, &directory.path().join("cluster"))?;
    cluster.start_and_wait(READY)?;
    let replicas = BROKERS as i16;
    let mut topics = vec![TopicSpec::new("loaded", LOADED, replicas)];
    let mut left = scene.partitions - LOADED;
    while left > 0 {
        topics.push(TopicSpec::new(format!("wide-{left}"), left.min(100), replicas));
        left -= 100;
    }
    for topic in topics {
        let setup = Setup {
            topics: vec![topic],
            ..Setup::default()
        };
        cluster.client().create(&setup)?;
    }
    cluster.wait_ready(READY)?;
    let bootstrap = cluster.bootstrap_servers();
    let probe = Probe::start(&distribution, directory.path(), &bootstrap, "loaded", LOADED, RATE)?;

    let mut house = House::new(scene, directory.path(), cluster.cluster_id())?;
    house.programs.start_coordinator()?;
    for node in cluster.nodes() {
        house.programs.start_agent(node)?;
    }
    house.programs.wait_for_agents(BROKERS)?;
    // The first snapshot reads what was there before, and JVMs compile what they run.
    for _ in 0..3 {
        house.snapshot()?;
    }
    std::thread::sleep(Duration::from_secs(20));
    if probe.acknowledged() == 0 {
        return Err(BenchError::Unexpected("no record was acknowledged".to_owned()));
    }
    let (mut freezes, mut durations) = (Samples::default(), Samples::default());
    let mut windows = Vec::new();
    let mut partitions = 0;
    for round in 0..scene.repeat(REPEAT) {
        // Which comes first changes, so that a drift of the machine falls on both.
        if round % 2 == 0 {
            windows.push((
                window(&house, true, &mut |created, took| {
                    partitions = number(created, "partitions")?;
                    freezes.0.push(number(created, "freeze_ms")? as f64);
                    durations.0.push(took.as_secs_f64());
                    Ok(())
                })?,
                window(&house, false, &mut |_, _| Ok(()))?,
            ));
        } else {
            let quiet = window(&house, false, &mut |_, _| Ok(()))?;
            let busy = window(&house, true, &mut |created, took| {
                freezes.0.push(number(created, "freeze_ms")? as f64);
                durations.0.push(took.as_secs_f64());
                Ok(())
            })?;
            windows.push((busy, quiet));
        }
    }
    let mut pairs = Pairs::default();
    let mut records = 0;
    for (busy, quiet) in windows {
        let p99 = |window: Window| {
            let latencies = probe.latencies(window.from, window.to);
            let latencies = latencies.ok_or_else(|| BenchError::Unexpected("a record was not acknowledged".into()))?;
            Ok::<_, BenchError>((latencies.quantile(0.99), latencies.0.len()))
        };
        let ((ours, count), (theirs, _)) = (p99(busy)?, p99(quiet)?);
        records += count;
        pairs.push(ours, theirs);
    }
    let per_window = records / pairs.ours.0.len().max(1);
    let facts = format!(
        "Kafka {}, {BROKERS} combined nodes of {} MiB heap on this one machine, {partitions} partitions with {BROKERS} replicas, \
         {RATE} records of 1 kB per second, acks=all; encrypted",
        distribution.version(),
        cluster.spec().heap_mib
    );
    Ok(vec![
        Row::at_most(
            "freeze, phases M to metadata",
            &freezes,
            freezes.quantile(0.95),
            "p95",
            Unit::Milliseconds,
            FREEZE_LIMIT_MS,
        )
        .note(format!(
            "{facts}; a snapshot took {:.2} s ({:.2} to {:.2})",
            durations.median(),
            durations.min(),
            durations.max()
        )),
        Row::ratio_within_confidence(
            "produce p99 while a snapshot is taken",
            "without, in turn",
            &pairs,
            Unit::Milliseconds,
            LATENCY_LIMIT,
        )
        .note(format!(
            "{facts}; about {per_window} records in each window of at least {} s",
            WINDOW.as_secs()
        )),
    ])
}

/// A stretch of time, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: u64,
    to: u64,
}

/// Lets time pass, with a snapshot or without, and a pause.
fn window(
    house: &House,
    with_snapshot: bool,
    told: &mut dyn FnMut(&serde_json::Value, Duration) -> Result<()>,
) -> Result<Window> {
    let (from, begun) = (now_ms(), Instant::now());
    if with_snapshot {
        let created = house.snapshot()?;
        told(&created, begun.elapsed())?;
    }
    std::thread::sleep(WINDOW.saturating_sub(begun.elapsed()));
    let to = now_ms();
    std::thread::sleep(SETTLE);
    Ok(Window { from, to })
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
