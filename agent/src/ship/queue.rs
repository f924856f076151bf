//! What is to be shipped next: orders first, closed segments when there are none; never one partition twice at a time.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::order::{Order, SourcePartition};
use crate::partition::PartitionKey;

/// A piece of work.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Up to the cut.
    Final(Order, Arc<SourcePartition>),
    /// Closed segments.
    Eager {
        run: u64,
        generation: u64,
        partition: Arc<SourcePartition>,
    },
}

impl Work {
    pub(super) fn key(&self) -> PartitionKey {
        match self {
            Self::Final(order, _) => order.key,
            Self::Eager { partition, .. } => partition.key,
        }
    }
}

/// What the queue says after a piece of work was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AfterWork {
    /// The last order of an attempt was worked off: small packs are to be sealed.
    pub(super) flush: bool,
    /// Nothing eager is left of this (run, generation), for the first time.
    pub(super) caught_up: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Inner {
    stopping: bool,
    run: u64,
    generation: u64,
    assigned: BTreeMap<PartitionKey, Arc<SourcePartition>>,
    orders: VecDeque<(Order, Arc<SourcePartition>)>,
    /// All pieces of the newest order have arrived.
    orders_complete: bool,
    eager: VecDeque<PartitionKey>,
    queued_eager: HashSet<PartitionKey>,
    busy: HashSet<PartitionKey>,
    finals_busy: usize,
    eager_busy: usize,
    caught_up: bool,
    /// The newest attempt that was called off, by run.
    released: HashMap<u64, u32>,
    backlog: HashMap<PartitionKey, u64>,
}

