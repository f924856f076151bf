//! What is done by the clock: looking for new segments, walking the log dirs, watching free space, letting pins expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::link::Links;
use crate::log_dir::Change;
use crate::partition::PartitionKey;
use crate::session::Context;
use crate::space::{Pressure, pressure};
use crate::stop::Stop;

/// How long a closed segment may wait until it is noticed.
const LOOK: Duration = Duration::from_millis(500);
/// Events get lost; this often everything is looked at.
const WALK: Duration = Duration::from_secs(60);
const SPACE: Duration = Duration::from_secs(2);
/// Without a coordinator pins are nobody's.
const EXPIRY: Duration = Duration::from_secs(600);

/// Does it until the agent stops.
pub(crate) async fn tend(context: Arc<Context>, links: Links, stop: Stop) {
    let (mut looks, mut walks, mut space) = (
        tokio::time::interval(LOOK),
        tokio::time::interval(WALK),
        tokio::time::interval(SPACE),
    );
    let mut actives: HashMap<PartitionKey, i64> = HashMap::new();
    let mut connected_at = Instant::now();
    loop {
        tokio::select! {
            () = stop.requested() => return,
            _ = looks.tick() => look(&context),
            _ = walks.tick() => {
                let walking = Arc::clone(&context);
                let known = std::mem::take(&mut actives);
                let walked = tokio::task::spawn_blocking(move || walk(&walking, known)).await;
                actives = walked.unwrap_or_default();
            }
            _ = space.tick() => {
                if links.borrow().is_some() {
                    connected_at = Instant::now();
                }
                let expired = connected_at.elapsed() >= EXPIRY;
                let guarding = Arc::clone(&context);
                let _ = tokio::task::spawn_blocking(move || guard(&guarding, expired)).await;
            }
        }
    }
}

fn look(context: &Context) {
    match context.watch.changes() {
        Ok(changes) => {
            for change in changes {
                match change {
                    Change::NewSegment(key) => context.shipper.look_at(key),
                    Change::Anything => context
                        .shipper
                        .assigned()
                        .iter()
                        .for_each(|partition| context.shipper.look_at(partition.key)),
                }
            }
        }
        Err(error) => tracing::warn!(%error, "log dirs cannot be watched; the walk finds new segments within a minute"),
    }
}

/// Returns the active segments, to compare with at the next walk.
fn walk(context: &Context, known: HashMap<PartitionKey, i64>) -> HashMap<PartitionKey, i64> {
    for (log_dir, error) in context.catalog.walk() {
        tracing::warn!(log_dir = %log_dir.path.display(), %error, "a log dir cannot be listed");
    }
    tracing::debug!(replicas = context.catalog.len(), "walked the log dirs");
    let mut actives = HashMap::new();
    for partition in context.shipper.assigned() {
        let Ok(replica) = context.catalog.open(partition.key, Some(&partition.topic)) else {
            continue;
        };
        if !context.watch.has(&partition.key) {
            let _ = context.watch.add(&replica);
        }
        let active = context
            .catalog
            .listing(&replica)
            .ok()
            .and_then(|listing| listing.active());
        let Some(active) = active else { continue };
        if known.get(&partition.key) != Some(&active) {
            context.shipper.look_at(partition.key);
        }
        actives.insert(partition.key, active);
    }
    actives
}

fn guard(context: &Context, expired: bool) {
    if expired && context.pins.total().files > 0 {
        tracing::warn!("no coordinator for {} s: the pins are dropped", EXPIRY.as_secs());
        context.pins.release_all();
    }
    let mut scarce = false;
    for log_dir in &context.node.log_dirs {
        let Ok(space) = log_dir.space() else { continue };
        match pressure(space, context.config.limits.min_free) {
            Pressure::None => {}
            Pressure::Soft => scarce = true,
            Pressure::Hard => {
                scarce = true;
                let partitions = context.pins.give_up(&log_dir.id);
                if partitions > 0 {
                    tracing::error!(
                        log_dir = %log_dir.path.display(), free = space.free, total = space.total, partitions,
                        "the log dir is nearly full: its pins are dropped, these partitions fail; make room there"
                    );
                }
            }
        }
    }
    context.shipper.set_scarce(scarce);
}
