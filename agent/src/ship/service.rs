//! The shipping service: takes assignments and orders, runs the workers, answers partition by partition.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use maxbrod_proto::agent as wire;
use maxbrod_repository::Random;
use tokio::runtime::Handle;

use super::order::{Order, SourcePartition};
use super::queue::Queue;
use super::worker;
use crate::link::{Link, Links};
use crate::log_dir::Catalog;
use crate::pack::Packer;
use crate::partition::PartitionKey;
use crate::pin::Pins;
use crate::state::State;
use crate::stop::Stop;
use crate::throttle::Throttle;

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) packer: Arc<Packer>,
    pub(crate) state: Arc<State>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) links: Links,
    pub(crate) runtime: Handle,
    pub(crate) stop: Stop,
    pub(crate) progress: Progress,
    pub(super) queue: Queue,
    /// Space is scarce somewhere: what only pins hold is shipped first.
    pub(super) scarce: AtomicBool,
}

impl Shared {
    /// The open session.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.links.borrow().clone()
    }

    /// Sends a message from a worker; lost without a session, like everything that is asked for again.
    pub(super) fn tell(&self, message: wire::from_agent::Message) {
        if let Some(link) = self.link() {
            self.runtime.block_on(link.send(message));
        }
    }
}

/// What was done in the open run.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    shipped: AtomicU64,
    read: Mutex<HashMap<PartitionKey, u64>>,
}

impl Progress {
    /// Log bytes that were made durable or found to be.
    pub(super) fn shipped(&self, bytes: u64) {
        self.shipped.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_read(&self, key: PartitionKey, bytes: u64) {
        if bytes > 0 {
            *self
                .read
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(key)
                .or_default() += bytes;
        }
    }

    /// Bytes read of a partition in the run.
    pub(super) fn read_of(&self, key: &PartitionKey) -> u64 {
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .copied()
            .unwrap_or(0)
    }

    /// Log bytes shipped in the run.
    pub(crate) fn shipped_bytes(&self) -> u64 {
        self.shipped.load(Ordering::Relaxed)
    }

    fn reset(&self) {
        self.shipped.store(0, Ordering::Relaxed);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Ships partitions. Dropping it does not stop it; [`Shipper::stop`] does.
pub(crate) struct Shipper {
    shared: Arc<Shared>,
    workers: Mutex<Vec<JoinHandle<()>>>,
}

/// What the shipper is made of.
pub(crate) struct Parts {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) pins: Arc<Pins>,
    pub(crate) packer: Arc<Packer>,
    pub(crate) state: Arc<State>,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) links: Links,
    pub(crate) runtime: Handle,
    pub(crate) stop: Stop,
}

impl Shipper {
    /// Starts the workers.
    pub(crate) fn start(parts: Parts, threads: usize) -> std::io::Result<Arc<Self>> {
        let Parts {
            catalog,
            pins,
            packer,
            state,
            throttle,
            random,
            links,
            runtime,
            stop,
        } = parts;
        let shared = Arc::new(Shared {
            catalog,
            pins,
            packer,
            state,
            throttle,
            random,
            links,
            runtime,
            stop,
            progress: Progress::default(),
            queue: Queue::default(),
            scarce: AtomicBool::new(false),
        });
        let start = |number| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("ship-{number}"))
                .spawn(move || worker::work(&shared))
        };
        let workers = (0..threads).map(start).collect::<std::io::Result<Vec<_>>>()?;
        Ok(Arc::new(Self {
            shared,
            workers: Mutex::new(workers),
        }))
    }

    /// What was shipped in the open run.
    pub(crate) fn progress(&self) -> &Progress {
        &self.shared.progress
    }

    /// Bytes in closed segments that are assigned and not shipped.
    pub(crate) fn backlog(&self) -> u64 {
        self.shared.queue.backlog()
    }

    /// A session began: the coordinator gives its orders again.
    pub(crate) fn session_began(&self, run: u64) {
        self.shared.queue.open_run(run);
        self.shared.queue.forget_orders();
    }

    /// Another run is open.
    pub(crate) fn open_run(&self, run: u64) {
        self.shared.queue.open_run(run);
        self.shared.progress.reset();
    }

    /// Takes a new assignment. Returns its partitions.
    pub(crate) fn assign(
        &self,
        run: u64,
        generation: u64,
        partitions: Vec<SourcePartition>,
    ) -> Vec<Arc<SourcePartition>> {
        let assigned = self.shared.queue.assign(run, generation, partitions);
        let shared = Arc::clone(&self.shared);
        let estimated = assigned.clone();
        self.shared.runtime.spawn_blocking(move || {
            for partition in &estimated {
                if let Some(bytes) = worker::estimate(&shared, run, partition) {
                    shared.queue.set_backlog(partition.key, bytes);
                }
            }
        });
        assigned
    }

    /// Says that there is nothing to ship, if so: an assignment can be empty.
    pub(crate) fn caught_up(&self) -> Option<(u64, u64)> {
        self.shared.queue.caught_up()
    }

    /// Takes an order. Returns the refusal for a partition that was never assigned.
    pub(crate) fn order(&self, order: Order, source: Option<SourcePartition>) -> Option<wire::ShipFailed> {
        let (run, attempt, key) = (order.run, order.attempt, order.key);
        if self.shared.queue.order(order, source).is_some() {
            return None;
        }
        let error = super::error::ShipError::NotAssigned {
            partition: key.to_string(),
        };
        Some(worker::failure(run, attempt, &key, &error))
    }

    /// No further piece of the order follows.
    pub(crate) fn orders_complete(&self) {
        if self.shared.queue.orders_complete() {
            self.flush_soon();
        }
    }

    /// Seals what is in open packs: somebody waits for it.
    fn flush_soon(&self) {
        let shared = Arc::clone(&self.shared);
        self.shared.runtime.spawn_blocking(move || worker::flush(&shared));
    }

    /// An attempt was called off.
    pub(crate) fn release(&self, run: u64, attempt: u32) {
        self.shared.queue.release(run, attempt);
    }

    /// A partition got a new segment.
    pub(crate) fn look_at(&self, key: PartitionKey) {
        self.shared.queue.look_at(key);
    }

    /// The partitions assigned.
    pub(crate) fn assigned(&self) -> Vec<Arc<SourcePartition>> {
        self.shared.queue.assigned()
    }

    /// Whether space is scarce somewhere.
    pub(crate) fn set_scarce(&self, scarce: bool) {
        self.shared.scarce.store(scarce, Ordering::Relaxed);
    }

    /// Stops the workers and waits for them: at most the time of one chunk. Blocks.
    pub(crate) fn stop(&self) {
        self.shared.queue.stop();
        self.shared.packer.stop();
        let workers = std::mem::take(&mut *self.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a shipping thread panicked");
            }
        }
    }
}
