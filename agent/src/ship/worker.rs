//! A shipping thread: takes work, does it, tells what came of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use maxbrod_proto::agent as wire;
use maxbrod_proto::agent::from_agent::Message;

use super::chunk::Storer;
use super::error::ShipError;
use super::finish;
use super::job::{Job, Shipped};
use super::order::{Order, SourcePartition};
use super::queue::Work;
use super::service::Shared;
use super::source::Source;
use crate::link::connected;
use crate::partition::PartitionKey;
use crate::pin::{self, PinnedPartition};
use crate::replica::log_start;

/// How often an order is tried: once with what was captured, once with what is there then.
const TRIES: u32 = 2;

/// Works until the agent stops.
pub(super) fn work(shared: &Arc<Shared>) {
    let mut buffer = Vec::new();
    let mut storer: Option<Storer> = None;
    let prefer = |key: &PartitionKey| shared.scarce.load(Ordering::Relaxed) && shared.pins.is_only_holder(key);
    while let Some(work) = shared.queue.take(&prefer) {
        // What chunks are named and sealed with comes with the session.
        let Some(link) = shared.runtime.block_on(connected(&mut shared.links.clone())) else {
            break;
        };
        let storer = match &mut storer {
            Some(storer) if storer.is_for(&link.sealing) => storer,
            other => other.insert(Storer::new(Arc::clone(&link.sealing), Arc::clone(&shared.random))),
        };
        let more = match &work {
            Work::Final(order, partition) => {
                ship(shared, order, partition, storer, &mut buffer);
                false
            }
            Work::Eager {
                run,
                generation,
                partition,
            } => ship_early(shared, *run, *generation, partition, storer, &mut buffer),
        };
        let after = shared.queue.done(&work, more);
        if after.flush {
            flush(shared);
        }
        if let Some((run, generation)) = after.caught_up {
            shared.tell(Message::CaughtUp(wire::CaughtUp { run, generation }));
        }
    }
}

/// Seals what is in open packs.
pub(super) fn flush(shared: &Shared) {
    if let Err(error) = shared.packer.flush() {
        tracing::warn!(%error, "packs cannot be sealed");
    }
}

/// Says whether there is more to do.
fn ship_early(
    shared: &Shared,
    run: u64,
    generation: u64,
    partition: &SourcePartition,
    storer: &mut Storer,
    buffer: &mut Vec<u8>,
) -> bool {
    let is_wanted = || shared.queue.wants_eager(run, generation);
    let must_yield = || shared.queue.has_orders();
    let mut job = Job {
        shared,
        run,
        partition,
        storer,
        buffer,
        is_wanted: &is_wanted,
    };
    let shipped = if partition.compacted {
        job.ship_closed_compacted(&must_yield)
    } else {
        job.ship_closed(&must_yield)
    };
    match shipped {
        Ok((read, more)) => {
            shared.progress.add_read(partition.key, read);
            shared.queue.reduce_backlog(&partition.key, read);
            more
        }
        Err(error) if error.is_called_off() => false,
        // The next segment, the next walk, or the order itself tries again.
        Err(error) => {
            tracing::debug!(partition = %partition.name(), %error, "closed segments cannot be shipped yet");
            false
        }
    }
}

fn ship(
    shared: &Arc<Shared>,
    order: &Order,
    partition: &Arc<SourcePartition>,
    storer: &mut Storer,
    buffer: &mut Vec<u8>,
) {
    match try_to_ship(shared, order, partition, storer, buffer) {
        Ok(shipped) => {
            shared.progress.add_read(order.key, shipped.read);
            finish::spawn(Arc::clone(shared), order.clone(), Arc::clone(partition), shipped);
        }
        Err(error) if error.is_called_off() => {}
        Err(error) => {
            tracing::warn!(partition = %partition.name(), code = error.code(), %error, "a partition cannot be shipped");
            shared.pins.release(&order.key);
            shared.tell(Message::ShipFailed(failure(
                order.run,
                order.attempt,
                &order.key,
                &error,
            )));
        }
    }
}

