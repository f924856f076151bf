//! The end of an order: when all its chunks are in the repository, the coordinator is told of which chunks the partition
//! consists.

use std::collections::HashMap;
use std::sync::Arc;

use maxbrod_proto::agent as wire;
use maxbrod_proto::agent::from_agent::Message;
use maxbrod_repository::PackName;

use super::error::ShipError;
use super::job::Shipped;
use super::order::{Order, SourcePartition};
use super::service::Shared;
use super::worker::failure;
use crate::link::connected;
use crate::state::{ChunkKind, ChunkRow, PackId, Place};

/// Chunks in one message: some 110 bytes each, well below a mebibyte.
const CHUNKS: usize = 4096;

/// Waits in the background; workers go on.
pub(super) fn spawn(shared: Arc<Shared>, order: Order, partition: Arc<SourcePartition>, mut shipped: Shipped) {
    let mut packs: Vec<(PackId, i64)> = Vec::new();
    for row in shipped.chunks.iter().chain(&shipped.producer_snapshot) {
        if let Place::Pack { pack, .. } = row.place {
            match packs.iter_mut().rev().find(|(known, _)| *known == pack) {
                Some((_, next)) => *next = row.next.max(*next),
                None => packs.push((pack, row.next)),
            }
        }
    }
    // Thousands of partitions can wait at once. What they consist of is in the database; only the compacted ones' reused
    // chunks are not.
    let from_state = !partition.compacted;
    if from_state {
        shipped.chunks = Vec::new();
    }
    let runtime = shared.runtime.clone();
    runtime.spawn(async move {
        let stop = shared.stop.clone();
        let told = tokio::select! {
            () = stop.requested() => return,
            told = finish(&shared, &order, &packs, shipped, from_state) => told,
        };
        match told {
            Ok(()) => shared.pins.release(&order.key),
            Err(error) if !shared.queue.wants(&order) || error.is_called_off() => {}
            Err(error) if error.try_again() => {
                tracing::warn!(partition = %partition.name(), %error, "shipping a partition anew");
                let source = SourcePartition::clone(&partition);
                if shared.queue.order(order, Some(source)).is_some() && shared.queue.orders_complete() {
                    tokio::task::spawn_blocking(move || super::worker::flush(&shared));
                }
            }
            Err(error) => {
                tracing::warn!(partition = %partition.name(), code = error.code(), %error, "a partition cannot be shipped");
                if let Some(link) = shared.link() {
                    link.send(Message::ShipFailed(failure(order.run, order.attempt, &order.key, &error))).await;
                }
            }
        }
    });
}

async fn finish(
    shared: &Shared,
    order: &Order,
    packs: &[(PackId, i64)],
    mut shipped: Shipped,
    from_state: bool,
) -> Result<(), ShipError> {
    let mut names: HashMap<PackId, PackName> = HashMap::new();
    for (pack, next) in packs {
        names.insert(*pack, shared.packer.stored(*pack).await?);
        // Packs of one class are uploaded in the order in which they were filled, nearly; a pin that goes a moment early
        // costs a second reading if the agent dies right then.
        shared.pins.release_below(&order.key, *next);
    }
    if from_state {
        let rows = shared.state.chunks(order.run, &order.key, ChunkKind::Log)?;
        let end = order.cut.end.next;
        shipped.chunks = rows
            .into_iter()
            .filter(|row| row.next > shipped.log_start && row.next <= end)
            .collect();
    }
    if !shared.queue.wants(order) {
        return Ok(());
    }
    let Some(link) = connected(&mut shared.links.clone()).await else {
        return Ok(());
    };
    for message in messages(shared, order, &shipped, &names) {
        link.send(Message::Shipped(message)).await;
    }
    Ok(())
}

fn messages<'a>(
    shared: &'a Shared,
    order: &'a Order,
    shipped: &'a Shipped,
    names: &'a HashMap<PackId, PackName>,
) -> impl Iterator<Item = wire::ShippedPartition> + 'a {
    let all = shipped.chunks.iter().chain(&shipped.producer_snapshot);
    let stored = all.map(|row| match row.place {
        Place::Pack { length, .. } => length,
        Place::Base => 0,
    });
    let header = wire::ShippedPartition {
        run: order.run,
        attempt: order.attempt,
        topic_id: order.key.topic_bytes().to_vec().into(),
        partition: order.key.partition.0,
        log_start: shipped.log_start,
        inherited_to: shipped.inherited_to,
        chunks: Vec::new(),
        producer_snapshot: shipped.producer_snapshot.as_ref().map(|row| chunk(row, names)),
        partition_metadata: shipped.partition_metadata.clone(),
        directory_id: shipped.directory_id.to_vec().into(),
        read_bytes: shared.progress.read_of(&order.key),
        stored_bytes: stored.sum(),
        more: false,
        gaps: has_gaps(shipped),
    };
    let pieces = shipped.chunks.len().div_ceil(CHUNKS).max(1);
    (0..pieces).map(move |piece| {
        let rows = shipped.chunks.iter().skip(piece * CHUNKS).take(CHUNKS);
        wire::ShippedPartition {
            chunks: rows.map(|row| chunk(row, names)).collect(),
            more: piece + 1 < pieces,
            ..header.clone()
        }
    })
}

/// Whether offsets are missing between chunks. The reader let that pass because the batches show that the log was compacted.
fn has_gaps(shipped: &Shipped) -> bool {
    let mut reached = shipped.inherited_to.max(shipped.log_start);
    shipped.chunks.iter().any(|row| {
        let gap = row.base > reached;
        reached = row.next;
        gap
    })
}

fn chunk(row: &ChunkRow, names: &HashMap<PackId, PackName>) -> wire::ShippedChunk {
    let place = match row.place {
        Place::Base => None,
        Place::Pack {
            pack,
            position,
            length,
            key,
        } => names.get(&pack).map(|name| wire::PackPlace {
            pack: Some(wire::PackName {
                run: name.run,
                epoch: name.epoch,
                sequence: name.sequence,
            }),
            position,
            length,
            key_id: key.map(|key| key.0.to_vec()).unwrap_or_default().into(),
        }),
    };
    wire::ShippedChunk {
        id: row.id.0.to_vec().into(),
        base_offset: row.base,
        next_offset: row.next,
        leader_epoch: row.epoch,
        logical_length: row.length,
        place,
        closed: row.closed,
    }
}
