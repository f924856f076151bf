//! All replicas of `__transaction_state` on this node, followed in the background, within a bound of memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::error::RecordsError;
use super::fold::Moment;
use super::follower::Follower;
use super::topic::CoordinatorTopic;
use crate::log_dir::{Catalog, Replica};
use crate::partition::PartitionKey;
use crate::replica::Observed;
use crate::session::Context;
use crate::stop::Stop;
use crate::throttle::Throttle;

/// How often what is new is read ahead of any question.
const PASS: Duration = Duration::from_secs(3);
/// Read at once in the background; a question waits for no more.
const STEP: u64 = 1 << 20;
/// The longest sleep that a stop waits for.
const NAP: Duration = Duration::from_millis(200);
/// What all of them may hold, in bytes: some hundred thousand transactional ids. What is beyond is read when it is asked for.
const BUDGET: usize = 128 << 20;
/// How long a log that is too large, or can't be read, is left alone unless somebody asks.
const REST_LARGE: Duration = Duration::from_secs(600);
const REST_FAILED: Duration = Duration::from_secs(60);

/// The followed replicas.
#[derive(Debug)]
pub(crate) struct Followers {
    slots: Mutex<HashMap<PartitionKey, Arc<Slot>>>,
    throttle: Arc<Throttle>,
    budget: usize,
}

#[derive(Debug, Default)]
struct Slot {
    follower: Mutex<Follower>,
    /// What it holds; to be read while somebody works with it.
    bytes: AtomicUsize,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn measure(&self, follower: &Follower) {
        self.bytes.store(follower.bytes(), Ordering::Relaxed);
    }
}

impl Followers {
    /// Reads ahead within the throttle's rate.
    pub(crate) fn new(throttle: Arc<Throttle>) -> Self {
        Self::with_budget(throttle, BUDGET)
    }

    pub(super) fn with_budget(throttle: Arc<Throttle>, budget: usize) -> Self {
        Self {
            slots: Mutex::default(),
            throttle,
            budget,
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<PartitionKey, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: PartitionKey) -> Arc<Slot> {
        Arc::clone(self.slots().entry(key).or_default())
    }

    /// What they hold, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let slots = self.slots();
        slots.values().map(|slot| slot.bytes.load(Ordering::Relaxed)).sum()
    }

    /// Shows the states below `since` and the records from there to the log's end as it was observed. `None`: that log is not
    /// there any more.
    pub(crate) fn with_moment<T>(
        &self,
        catalog: &Catalog,
        replica: &Replica,
        since: i64,
        observed: &Observed,
        now: Instant,
        show: impl FnOnce(Moment<'_>) -> T,
    ) -> Result<Option<T>, RecordsError> {
        let slot = self.slot(replica.key);
        let mut follower = slot.lock();
        let shown = follower
            .moment(catalog, replica, since, observed)
            .map(|moment| moment.map(show));
        if let Err(error) = &shown {
            tracing::warn!(%error, "a phase is answered without a coordinator's records");
        }
        slot.measure(&follower);
        drop(follower);
        self.keep_within_budget(now);
        shown
    }

    /// Reads what is new in every replica. Blocks.
    pub(crate) fn pass(&self, catalog: &Catalog, now: Instant, is_stopping: &dyn Fn() -> bool) {
        let here = catalog.partitions_of(CoordinatorTopic::TRANSACTION_STATE);
        self.slots().retain(|key, _| here.contains(key));
        for key in here {
            let Ok(replica) = catalog.open(key, None) else { continue };
            let slot = self.slot(key);
            while let Some(mut wait) = self.step(catalog, &replica, &slot, now) {
                while !wait.is_zero() && !is_stopping() {
                    let nap = wait.min(NAP);
                    sleep(nap);
                    wait -= nap;
                }
                if is_stopping() {
                    return;
                }
            }
            self.keep_within_budget(now);
        }
    }

    /// Returns how long to wait before the next one, if there is more.
    fn step(&self, catalog: &Catalog, replica: &Replica, slot: &Slot, now: Instant) -> Option<Duration> {
        let mut follower = slot.lock();
        if follower.is_resting(now) {
            return None;
        }
        let more = follower.read_ahead(catalog, replica, &self.throttle, STEP);
        let more = more.unwrap_or_else(|error| {
            let rest = match &error {
                RecordsError::TooMany { .. } => REST_LARGE,
                _ => REST_FAILED,
            };
            tracing::warn!(%error, "transactions cannot be followed; trying again in {} s", rest.as_secs());
            follower.rest(now + rest);
            None
        });
        slot.measure(&follower);
        let is_too_large = slot.bytes.load(Ordering::Relaxed) > self.budget;
        more.filter(|_| !is_too_large)
    }

    /// Lets the largest ones forget until all is within bounds.
    fn keep_within_budget(&self, now: Instant) {
        let mut excess = self.bytes().saturating_sub(self.budget);
        if excess == 0 {
            return;
        }
        let mut slots: Vec<Arc<Slot>> = self.slots().values().map(Arc::clone).collect();
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.bytes.load(Ordering::Relaxed)));
        let mut shrink = |how: &dyn Fn(&mut Follower)| {
            for slot in &slots {
                if excess == 0 {
                    return;
                }
                // One that is being worked with is measured afterwards.
                let Ok(mut follower) = slot.follower.try_lock() else {
                    continue;
                };
                let before = follower.bytes();
                how(&mut follower);
                slot.measure(&follower);
                excess = excess.saturating_sub(before.saturating_sub(follower.bytes()));
            }
        };
        shrink(&|follower| follower.shrink());
        shrink(&|follower| follower.rest(now + REST_LARGE));
    }
}

/// Follows until the agent stops.
pub(crate) async fn follow(context: Arc<Context>, stop: Stop) {
    let mut passes = tokio::time::interval(PASS);
    passes.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.requested() => return,
            _ = passes.tick() => {}
        }
        let (context, stop) = (Arc::clone(&context), stop.clone());
        let pass = move || {
            let is_stopping = || stop.is_requested();
            context.followers.pass(&context.catalog, Instant::now(), &is_stopping);
        };
        let _ = tokio::task::spawn_blocking(pass).await;
    }
}