fn try_to_ship(
    shared: &Shared,
    order: &Order,
    partition: &SourcePartition,
    storer: &mut Storer,
    buffer: &mut Vec<u8>,
) -> Result<Shipped, ShipError> {
    let is_wanted = || shared.queue.wants(order);
    let mut tried = 0;
    loop {
        if shared.pins.was_given_up(&order.key, order.run, order.attempt) {
            let log_dir = shared
                .catalog
                .open(order.key, Some(&partition.topic))
                .map(|replica| replica.log_dir.path.display().to_string());
            let log_dir = log_dir.unwrap_or_else(|_| "its log dir".to_owned());
            return Err(ShipError::DiskSpace {
                partition: partition.name(),
                log_dir,
            });
        }
        let captured = shared
            .pins
            .get(&order.key, order.run, order.attempt)
            .filter(|_| tried == 0);
        // A compacted log is only whole as a set of files of one moment.
        let pinned = match captured {
            None if partition.compacted && !order.cut.empty => Some(pin_now(shared, order, partition)?),
            captured => captured,
        };
        let mut job = Job {
            shared,
            run: order.run,
            partition,
            storer,
            buffer,
            is_wanted: &is_wanted,
        };
        let result = match pinned {
            Some(pinned) => Source::pinned(&shared.catalog, &shared.pins, partition, pinned),
            None => Source::live(&shared.catalog, partition),
        }
        .and_then(|source| match (order.cut.empty, partition.compacted) {
            (true, _) => job.ship_nothing(order, &source),
            (false, true) => job.ship_compacted_to_cut(order, &source),
            (false, false) => job.ship_to_cut(order, &source),
        });
        tried += 1;
        match result {
            Err(error) if error.try_again() && tried < TRIES => {
                tracing::info!(partition = %partition.name(), %error, "capturing the partition again");
            }
            other => return other,
        }
    }
}

fn pin_now(shared: &Shared, order: &Order, partition: &SourcePartition) -> Result<PinnedPartition, ShipError> {
    let replica = shared.catalog.open(order.key, Some(&partition.topic))?;
    let listing = shared.catalog.listing(&replica)?;
    let log_start = log_start(&replica, &listing)?;
    let none = || ShipError::CalledOff {
        partition: partition.name(),
    };
    let directory = shared.pins.directory(&replica.log_dir.id).ok_or_else(none)?;
    let pinned = pin::take(
        &shared.catalog,
        &replica,
        directory,
        order.run,
        order.attempt,
        i64::MIN,
        log_start,
    )?;
    shared.pins.hold(order.key, pinned.clone());
    Ok(pinned)
}

/// The answer to an order that failed.
pub(super) fn failure(run: u64, attempt: u32, key: &PartitionKey, error: &ShipError) -> wire::ShipFailed {
    wire::ShipFailed {
        run,
        attempt,
        topic_id: key.topic_bytes().to_vec().into(),
        partition: key.partition.0,
        code: error.code().to_owned(),
        message: error.to_string(),
        try_elsewhere: error.try_elsewhere(),
    }
}

/// Bytes in closed segments of a partition that this run has not shipped and the base does not hold.
pub(super) fn estimate(shared: &Shared, run: u64, partition: &SourcePartition) -> Option<u64> {
    let source = Source::live(&shared.catalog, partition).ok()?;
    let shipped = shared.state.last_chunk(run, &partition.key).ok()?.map(|row| row.next);
    let base = partition
        .base
        .as_ref()
        .filter(|base| !base.match_by_id)
        .map(|base| base.end.next);
    let from = shipped.or(base).unwrap_or(source.log_start);
    let first = source.segment_of(from).unwrap_or(0);
    let closed = first..source.segments.len().saturating_sub(1);
    Some(
        closed
            .filter_map(|segment| source.open(segment).ok())
            .map(|(_, facts)| facts.size)
            .sum(),
    )
}
