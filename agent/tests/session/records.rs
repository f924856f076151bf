//! Records of coordinators' topics in reports.

use maxbrod_kafka::transaction_state::{TransactionLogValue, TransactionRecord};
use maxbrod_kafka::{BatchBuilder, LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use maxbrod_proto::agent as wire;

use super::House;
use super::support::coordinator::{query, source};
use super::support::disk::Log;

fn record(id: &str, producer: i64, status: i8) -> TransactionRecord {
    TransactionRecord {
        transactional_id: id.to_owned(),
        value: Some(TransactionLogValue {
            producer_id: ProducerId(producer),
            producer_epoch: ProducerEpoch(3),
            transaction_status: status,
            ..TransactionLogValue::default()
        }),
    }
}

fn append(log: &mut Log, records: &[TransactionRecord]) {
    let builder = BatchBuilder::new(Offset(log.end()), LeaderEpoch(1));
    let bytes = records.iter().fold(builder, |builder, record| {
        let (key, value) = (record.encode_key().unwrap(), record.encode_value().unwrap());
        builder.record(1, Some(&key), value.as_deref())
    });
    log.append_bytes(&bytes.build());
}

fn decode(record: &wire::CoordinatorRecord) -> (i64, TransactionRecord) {
    let decoded = TransactionRecord::decode(&record.key, record.value.as_deref());
    (record.offset, decoded.unwrap())
}

fn with_records(topic: &str, since: i64) -> wire::PartitionQuery {
    wire::PartitionQuery {
        since: Some(since),
        records: true,
        ..query(&source(topic, true))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phase_is_told_the_state_of_every_transaction_and_what_came_since() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d2", "__transaction_state", 0);
    let ids = 12_000;
    for first in (0..ids).step_by(100) {
        let records: Vec<_> = (first..first + 100)
            .map(|id| record(&format!("bank-{id}"), id, 4))
            .collect();
        append(&mut log, &records);
    }
    std::fs::write(
        house.disk.path("d2/replication-offset-checkpoint"),
        "0\n1\n__transaction_state 0 11900\n",
    )
    .unwrap();
    let _agent = house.agent().await;
    let ask = |phase, query| house.coordinator.ask(phase, 1, vec![query]);
    let unpinned = wire::PartitionQuery {
        pin_from: None,
        ..query(&source("__transaction_state", true))
    };
    let before = ask(wire::Phase::A, unpinned).await.remove(0);
    assert!(before.states.is_empty() && before.records.is_empty());
    assert_eq!(before.checkpointed_high_watermark, Some(11_900));
    assert!(before.checkpoint_age_ms < 60_000);
    let since = before.log_end;
    append(&mut log, &[record("bank-7", 7, 1)]);
    append(&mut log, &[record("bank-7", 7, 2), record("new", 99_999, 0)]);

    let report = ask(wire::Phase::Q, with_records("__transaction_state", since))
        .await
        .remove(0);
    assert_eq!(report.records_error, "");
    assert_eq!(report.log_end, since + 3);
    let mut states: Vec<_> = report.states.iter().map(decode).collect();
    states.sort_by_key(|(offset, _)| *offset);
    let expected: Vec<_> = (0..ids).map(|id| (id, record(&format!("bank-{id}"), id, 4))).collect();
    assert_eq!(states, expected);
    let records: Vec<_> = report.records.iter().map(decode).collect();
    let expected = [record("bank-7", 7, 1), record("bank-7", 7, 2), record("new", 99_999, 0)];
    assert_eq!(records, (since..).zip(expected).collect::<Vec<_>>());

    // Asked again from there on.
    let report = ask(wire::Phase::Q, with_records("__transaction_state", since + 2))
        .await
        .remove(0);
    assert_eq!((report.states.len(), report.records.len()), (12_000, 1));
    let changed = report
        .states
        .iter()
        .map(decode)
        .find(|(_, record)| record.transactional_id == "bank-7");
    assert_eq!(changed, Some((since + 1, record("bank-7", 7, 2))));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_read_are_said_to_be_missing_and_the_report_is_whole() {
    let house = House::new(false).await;
    let mut log = house.disk.log("d1", "__consumer_offsets", 0);
    log.append(3, 50, 1);
    let unknown = BatchBuilder::new(Offset(3), LeaderEpoch(1))
        .attributes(maxbrod_kafka::Attributes(7))
        .record(1, Some(&[0, 1]), None)
        .build();
    log.append_bytes(&unknown);
    let _agent = house.agent().await;
    let query = with_records("__consumer_offsets", 1);
    let report = house.coordinator.ask(wire::Phase::G, 1, vec![query]).await.remove(0);
    assert_eq!((report.error(), report.log_end), (wire::ReportError::None, 4));
    let error = &report.records_error;
    assert!(
        error.contains("__consumer_offsets-0 at offset 3") && error.contains("codec 7"),
        "{error}"
    );
}

/// Run by hand: `cargo test -p maxbrod-agent --test session -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "figures, not behaviour"]
async fn fifty_followed_partitions_are_reported_at_once() {
    let house = House::new(false).await;
    let topic = "__transaction_state";
    let mut logs = Vec::new();
    for partition in 0..50 {
        let mut log = house.disk.log("d1", topic, partition);
        for first in (0..10_000).step_by(100) {
            let records: Vec<_> = (first..first + 100)
                .map(|id| record(&format!("transaction-{id}"), id, 4))
                .collect();
            append(&mut log, &records);
        }
        logs.push(log);
    }
    let agent = house.agent().await;
    tokio::time::sleep(std::time::Duration::from_secs(15)).await;
    println!("followed: {} MiB resident", agent.memory() >> 20);
    for _ in 0..3 {
        logs.iter_mut()
            .for_each(|log| append(log, &[record("transaction-1", 1, 1)]));
        for records in [true, false] {
            let queries = (0..50).map(|partition| wire::PartitionQuery {
                partition,
                records,
                pin_from: None,
                ..with_records(topic, 10_000)
            });
            let (start, before) = (std::time::Instant::now(), agent.processor_time());
            let reports = house.coordinator.ask(wire::Phase::Q, 1, queries.collect()).await;
            let states: usize = reports.iter().map(|report| report.states.len()).sum();
            println!(
                "{states} states of {} partitions in {:?}, {:?} of the agent's processor time, {} MiB",
                reports.len(),
                start.elapsed(),
                agent.processor_time() - before,
                agent.memory() >> 20
            );
        }
    }
}
