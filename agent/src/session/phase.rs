//! Answering phases: what the replicas asked for look like now, and pins for those that this node is the source of.

mod records;
mod split;

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use maxbrod_kafka::Outcome;
use maxbrod_proto::agent as wire;
use maxbrod_proto::agent::from_agent::Message as Up;
use tokio::sync::mpsc;

use super::Context;
use crate::link::Link;
use crate::log_dir::{Replica, ReplicaError};
use crate::partition::PartitionKey;
use crate::pin;
use crate::replica::{Ask, HighWatermarks, Observed, Run, RunKind, observe};
use crate::space::{Pressure, pressure};
use crate::state::{ChunkKind, StateError};
use records::Told;
use split::messages;

/// Partitions between two messages: a phase's answer begins to flow before its end.
const GROUP: usize = 512;
/// The same where records are asked for: a megabyte each is not unusual.
const GROUP_WITH_RECORDS: usize = 8;
/// Threads per group: more than one disk, and none of them waits long.
const THREADS: usize = 4;

/// Answers queries in the order in which they come, until the session is over.
pub(super) async fn answer_all(context: Arc<Context>, link: Arc<Link>, mut queries: mpsc::Receiver<wire::PhaseQuery>) {
    while let Some(query) = queries.recv().await {
        if matches!(query.phase(), wire::Phase::A | wire::Phase::M) {
            // The attempt before may have ended with a coordinator that could not say so any more.
            let (context, run, attempt) = (Arc::clone(&context), query.run, query.attempt);
            let _ = tokio::task::spawn_blocking(move || context.pins.keep_only_attempt(run, attempt)).await;
        }
        let (run, attempt, phase, request) = (query.run, query.attempt, query.phase, query.request);
        let header = wire::PhaseReports {
            run,
            attempt,
            phase,
            request,
            reports: Vec::new(),
            last: false,
        };
        let query = Arc::new(query);
        let has_records = query.partitions.iter().any(|partition| partition.records);
        let size = if has_records { GROUP_WITH_RECORDS } else { GROUP };
        for first in (0..query.partitions.len()).step_by(size) {
            let (asking, asked) = (Arc::clone(&context), Arc::clone(&query));
            let group = first..first + size;
            let reports = tokio::task::spawn_blocking(move || report_group(&asking, &asked, group)).await;
            let Ok(reports) = reports else { continue };
            for reports in messages(reports) {
                link.send(Up::Reports(wire::PhaseReports {
                    reports,
                    ..header.clone()
                }))
                .await;
            }
        }
        if query.last {
            link.send(Up::Reports(wire::PhaseReports { last: true, ..header }))
                .await;
        }
    }
}

