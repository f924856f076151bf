//! Cuts that lie below what was shipped or captured: the solver lowers them, so that no transaction is torn.

use std::fs;

use maxbrod_kafka::Batches;
use maxbrod_proto::agent as wire;

use super::support::coordinator::{Held, Snapshot, cut_at_end, query, source};
use super::support::disk::{Log, batch};
use super::{House, fill};

/// What a log holds below an offset.
fn content_below(content: &[u8], offset: i64) -> Vec<u8> {
    let batches = Batches::new(content, 0).map(Result::unwrap);
    let below = batches.filter(|batch| batch.next_offset().0 <= offset);
    below.flat_map(|batch| batch.bytes.to_vec()).collect()
}

/// A report that names every batch end above `since`.
async fn report(house: &House, attempt: u32, partition: &wire::SourcePartition, since: i64) -> wire::PartitionReport {
    let query = wire::PartitionQuery {
        since: Some(since),
        ..query(partition)
    };
    let report = house.coordinator.phase(attempt, vec![query]).await.remove(0);
    assert_eq!(report.error(), wire::ReportError::None, "{}", report.error_message);
    report
}

/// The cut at one of the batch ends that were reported.
fn cut_at(report: &wire::PartitionReport, offset: i64) -> wire::PartitionCut {
    let end = report.batches.iter().find(|end| end.end_offset == offset);
    wire::PartitionCut {
        cut: Some(*end.expect("no batch ends there")),
        ..cut_at_end(report)
    }
}

