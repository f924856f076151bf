//! What the services share, and how a coordinator becomes one cluster's: by its configuration, by its cache, or by the first
//! agent that names the cluster.

use std::fmt;
use std::sync::{Arc, Mutex};

use maxbrod_kafka::ClusterId;
use maxbrod_repository::{Granter, LocalUploads, Repository, Result};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::base::Base;
use crate::cache::Cache;
use crate::commit::{Committer, WallClock};
use crate::conductor::{Conductor, Input, Instruments};
use crate::config::{self, HookMoment};
use crate::grants::Grants;
use crate::hooks;
use crate::lease::Lease;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::schedule::Schedule;
use crate::sequencer::{Moment, Policy, Sequencer, Timing};

/// So many messages may wait for the conductor; agents wait beyond that.
const INPUTS: usize = 1_024;

/// Everything that does not depend on the cluster.
pub(crate) struct House {
    pub(crate) repository: Repository,
    pub(crate) granter: Arc<dyn Granter>,
    /// Set for repositories on a file system: this process takes the uploads itself.
    pub(crate) uploads: Option<Arc<LocalUploads>>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) snapshot: config::Snapshot,
    pub(crate) hooks: Arc<Vec<config::Hook>>,
    pub(crate) timing: Timing,
    /// Who takes the epoch, for the journal.
    pub(crate) holder: String,
    /// The cluster that it must be, if configured.
    pub(crate) cluster_id: Option<String>,
    /// Where the end of a conductor is reported.
    pub(crate) ended: mpsc::Sender<Result<()>>,
    term: OnceCell<Arc<Term>>,
}

/// A coordinator's term for one cluster.
pub(crate) struct Term {
    pub(crate) instruments: Instruments,
    pub(crate) inputs: mpsc::Sender<Input>,
}

impl Term {
    pub(crate) fn cluster_id(&self) -> &str {
        &self.instruments.lease.cluster_id().0
    }
}

/// The parts that a house is made of.
pub(crate) struct Parts {
    pub(crate) repository: Repository,
    pub(crate) granter: Arc<dyn Granter>,
    pub(crate) uploads: Option<Arc<LocalUploads>>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) snapshot: config::Snapshot,
    pub(crate) hooks: Vec<config::Hook>,
    pub(crate) timing: Timing,
    pub(crate) holder: String,
    pub(crate) cluster_id: Option<String>,
    pub(crate) ended: mpsc::Sender<Result<()>>,
}

impl House {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            repository,
            granter,
            uploads,
            cache,
            snapshot,
            hooks,
            timing,
            holder,
            cluster_id,
            ended,
        } = parts;
        Self {
            repository,
            granter,
            uploads,
            cache,
            metrics: Arc::default(),
            snapshot,
            hooks: Arc::new(hooks),
            timing,
            holder,
            cluster_id,
            ended,
            term: OnceCell::new(),
        }
    }

    /// The term, if there is one yet.
    pub(crate) fn term(&self) -> Option<&Arc<Term>> {
        self.term.get()
    }

    /// The cluster that is known before any agent connects.
    pub(crate) fn known_cluster(&self) -> Option<String> {
        if self.cluster_id.is_some() {
            return self.cluster_id.clone();
        }
        self.cache
            .cluster_id(&self.repository.id().to_string())
            .unwrap_or_else(|error| {
                warn!(%error, "not using the cache");
                None
            })
    }

    /// The term; begun now for this cluster if there is none.
    pub(crate) async fn term_for(&self, cluster_id: &str) -> Result<&Arc<Term>> {
        self.term.get_or_try_init(|| self.begin(cluster_id)).await
    }

    async fn begin(&self, cluster_id: &str) -> Result<Arc<Term>> {
        let cluster_id = self.cluster_id.as_deref().unwrap_or(cluster_id);
        info!(cluster_id, "backing up this cluster");
        let cluster = self.repository.cluster(&ClusterId(cluster_id.to_owned()))?;
        let lease = Arc::new(Lease::take(cluster, &self.holder).await?);
        let newest = lease.base().await;
        let base = Base::load(lease.cluster(), newest.as_ref()).await?;
        if let Some(newest) = &newest {
            self.metrics.set_last_snapshot(newest.committed.committed.as_second());
        }
        if let Err(error) = self.cache.set_cluster_id(&self.repository.id().to_string(), cluster_id) {
            warn!(%error, "not remembering the cluster");
        }
        let start = Instant::now();
        let clock = WallClock::starting_at(self.repository.environment().clock.now());
        let grants = Arc::new(Grants::new(
            Arc::clone(&lease),
            Arc::clone(&self.granter),
            Arc::clone(&self.cache),
        ));
        let committer = Arc::new(Committer::new(Arc::clone(&lease), Arc::clone(&grants), clock));
        let epoch = lease.epoch();
        let run = lease.open_next().await?.run;
        let instruments = Instruments {
            lease,
            grants,
            committer,
            registry: Arc::new(Mutex::new(Registry::new(epoch))),
            base: Arc::new(Mutex::new(Arc::new(base))),
            cache: Arc::clone(&self.cache),
            metrics: Arc::clone(&self.metrics),
            hooks: Arc::clone(&self.hooks),
            start,
        };
        let (inputs, queue) = mpsc::channel(INPUTS);
        let policy = Policy {
            require: self.snapshot.require,
            consistency: self.snapshot.require_consistency.into(),
            hooks_at_start: hooks::any_at(&self.hooks, HookMoment::Start),
            hooks_at_cut: hooks::any_at(&self.hooks, HookMoment::Cut),
        };
        let sequencer = Sequencer::new(epoch, policy, self.timing);
        let schedule = self.snapshot.every.map(|every| Schedule::new(every, Moment::default()));
        let conductor = Conductor::new(instruments.clone(), queue, inputs.clone(), sequencer, schedule);
        let ended = self.ended.clone();
        tokio::spawn(async move {
            let result = conductor.run(run).await;
            // Whoever serves is told; if nobody serves any more, nobody needs to know.
            let _ = ended.send(result).await;
        });
        Ok(Arc::new(Term { instruments, inputs }))
    }
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House")
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}
