//! The coordinator's term: an epoch in the journal, and the one open run (DESIGN §4).
//!
//! Whoever took the newest epoch is the coordinator. An older one learns of it with its next entry or grant, and has to stop.

use maxbrod_kafka::ClusterId;
use maxbrod_repository::{Appended, Cluster, Committed, Error, Event, Journal, OpenRun, Result, Snapshot};
use tokio::sync::Mutex;
use tracing::{info, warn};

#[cfg(test)]
mod tests;

/// How often an append whose fate the store did not tell is tried again.
const TRIES: usize = 3;

/// A term. All writing to the journal goes through it.
#[derive(Debug)]
pub(crate) struct Lease {
    cluster: Cluster,
    epoch: u64,
    journal: Mutex<Journal>,
}

impl Lease {
    /// Takes the next epoch and adopts the open run, or opens one.
    pub(crate) async fn take(cluster: Cluster, holder: &str) -> Result<Self> {
        let mut journal = Journal::load(&cluster).await?;
        let epoch = journal.take_epoch(holder).await?;
        let lease = Self {
            cluster,
            epoch,
            journal: Mutex::new(journal),
        };
        let run = lease.adopt().await?;
        info!(cluster = %lease.cluster.id(), epoch, run = run.run, "took the epoch");
        Ok(lease)
    }

    /// The epoch.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The cluster's part of the repository.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Kafka's id of the cluster.
    pub(crate) fn cluster_id(&self) -> &ClusterId {
        self.cluster.id()
    }

    /// The open run, as of the last entry read.
    pub(crate) async fn open_run(&self) -> Option<OpenRun> {
        self.journal.lock().await.state().open_run
    }

    /// The newest snapshot, and whether it is what the open run builds on.
    pub(crate) async fn base(&self) -> Option<Snapshot> {
        let journal = self.journal.lock().await;
        let base = journal.state().open_run?.base?;
        journal.state().snapshots.get(&base).cloned()
    }

    /// An error when a newer coordinator has taken over, or when the run is not the open one.
    pub(crate) async fn check(&self, run: u64) -> Result<()> {
        let mut journal = self.journal.lock().await;
        journal.check_epoch().await?;
        match journal.state().open_run {
            Some(open) if open.run == run => Ok(()),
            _ => Err(Error::Forbidden {
                event: "committed",
                reason: format!("run {run} is not open any more"),
            }),
        }
    }

    /// Commits the open run: the entry that this writes *is* the commit. No run is open after it.
    pub(crate) async fn commit(&self, committed: Committed) -> Result<()> {
        let mut journal = self.journal.lock().await;
        let mut tries = 0;
        loop {
            match journal
                .append_until_written(Event::Committed(Box::new(committed.clone())))
                .await
            {
                Ok(_) => return Ok(()),
                Err(error @ Error::Uncertain { .. }) => {
                    warn!(%error, "looking whether the commit is in the journal");
                    tries += 1;
                    journal.refresh().await?;
                    if journal
                        .state()
                        .snapshots
                        .get(&committed.run)
                        .is_some_and(|found| found.committed.root == committed.root)
                    {
                        return Ok(());
                    }
                    if tries >= TRIES {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens the next run, with the newest snapshot as its base.
    pub(crate) async fn open_next(&self) -> Result<OpenRun> {
        open(&mut *self.journal.lock().await).await
    }

    /// Gives the open run up.
    pub(crate) async fn close_run(&self, reason: &str) -> Result<()> {
        let mut journal = self.journal.lock().await;
        if let Some(run) = journal.state().open_run {
            journal
                .append_until_written(Event::RunClosed {
                    run: run.run,
                    reason: reason.to_owned(),
                })
                .await?;
        }
        Ok(())
    }

    /// Whether the snapshot that the open run builds on was deleted in the meantime.
    pub(crate) async fn has_lost_base(&self) -> Result<bool> {
        let mut journal = self.journal.lock().await;
        journal.refresh().await?;
        Ok(has_lost_base(&journal))
    }

    async fn adopt(&self) -> Result<OpenRun> {
        let mut journal = self.journal.lock().await;
        if has_lost_base(&journal)
            && let Some(run) = journal.state().open_run
        {
            let reason = "the snapshot that it was built on was deleted".to_owned();
            journal
                .append_until_written(Event::RunClosed { run: run.run, reason })
                .await?;
        }
        open(&mut journal).await
    }
}

fn has_lost_base(journal: &Journal) -> bool {
    let state = journal.state();
    state
        .open_run
        .and_then(|run| run.base)
        .is_some_and(|base| !state.snapshots.contains_key(&base))
}

/// The open run; opened now if there is none.
async fn open(journal: &mut Journal) -> Result<OpenRun> {
    let mut tries = 0;
    loop {
        let state = journal.state();
        if let Some(run) = state.open_run {
            return Ok(run);
        }
        let base = state.newest().map(|snapshot| snapshot.committed.run);
        match journal.append(Event::RunOpened { run: state.next, base }).await {
            // Whoever took the number, the state holds what they wrote: decide again.
            Ok(Appended::Written(_) | Appended::Lost) => {}
            Err(Error::Uncertain { .. }) if tries < TRIES => {
                tries += 1;
                journal.refresh().await?;
            }
            Err(error) => return Err(error),
        }
    }
}
