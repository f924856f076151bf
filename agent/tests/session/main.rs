//! The agent as a whole, against a coordinator that does what the test says, with a real repository in a folder.

#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]
// Cargo knows the dependencies of the whole package only.
#![allow(unused_crate_dependencies)]

mod cuts;
mod records;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use maxbrod_agent::Config;
use maxbrod_proto::agent as wire;
use maxbrod_proto::agent::to_agent::Message as Down;
use support::agent::{Agent, configure};
use support::coordinator::{Coordinator, Held, cut_at_end, query, source};
use support::disk::{Disk, Log, batch};

/// A node, its agent, and a coordinator.
struct House {
    disk: Disk,
    coordinator: Coordinator,
    config: PathBuf,
}

impl House {
    async fn new(encrypted: bool) -> Self {
        let disk = Disk::new(&["d1", "d2"]);
        let coordinator = Coordinator::start(encrypted).await;
        let config = disk.path("agent.toml");
        configure(
            &config,
            &disk.path("server.properties"),
            &disk.path("state"),
            &coordinator.url,
            "",
        );
        Self {
            disk,
            coordinator,
            config,
        }
    }

    async fn agent(&self) -> Agent {
        let agent = Agent::start(&self.config);
        self.coordinator.hello().await;
        agent
    }

    fn pins(&self) -> Vec<String> {
        let mut pins = Vec::new();
        let Ok(directories) = fs::read_dir(self.disk.path(".maxbrod-pins")) else {
            return pins;
        };
        for directory in directories {
            pins.extend(
                fs::read_dir(directory.unwrap().path())
                    .unwrap()
                    .map(|pin| pin.unwrap().file_name().into_string().unwrap()),
            );
        }
        pins
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(20), "{what} does not come true");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Some segments of about 3 MiB.
fn fill(log: &mut Log, segments: usize, epoch: i32) {
    for _ in 0..segments {
        log.append(48, 64 << 10, epoch).roll();
    }
    log.append(5, 64 << 10, epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_comes_out_of_the_repository_as_it_was_on_disk() {
    for encrypted in [false, true] {
        let house = House::new(encrypted).await;
        let mut log = house.disk.log("d1", "topic", 0);
        fill(&mut log, 4, 3);
        let agent = house.agent().await;
        let partition = source("topic", false);
        house.coordinator.assign(1, vec![partition.clone()]).await;
        house.coordinator.caught_up(1).await;
        let snapshot = house.coordinator.snapshot(1, &partition).await;
        assert_eq!(snapshot.shipped.log_start, 0);
        assert_eq!(snapshot.shipped.inherited_to, 0);
        assert!(snapshot.shipped.partition_metadata.contains("topic_id: "));
        assert_eq!(
            snapshot.shipped.producer_snapshot.as_ref().unwrap().base_offset,
            log.active()
        );
        let held = Held::new(&snapshot, None);
        assert_eq!(held.chunks.iter().any(|chunk| chunk.key.is_some()), encrypted);
        assert!(
            house.coordinator.read(&held.chunks).await == log.content(),
            "the bytes differ"
        );
        house.until("no pin is left", || house.pins().is_empty()).await;
        assert!(agent.stop());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_snapshot_reads_and_stores_only_what_is_new() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 4, 3);
    let _agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    let first = house.coordinator.snapshot(1, &partition).await;
    let held = house.coordinator.commit(&first, None).await;

    // Nothing new: nothing read, nothing stored.
    let grants = house.coordinator.grants();
    let partition = held.continued(&partition);
    house.coordinator.assign(2, vec![partition.clone()]).await;
    let second = house.coordinator.snapshot(1, &partition).await;
    assert_eq!(second.shipped.read_bytes, 0);
    assert!(second.shipped.chunks.is_empty());
    assert_eq!(second.shipped.inherited_to, log.end());
    let held = house.coordinator.commit(&second, Some(&held)).await;
    assert_eq!(house.coordinator.grants(), grants);

    // A little: a little, and the small chunk before it once more.
    log.append(20, 1000, 3);
    let partition = held.continued(&partition);
    house.coordinator.assign(3, vec![partition.clone()]).await;
    let third = house.coordinator.snapshot(1, &partition).await;
    assert!(
        third.shipped.read_bytes < 2 << 20,
        "{} bytes were read",
        third.shipped.read_bytes
    );
    let held = Held::new(&third, Some(&held));
    assert!(
        house.coordinator.read(&held.chunks).await == log.content(),
        "the bytes differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_snapshots_leave_few_chunks() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    let _agent = house.agent().await;
    let mut partition = source("topic", false);
    let mut held: Option<Held> = None;
    for number in 1..=40 {
        log.append(3, 20_000, 1);
        house.coordinator.assign(number, vec![partition.clone()]).await;
        let snapshot = house.coordinator.snapshot(1, &partition).await;
        let now = house.coordinator.commit(&snapshot, held.as_ref()).await;
        partition = now.continued(&partition);
        held = Some(now);
    }
    let held = held.unwrap();
    assert!(held.chunks.len() <= 8, "{} chunks", held.chunks.len());
    assert!(
        house.coordinator.read(&held.chunks).await == log.content(),
        "the bytes differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_deletes_after_the_phase_is_still_shipped() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 3, 1);
    let content = log.content();
    let _agent = house.agent().await;
    let partition = source("topic", false);
    // Not assigned before: nothing was shipped early.
    let reports = house.coordinator.phase(1, vec![query(&partition)]).await;
    assert!(house.pins().len() >= 4);
    for base in [0, 48, 96] {
        log.delete_segment(base);
    }
    let cut = wire::PartitionCut {
        source: Some(partition),
        ..cut_at_end(&reports[0])
    };
    house.coordinator.ship(1, vec![cut.clone()]).await;
    let shipped = house.coordinator.shipped().await.unwrap();
    let snapshot = support::coordinator::Snapshot {
        report: reports[0].clone(),
        cut,
        shipped,
    };
    let held = Held::new(&snapshot, None);
    assert!(
        house.coordinator.read(&held.chunks).await == content,
        "the bytes differ"
    );
    house.until("no pin is left", || house.pins().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_rewritten_under_its_pin_is_not_shipped() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    log.append(50, 20_000, 1);
    let _agent = house.agent().await;
    let partition = source("topic", false);
    let reports = house.coordinator.phase(1, vec![query(&partition)]).await;
    // An election: the tail is cut through the pin's link and written anew, to the same offset and size.
    log.truncate(40).append(10, 20_000, 2);
    let cut = wire::PartitionCut {
        source: Some(partition.clone()),
        ..cut_at_end(&reports[0])
    };
    house.coordinator.ship(1, vec![cut]).await;
    let failed = house.coordinator.shipped().await.unwrap_err();
    assert_eq!((failed.code.as_str(), failed.try_elsewhere), ("log-differs", true));
    assert!(failed.message.contains("topic-0"), "{}", failed.message);
    assert_eq!(house.coordinator.grants(), 0);
    // The next attempt sees what is there now.
    let snapshot = {
        house.coordinator.assign(1, vec![partition.clone()]).await;
        house.coordinator.snapshot(2, &partition).await
    };
    let held = Held::new(&snapshot, None);
    assert!(
        house.coordinator.read(&held.chunks).await == log.content(),
        "the bytes differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_never_shipped() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    log.append(300, 20_000, 1).roll().append(20, 20_000, 1);
    log.flip_bit(0, 3_000_000);
    let _agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    house.coordinator.caught_up(1).await;
    let reports = house.coordinator.phase(1, vec![query(&partition)]).await;
    house.coordinator.ship(1, vec![cut_at_end(&reports[0])]).await;
    let failed = house.coordinator.shipped().await.unwrap_err();
    assert_eq!((failed.code.as_str(), failed.try_elsewhere), ("log-damaged", true));
    assert!(
        failed.message.contains("00000000000000000000.log") && failed.message.contains("CRC"),
        "{}",
        failed.message
    );
    assert_eq!(house.coordinator.grants(), 0);
    house.until("no pin is left", || house.pins().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_segment_that_was_cut_to_nothing_is_never_taken_for_a_log_that_starts_later() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    log.append(3, 100, 1).roll().append(3, 100, 1);
    let first = log.directory.join("00000000000000000000.log");
    let _agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    for (attempt, length) in [(1, 7), (2, 0)] {
        let file = std::fs::File::options().write(true).open(&first).unwrap();
        file.set_len(length).unwrap();
        let reports = house.coordinator.phase(attempt, vec![query(&partition)]).await;
        house.coordinator.ship(attempt, vec![cut_at_end(&reports[0])]).await;
        let failed = house.coordinator.shipped().await.unwrap_err();
        assert_eq!(failed.code, "log-differs", "{}", failed.message);
        assert!(
            failed.message.contains("offsets 0 to 2 are missing"),
            "{}",
            failed.message
        );
    }
    assert_eq!(house.coordinator.grants(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_does_not_fit_is_read_again_and_matched_by_id() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 8, 1);
    let _agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    let first = house.coordinator.snapshot(1, &partition).await;
    let held = house.coordinator.commit(&first, None).await;
    // An unclean election took the end of the log away; another leader wrote on.
    let end = log.end();
    log.truncate(end - 3).append(30, 64 << 10, 9);
    let partition = held.continued(&partition);
    house.coordinator.assign(2, vec![partition.clone()]).await;
    let second = house.coordinator.snapshot(1, &partition).await;
    assert_eq!(second.shipped.inherited_to, 0);
    let placed = second
        .shipped
        .chunks
        .iter()
        .filter(|chunk| chunk.place.is_some())
        .count();
    assert!(
        placed <= 2,
        "{placed} of {} chunks were stored again",
        second.shipped.chunks.len()
    );
    let held = Held::new(&second, Some(&held));
    assert!(
        house.coordinator.read(&held.chunks).await == log.content(),
        "the bytes differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_has_no_chunks() {
    let house = House::new(false).await;
    house.disk.log("d2", "topic", 0);
    let _agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    house.coordinator.caught_up(1).await;
    let snapshot = house.coordinator.snapshot(1, &partition).await;
    assert!(snapshot.cut.empty && snapshot.shipped.chunks.is_empty());
    assert_eq!((snapshot.shipped.log_start, snapshot.shipped.inherited_to), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_log_is_stored_again_only_where_its_files_changed() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 5, 1);
    let _agent = house.agent().await;
    let partition = source("topic", true);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    house.coordinator.caught_up(1).await;
    let first = house.coordinator.snapshot(1, &partition).await;
    let held = house.coordinator.commit(&first, None).await;
    assert!(
        house.coordinator.read(&held.chunks).await == log.content(),
        "the bytes differ"
    );

    // The cleaner removes batches from one segment: another file of that name.
    let old = fs::read(log.log_file(48)).unwrap();
    let batches: Vec<_> = maxbrod_kafka::Batches::new(&old, 0)
        .map(|batch| batch.unwrap().bytes.to_vec())
        .collect();
    log.replace_segment(
        48,
        &[batches[0].clone(), batches[5].clone(), batches[47].clone()].concat(),
    );
    log.append(4, 1000, 1);
    let partition = held.continued(&partition);
    house.coordinator.assign(2, vec![partition.clone()]).await;
    let second = house.coordinator.snapshot(1, &partition).await;
    assert!(
        second.shipped.read_bytes < 1 << 20,
        "{} bytes were read",
        second.shipped.read_bytes
    );
    let held = Held::new(&second, Some(&held));
    assert!(
        house.coordinator.read(&held.chunks).await == log.content(),
        "the bytes differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compaction_after_the_phase_does_not_change_what_is_shipped() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 3, 1);
    let content = log.content();
    let _agent = house.agent().await;
    let partition = source("topic", true);
    let reports = house.coordinator.phase(1, vec![query(&partition)]).await;
    log.replace_segment(48, &batch(48, 1, 1, 10));
    let cut = wire::PartitionCut {
        source: Some(partition),
        ..cut_at_end(&reports[0])
    };
    house.coordinator.ship(1, vec![cut.clone()]).await;
    let shipped = house.coordinator.shipped().await.unwrap();
    let snapshot = support::coordinator::Snapshot {
        report: reports[0].clone(),
        cut,
        shipped,
    };
    let held = Held::new(&snapshot, None);
    assert!(
        house.coordinator.read(&held.chunks).await == content,
        "the bytes differ"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_before_its_upload_goes_on_where_it_was() {
    let house = House::new(true).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 30, 1);
    let agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.set_store_down(true);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    // One pack is full and waits in the spool, the next one is open.
    house
        .until("an upload is tried", || house.coordinator.grants() > 0)
        .await;
    let reports = house.coordinator.phase(1, vec![query(&partition)]).await;
    assert!(!house.pins().is_empty());
    agent.kill();
    let spooled = fs::read_dir(house.disk.path("state/spool")).unwrap().count();
    assert!(spooled >= 1);

    house.coordinator.set_store_down(false);
    house.coordinator.hang_up();
    let agent = house.agent().await;
    assert!(house.pins().is_empty(), "the dead agent's pins are still there");
    assert!(agent.said().contains("resuming the upload"), "{}", agent.said());
    house.coordinator.assign(2, vec![partition.clone()]).await;
    house.coordinator.ship(1, vec![cut_at_end(&reports[0])]).await;
    let shipped = house.coordinator.shipped().await.unwrap();
    // What was spooled was not read again.
    let read = shipped.read_bytes;
    assert!(read < 40 << 20, "{read} bytes were read again");
    let snapshot = support::coordinator::Snapshot {
        cut: cut_at_end(&reports[0]),
        report: reports[0].clone(),
        shipped,
    };
    let held = Held::new(&snapshot, None);
    assert!(
        house.coordinator.read(&held.chunks).await == log.content(),
        "the bytes differ"
    );
    house
        .until("the spool is empty", || {
            fs::read_dir(house.disk.path("state/spool")).unwrap().count() == 0
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_session_is_dialled_again_and_orders_are_given_again() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 2, 1);
    let _agent = house.agent().await;
    let partition = source("topic", false);
    let reports = house.coordinator.phase(1, vec![query(&partition)]).await;
    house.coordinator.hang_up();
    house.coordinator.hello().await;
    let cut = wire::PartitionCut {
        source: Some(partition),
        ..cut_at_end(&reports[0])
    };
    house.coordinator.ship(1, vec![cut]).await;
    assert!(house.coordinator.shipped().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_go_when_the_attempt_is_released_and_when_the_agent_stops() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 2, 1);
    let agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.phase(1, vec![query(&partition)]).await;
    assert!(!house.pins().is_empty());
    house
        .coordinator
        .tell(Down::Release(wire::Release { run: 1, attempt: 1 }))
        .await;
    house.until("the pins are released", || house.pins().is_empty()).await;
    house.coordinator.phase(2, vec![query(&partition)]).await;
    let pins = house.pins();
    let listed = maxbrod_agent::list_pins(&Config::load(&house.config).unwrap()).unwrap();
    assert_eq!(listed.len(), pins.len());
    assert!(listed.iter().all(|pin| pins.contains(&pin.name)) && listed.iter().any(|pin| pin.bytes > 1 << 20));
    assert!(agent.stop());
    assert!(house.pins().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pinned_on_a_disk_that_is_nearly_full() {
    let house = House::new(false).await;
    house.disk.log("d1", "topic", 0).append(5, 100, 1);
    let limits = "[limits]\nmin_free = \"900TiB\"";
    let (properties, state) = (house.disk.path("server.properties"), house.disk.path("state"));
    configure(&house.config, &properties, &state, &house.coordinator.url, limits);
    let _agent = house.agent().await;
    let reports = house.coordinator.phase(1, vec![query(&source("topic", false))]).await;
    assert_eq!(
        (reports[0].error(), reports[0].log_end),
        (wire::ReportError::PinFailed, 5)
    );
    assert!(
        reports[0].error_message.contains("d1 is nearly full"),
        "{}",
        reports[0].error_message
    );
    assert!(house.pins().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_can_be_dropped_without_the_agent() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 2, 1);
    let agent = house.agent().await;
    house.coordinator.phase(1, vec![query(&source("topic", false))]).await;
    let pins = house.pins().len();
    agent.kill();
    assert_eq!(house.pins().len(), pins);
    assert_eq!(
        maxbrod_agent::drop_pins(&Config::load(&house.config).unwrap()).unwrap(),
        pins
    );
    assert!(house.pins().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_in_this_process_can_be_stopped_and_started_again() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 2, 1);
    for attempt in 1..=3 {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let config = Config::load(&house.config).unwrap();
        let agent = tokio::spawn(maxbrod_agent::run(config, async {
            let _ = stopped.await;
        }));
        house.coordinator.hello().await;
        let partition = source("topic", false);
        house
            .coordinator
            .assign(u64::from(attempt), vec![partition.clone()])
            .await;
        house.coordinator.snapshot(attempt, &partition).await;
        stop.send(()).unwrap();
        agent.await.unwrap().unwrap();
        house.coordinator.hang_up();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_an_assignment_is_refused() {
    let house = House::new(false).await;
    house.disk.log("d1", "topic", 0).append(5, 100, 1);
    let _agent = house.agent().await;
    let reports = house.coordinator.phase(1, vec![query(&source("topic", false))]).await;
    house.coordinator.ship(1, vec![cut_at_end(&reports[0])]).await;
    let failed = house.coordinator.shipped().await.unwrap_err();
    assert_eq!((failed.code.as_str(), failed.try_elsewhere), ("not-assigned", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_not_here_are_said_to_be_missing() {
    let house = House::new(false).await;
    house.disk.log("d1", "topic", 0).append(5, 100, 1);
    let _agent = house.agent().await;
    let reports = house
        .coordinator
        .phase(1, vec![query(&source("topic", false)), query(&source("other", false))])
        .await;
    assert_eq!(reports.len(), 2);
    assert_eq!((reports[0].error(), reports[0].log_end), (wire::ReportError::None, 5));
    assert_eq!(reports[1].error(), wire::ReportError::NoReplica);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_a_foreign_cluster_ends_with_an_error() {
    let house = House::new(false).await;
    for dir in ["d1", "d2"] {
        let path = house.disk.path(dir).join("meta.properties");
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace("cluster.id=cluster", "cluster.id=elsewhere");
        fs::write(path, text).unwrap();
    }
    let agent = Agent::start(&house.config);
    let log = house.config.with_extension("log");
    assert!(!tokio::task::spawn_blocking(move || agent.wait()).await.unwrap());
    let said = fs::read_to_string(log).unwrap();
    assert!(said.contains("session-refused") && said.contains("elsewhere"), "{said}");
}