/// The queue of all workers.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a run; what belongs to another one is dropped.
    pub(super) fn open_run(&self, run: u64) {
        let mut inner = self.lock();
        if inner.run == run {
            return;
        }
        let busy = std::mem::take(&mut inner.busy);
        let (finals_busy, eager_busy) = (inner.finals_busy, inner.eager_busy);
        *inner = Inner {
            run,
            busy,
            finals_busy,
            eager_busy,
            stopping: inner.stopping,
            ..Inner::default()
        };
        self.changed.notify_all();
    }

    /// Replaces the assignment.
    pub(super) fn assign(
        &self,
        run: u64,
        generation: u64,
        partitions: Vec<SourcePartition>,
    ) -> Vec<Arc<SourcePartition>> {
        self.open_run(run);
        let mut inner = self.lock();
        inner.generation = generation;
        inner.caught_up = false;
        inner.assigned = partitions
            .into_iter()
            .map(|partition| (partition.key, Arc::new(partition)))
            .collect();
        inner.eager = inner.assigned.keys().copied().collect();
        inner.queued_eager = inner.eager.iter().copied().collect();
        inner.backlog.clear();
        self.changed.notify_all();
        inner.assigned.values().cloned().collect()
    }

    /// A session began anew: orders will be given again.
    pub(super) fn forget_orders(&self) {
        let mut inner = self.lock();
        inner.orders.clear();
        inner.orders_complete = false;
    }

    /// Adds an order; `None`: the partition is not known.
    pub(super) fn order(&self, order: Order, source: Option<SourcePartition>) -> Option<()> {
        let mut inner = self.lock();
        let partition = match source {
            Some(source) => Arc::new(source),
            None => Arc::clone(inner.assigned.get(&order.key)?),
        };
        inner.orders.retain(|(other, _)| other.key != order.key);
        inner.orders_complete = false;
        inner.orders.push_back((order, partition));
        self.changed.notify_all();
        Some(())
    }

    /// No further piece of the order follows. Says whether all of it is done already.
    pub(super) fn orders_complete(&self) -> bool {
        let mut inner = self.lock();
        inner.orders_complete = true;
        inner.orders.is_empty() && inner.finals_busy == 0
    }

    /// A partition has closed segments that were not looked at.
    pub(super) fn look_at(&self, key: PartitionKey) {
        let mut inner = self.lock();
        if inner.assigned.contains_key(&key) && inner.queued_eager.insert(key) {
            inner.eager.push_back(key);
            self.changed.notify_one();
        }
    }

    /// An attempt was called off.
    pub(super) fn release(&self, run: u64, attempt: u32) {
        let mut inner = self.lock();
        let newest = inner.released.entry(run).or_insert(attempt);
        *newest = attempt.max(*newest);
        inner
            .orders
            .retain(|(order, _)| order.run != run || order.attempt > attempt);
    }

    /// Whether an order still has somebody who waits for it.
    pub(super) fn wants(&self, order: &Order) -> bool {
        let inner = self.lock();
        !inner.stopping
            && inner.run == order.run
            && inner
                .released
                .get(&order.run)
                .is_none_or(|newest| order.attempt > *newest)
    }

    /// Whether eager work still belongs to the assignment.
    pub(super) fn wants_eager(&self, run: u64, generation: u64) -> bool {
        let inner = self.lock();
        !inner.stopping && (inner.run, inner.generation) == (run, generation)
    }

    /// Whether eager work should make room for orders.
    pub(super) fn has_orders(&self) -> bool {
        !self.lock().orders.is_empty()
    }

    /// The partitions assigned.
    pub(super) fn assigned(&self) -> Vec<Arc<SourcePartition>> {
        self.lock().assigned.values().cloned().collect()
    }

    /// Waits for work. `prefer` says which orders come first while space is scarce. `None`: the agent stops.
    pub(super) fn take(&self, prefer: &dyn Fn(&PartitionKey) -> bool) -> Option<Work> {
        let mut inner = self.lock();
        loop {
            if inner.stopping {
                return None;
            }
            if let Some(work) = inner.next(prefer) {
                inner.busy.insert(work.key());
                match work {
                    Work::Final(..) => inner.finals_busy += 1,
                    Work::Eager { .. } => inner.eager_busy += 1,
                }
                return Some(work);
            }
            inner = self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A piece of work is done; `more`: eager work made room and is to be continued.
    pub(super) fn done(&self, work: &Work, more: bool) -> AfterWork {
        let mut inner = self.lock();
        let key = work.key();
        inner.busy.remove(&key);
        match work {
            Work::Final(..) => inner.finals_busy = inner.finals_busy.saturating_sub(1),
            Work::Eager { run, generation, .. } => {
                inner.eager_busy = inner.eager_busy.saturating_sub(1);
                let current = (inner.run, inner.generation) == (*run, *generation);
                if current && more && inner.queued_eager.insert(key) {
                    inner.eager.push_front(key);
                } else if current && !more && !inner.queued_eager.contains(&key) {
                    inner.backlog.remove(&key);
                }
            }
        }
        self.changed.notify_all();
        let flush = matches!(work, Work::Final(..))
            && inner.orders_complete
            && inner.orders.is_empty()
            && inner.finals_busy == 0;
        AfterWork {
            flush,
            caught_up: inner.now_caught_up(),
        }
    }

    /// Whether nothing eager is left, asked when there may never have been anything.
    pub(super) fn caught_up(&self) -> Option<(u64, u64)> {
        self.lock().now_caught_up()
    }

    /// Bytes in closed segments of a partition that were not shipped yet, as far as known.
    pub(super) fn set_backlog(&self, key: PartitionKey, bytes: u64) {
        let mut inner = self.lock();
        if inner.queued_eager.contains(&key) {
            inner.backlog.insert(key, bytes);
        }
    }

    /// Some of it was shipped.
    pub(super) fn reduce_backlog(&self, key: &PartitionKey, bytes: u64) {
        if let Some(left) = self.lock().backlog.get_mut(key) {
            *left = left.saturating_sub(bytes);
        }
    }

    /// Bytes in closed segments that were not shipped yet; never 0 while there is work.
    pub(super) fn backlog(&self) -> u64 {
        let inner = self.lock();
        let known: u64 = inner.backlog.values().sum();
        known.max(inner.eager.len() as u64 + inner.eager_busy as u64)
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }
}

impl Inner {
    fn next(&mut self, prefer: &dyn Fn(&PartitionKey) -> bool) -> Option<Work> {
        let free = |busy: &HashSet<PartitionKey>, key: &PartitionKey| !busy.contains(key);
        let preferred = self
            .orders
            .iter()
            .position(|(order, _)| free(&self.busy, &order.key) && prefer(&order.key));
        let order = preferred.or_else(|| self.orders.iter().position(|(order, _)| free(&self.busy, &order.key)));
        if let Some((order, partition)) = order.and_then(|index| self.orders.remove(index)) {
            return Some(Work::Final(order, partition));
        }
        let index = self.eager.iter().position(|key| free(&self.busy, key))?;
        let key = self.eager.remove(index)?;
        self.queued_eager.remove(&key);
        let partition = Arc::clone(self.assigned.get(&key)?);
        Some(Work::Eager {
            run: self.run,
            generation: self.generation,
            partition,
        })
    }

    fn now_caught_up(&mut self) -> Option<(u64, u64)> {
        let now = !self.caught_up && self.generation > 0 && self.eager.is_empty() && self.eager_busy == 0;
        self.caught_up |= now;
        now.then_some((self.run, self.generation))
    }
}