fn report_group(context: &Context, query: &wire::PhaseQuery, group: Range<usize>) -> Vec<wire::PartitionReport> {
    let partitions: Vec<&wire::PartitionQuery> = query.partitions.iter().skip(group.start).take(group.len()).collect();
    let share = partitions.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = partitions
            .chunks(share)
            .map(|share| {
                scope.spawn(move || {
                    share
                        .iter()
                        .map(|partition| report(context, query, partition))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_default())
            .collect()
    })
}

fn report(context: &Context, query: &wire::PhaseQuery, asked: &wire::PartitionQuery) -> wire::PartitionReport {
    let mut report = wire::PartitionReport {
        topic_id: asked.topic_id.clone(),
        partition: asked.partition,
        ..wire::PartitionReport::default()
    };
    let result = match PartitionKey::from_wire(&asked.topic_id, asked.partition) {
        Some(key) => observe_one(context, query, asked, key),
        None => Err(ReplicaError::Missing {
            partition: asked.topic.clone(),
        }),
    };
    match result {
        Ok((replica, observed, told)) => {
            fill(&mut report, &replica, &observed);
            told.fill(&mut report);
            if let Some(from) = asked.pin_from
                && let Err(reason) = pin(context, query, asked, &replica, &observed, from)
            {
                tracing::warn!(partition = replica.name(), reason, "a partition cannot be pinned");
                report.set_error(wire::ReportError::PinFailed);
                report.error_message = reason;
            }
            // Looked at after the pins were taken: the cleaner had not got further than this when they were.
            if asked.compacted && asked.pin_from.is_some() {
                let listing = context.catalog.settled_listing(&replica);
                report.active_segment_base = listing.ok().and_then(|listing| listing.bases.last().copied());
            }
        }
        Err(error) => {
            report.set_error(match &error {
                ReplicaError::Missing { .. } => wire::ReportError::NoReplica,
                ReplicaError::Unreadable { .. } => wire::ReportError::Unreadable,
                ReplicaError::Corrupt { .. } => wire::ReportError::Corrupt,
            });
            report.error_message = error.to_string();
        }
    }
    report
}

fn observe_one(
    context: &Context,
    query: &wire::PhaseQuery,
    asked: &wire::PartitionQuery,
    key: PartitionKey,
) -> Result<(Replica, Observed, Told), ReplicaError> {
    let replica = context.catalog.open(key, Some(&asked.topic))?;
    let ask = Ask {
        since: asked.since,
        depth: query.depth as usize,
        leader_epochs: asked.leader_epochs,
    };
    let look = || observe(&context.catalog, &replica, &ask);
    let (observed, told) = records::told_with(context, asked, &replica, look)?;
    Ok((replica, observed, told))
}

fn pin(
    context: &Context,
    query: &wire::PhaseQuery,
    asked: &wire::PartitionQuery,
    replica: &Replica,
    observed: &Observed,
    from: i64,
) -> Result<(), String> {
    let id = replica.log_dir.id;
    let directory = context
        .pins
        .directory(&id)
        .ok_or_else(|| "its log dir has no place for pins".to_owned())?;
    let space = replica.log_dir.space().map_err(|error| error.to_string())?;
    if pressure(space, context.config.limits.min_free) == Pressure::Hard {
        return Err(format!(
            "{} is nearly full; make room there",
            replica.log_dir.path.display()
        ));
    }
    // A compacted log is read as a whole: any of its files can be replaced.
    let from = if asked.compacted {
        i64::MIN
    } else {
        let from = not_shipped(context, query.run, asked, replica, from).map_err(|error| error.to_string())?;
        from.max(observed.log_start)
    };
    let pinned = pin::take(
        &context.catalog,
        replica,
        directory,
        query.run,
        query.attempt,
        from,
        observed.log_start,
    );
    context
        .pins
        .hold(replica.key, pinned.map_err(|error| error.to_string())?);
    Ok(())
}

/// From which offset on files are needed: what was shipped early need not be pinned, except for the chunks that end above the
/// offset that was reported last. The cut can come to lie within them; then they are read again up to there.
fn not_shipped(
    context: &Context,
    run: u64,
    asked: &wire::PartitionQuery,
    replica: &Replica,
    from: i64,
) -> Result<i64, StateError> {
    let Some(last) = context.state.last_chunk(run, &replica.key)? else {
        return Ok(from);
    };
    let lowest_cut = asked.since.unwrap_or(last.base);
    if last.next <= lowest_cut {
        return Ok(last.next.max(from));
    }
    let chunks = context.state.chunks(run, &replica.key, ChunkKind::Log)?;
    let first = chunks.iter().find(|chunk| chunk.next > lowest_cut);
    Ok(first.map_or(last.next, |chunk| chunk.base).max(from))
}

fn fill(report: &mut wire::PartitionReport, replica: &Replica, observed: &Observed) {
    report.log_start = observed.log_start;
    report.log_end = observed.log_end;
    report.whole = observed.whole;
    report.directory_id = replica.log_dir.id.0.0.to_vec().into();
    let end = |end: &crate::replica::End| wire::BatchEnd {
        end_offset: end.next,
        leader_epoch: end.epoch,
        crc: end.crc,
    };
    report.batches = observed.ends.iter().map(end).collect();
    let epochs = observed.leader_epochs.iter();
    report.leader_epochs = epochs
        .map(|entry| wire::LeaderEpochEntry {
            epoch: entry.epoch.0,
            start_offset: entry.start_offset.0,
        })
        .collect();
    report.transactional = observed.transactional.iter().map(transactional).collect();
    if let Some(written) = HighWatermarks::of(replica, SystemTime::now()) {
        report.checkpointed_high_watermark = Some(written.offset);
        report.checkpoint_age_ms = u64::try_from(written.age.as_millis()).unwrap_or(u64::MAX);
    }
}

fn transactional(run: &Run) -> wire::TransactionalRun {
    let (kind, coordinator_epoch) = match run.kind {
        RunKind::Data => (wire::RunKind::Data, -1),
        RunKind::Marker(Outcome::Commit, epoch) => (wire::RunKind::Commit, epoch.0),
        RunKind::Marker(Outcome::Abort, epoch) => (wire::RunKind::Abort, epoch.0),
    };
    wire::TransactionalRun {
        base_offset: run.base,
        next_offset: run.next,
        producer_id: run.producer_id,
        producer_epoch: i32::from(run.producer_epoch),
        kind: kind.into(),
        coordinator_epoch,
    }
}
