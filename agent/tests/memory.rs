//! What the agent takes with a hundred thousand segments. Takes a minute and is run by hand:
//! `cargo test --release -p maxbrod-agent --test memory -- --ignored --nocapture`.

#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod support;

use std::time::Instant;

use maxbrod_proto::agent as wire;
use support::agent::{Agent, configure};
use support::coordinator::{Coordinator, cut_at_end, query, source};
use support::disk::{Disk, Log, topic_id};

const PARTITIONS: i32 = 1000;
const SEGMENTS: usize = 100;

fn partition(number: i32, large: bool) -> wire::SourcePartition {
    let topic = if large { "large" } else { "topic" };
    wire::SourcePartition {
        partition: number,
        ..source(topic, false)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; figures, not behaviour"]
async fn a_hundred_thousand_segments_fit_in_96_mebibytes() {
    let disk = Disk::new(&["d1"]);
    for number in 0..PARTITIONS {
        let mut log = Log::create(&disk.path(&format!("d1/topic-{number}")), topic_id("topic"), 0);
        for _ in 1..SEGMENTS {
            log.append(1, 100, 1).roll();
        }
        log.append(1, 100, 1);
    }
    let mut large = Log::create(&disk.path("d1/large-0"), topic_id("large"), 0);
    for _ in 0..20 {
        large.append(100, 256 << 10, 1).roll();
    }
    large.append(1, 100, 1);
    let coordinator = Coordinator::start(true).await;
    let config = disk.path("agent.toml");
    configure(
        &config,
        &disk.path("server.properties"),
        &disk.path("state"),
        &coordinator.url,
        "",
    );
    let agent = Agent::start(&config);
    coordinator.hello().await;
    let mut partitions: Vec<_> = (0..PARTITIONS).map(|number| partition(number, false)).collect();
    partitions.push(partition(0, true));
    let start = Instant::now();
    coordinator.assign(1, partitions.clone()).await;
    coordinator.caught_up(1).await;
    println!("caught up after {:?}, {} MiB", start.elapsed(), agent.memory() >> 20);
    for attempt in 1..=3 {
        let start = Instant::now();
        let queries = partitions.iter().map(|partition| wire::PartitionQuery {
            pin_from: None,
            ..query(partition)
        });
        let reports = coordinator.phase(attempt, queries.collect()).await;
        println!(
            "a phase without pins took {:?}, {} MiB",
            start.elapsed(),
            agent.memory() >> 20
        );
        assert_eq!(reports.len(), partitions.len());
    }
    let start = Instant::now();
    let reports = coordinator.phase(4, partitions.iter().map(query).collect()).await;
    println!(
        "pinning everything took {:?}, {} MiB",
        start.elapsed(),
        agent.memory() >> 20
    );
    let start = Instant::now();
    coordinator.ship(4, reports.iter().map(cut_at_end).collect()).await;
    for _ in 0..partitions.len() {
        coordinator.shipped().await.unwrap();
    }
    println!("shipped after {:?}, {} MiB", start.elapsed(), agent.memory() >> 20);
    assert!(agent.memory() < 96 << 20, "{} MiB", agent.memory() >> 20);
}