async fn ship(house: &House, attempt: u32, report: &wire::PartitionReport, offset: i64) -> Snapshot {
    let cut = cut_at(report, offset);
    house.coordinator.ship(attempt, vec![cut.clone()]).await;
    let shipped = house.coordinator.shipped().await;
    let shipped = shipped.unwrap_or_else(|failed| panic!("{}: {}", failed.code, failed.message));
    Snapshot {
        report: report.clone(),
        cut,
        shipped,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_within_a_chunk_that_was_shipped_early_is_shipped_up_to_there() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 8, 1);
    let content = log.content();
    let _agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    house.coordinator.caught_up(1).await;
    let report = report(&house, 1, &partition, 150).await;
    // Retention takes what was shipped already: only pins hold what is read again.
    for base in [0, 48, 96, 144, 192, 240] {
        log.delete_segment(base);
    }
    let snapshot = ship(&house, 1, &report, 201).await;
    let held = Held::new(&snapshot, None);
    assert_eq!(held.chunks.last().unwrap().next_offset.0, 201);
    assert!(house.coordinator.read(&held.chunks).await == content_below(&content, 201));
    house.until("no pin is left", || house.pins().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_lowered_cut_is_shipped_by_the_next_attempt_and_the_next_run() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 4, 1);
    let _agent = house.agent().await;
    let partition = source("topic", false);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    house.coordinator.caught_up(1).await;
    let first = report(&house, 1, &partition, 50).await;
    ship(&house, 1, &first, 77).await;
    // That attempt failed elsewhere; in the next one the cut is another.
    let second = report(&house, 2, &partition, 50).await;
    let snapshot = ship(&house, 2, &second, 130).await;
    let held = house.coordinator.commit(&snapshot, None).await;
    assert!(house.coordinator.read(&held.chunks).await == content_below(&log.content(), 130));

    // Shipped early in the next run, and then cut where the base ends.
    fill(&mut log, 4, 1);
    let partition = held.continued(&partition);
    house.coordinator.assign(2, vec![partition.clone()]).await;
    house.coordinator.caught_up(2).await;
    let third = report(&house, 1, &partition, 129).await;
    let snapshot = ship(&house, 1, &third, 130).await;
    let held_then = Held::new(&snapshot, Some(&held));
    assert!(house.coordinator.read(&held_then.chunks).await == content_below(&log.content(), 130));
    // Or a batch after it.
    let snapshot = ship(&house, 1, &third, 131).await;
    let held_then = Held::new(&snapshot, Some(&held));
    assert!(house.coordinator.read(&held_then.chunks).await == content_below(&log.content(), 131));
    let fourth = report(&house, 2, &partition, 129).await;
    let snapshot = ship(&house, 2, &fourth, log.end()).await;
    let held = Held::new(&snapshot, Some(&held));
    assert!(house.coordinator.read(&held.chunks).await == log.content());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_log_is_cut_within_closed_segments_too() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 4, 1);
    let content = log.content();
    let _agent = house.agent().await;
    let partition = source("topic", true);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    house.coordinator.caught_up(1).await;
    let first = report(&house, 1, &partition, 50).await;
    // The cleaner comes after the phase: the pins hold what was captured.
    log.replace_segment(0, &batch(3, 1, 1, 10));
    log.replace_segment(96, &batch(143, 1, 1, 10));
    let snapshot = ship(&house, 1, &first, 121).await;
    let held = Held::new(&snapshot, None);
    assert!(house.coordinator.read(&held.chunks).await == content_below(&content, 121));
    house.until("no pin is left", || house.pins().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compacted_log_is_not_cut_below_records_that_its_cleaner_has_used() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 4, 1);
    // What the cleaner removed here may have been replaced by a record above the cut.
    log.replace_segment(0, &batch(3, 1, 1, 10));
    let _agent = house.agent().await;
    let partition = source("topic", true);
    house.coordinator.assign(1, vec![partition.clone()]).await;
    let first = report(&house, 1, &partition, 50).await;
    house.coordinator.ship(1, vec![cut_at(&first, 121)]).await;
    let failed = house.coordinator.shipped().await.unwrap_err();
    assert_eq!(failed.code, "log-differs");
    assert!(failed.message.contains("compacted"), "{}", failed.message);
    // In the active segment there is no such doubt.
    let second = report(&house, 2, &partition, 50).await;
    let snapshot = ship(&house, 2, &second, 194).await;
    let held = Held::new(&snapshot, None);
    assert!(house.coordinator.read(&held.chunks).await == content_below(&log.content(), 194));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_is_rolled_after_the_cut_does_no_harm_without_pins_either() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "topic", 0);
    fill(&mut log, 2, 1);
    let content = log.content();
    let agent = house.agent().await;
    let partition = source("topic", true);
    let first = report(&house, 1, &partition, 50).await;
    // The pins went with the agent.
    agent.kill();
    house.coordinator.hang_up();
    let _agent = house.agent().await;
    log.append(3, 1000, 1).roll().append(3, 1000, 1);
    house.coordinator.assign(1, vec![partition]).await;
    let snapshot = ship(&house, 1, &first, first.log_end).await;
    let held = Held::new(&snapshot, None);
    assert!(house.coordinator.read(&held.chunks).await == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phase_that_is_asked_again_pins_what_is_there_then() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "__transaction_state", 0);
    log.append(20, 1000, 1);
    let _agent = house.agent().await;
    let partition = source("__transaction_state", true);
    let unpinned = wire::PartitionQuery {
        pin_from: None,
        ..query(&partition)
    };
    let ask = |phase, queries| house.coordinator.ask(phase, 1, queries);
    ask(wire::Phase::A, vec![unpinned.clone()]).await;
    ask(wire::Phase::M, vec![unpinned.clone()]).await;
    assert!(house.pins().is_empty());
    let mut content = Vec::new();
    let mut report = wire::PartitionReport::default();
    for sweep in 0..3 {
        log.append(5, 1000, 1);
        if sweep > 0 {
            log.roll();
            // The cleaner comes between two sweeps.
            log.replace_segment(0, &batch(19, 1, 1, 10 + sweep));
            log.append(5, 1000, 1);
        }
        content = log.content();
        report = ask(wire::Phase::Q, vec![query(&partition)]).await.remove(0);
        assert_eq!(report.error(), wire::ReportError::None, "{}", report.error_message);
    }
    // Phase z tells only what came after.
    log.append(5, 1000, 1);
    let last = ask(wire::Phase::Z, vec![unpinned]).await.remove(0);
    assert_eq!(last.log_end, log.end());
    let links = |log: &Log| fs::read_dir(&log.directory).unwrap().count();
    assert!(house.pins().len() < links(&log));
    log.replace_segment(0, &batch(19, 1, 1, 99));
    let cut = wire::PartitionCut {
        source: Some(partition),
        ..cut_at_end(&report)
    };
    house.coordinator.ship(1, vec![cut.clone()]).await;
    let shipped = house.coordinator.shipped().await.unwrap();
    let held = Held::new(&Snapshot { report, cut, shipped }, None);
    assert!(house.coordinator.read(&held.chunks).await == content);
    house.until("no pin is left", || house.pins().is_empty()).await;
}
