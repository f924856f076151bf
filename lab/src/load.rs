//! A running load.

mod process;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::process::LoadProcess;
use crate::error::{LabError, Result};

/// How long producers may take to finish what they are at.
const STOP: Duration = Duration::from_secs(60);

/// What a load did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadCounters {
    /// Milliseconds since it began.
    pub elapsed_ms: u64,
    /// Records acknowledged, those in transactions included.
    pub acknowledged: u64,
    /// Transactions committed.
    pub committed: u64,
    /// Transactions aborted on purpose.
    pub aborted: u64,
    /// Records read by groups.
    pub consumed: u64,
    /// Offset commits of groups.
    pub commits: u64,
    /// DeleteRecords requests done.
    pub deletions: u64,
    /// What clients complained about: during failovers that is normal, otherwise not.
    pub errors: u64,
    /// The 99th percentile of the time from send to acknowledgement in the last second, in microseconds.
    pub produce_p99_us: u64,
}

impl LoadCounters {
    /// Adds what another process of the same load did; time and latencies stay those of this one.
    fn plus(mut self, other: Self) -> Self {
        self.acknowledged += other.acknowledged;
        self.committed += other.committed;
        self.aborted += other.aborted;
        self.consumed += other.consumed;
        self.commits += other.commits;
        self.deletions += other.deletions;
        self.errors += other.errors;
        self
    }
}

/// What a load did in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSummary {
    /// The last counters.
    pub counters: LoadCounters,
    /// The counters of each second; those of old clients are not in them.
    pub seconds: Vec<LoadCounters>,
    /// Different complaints of clients, each once.
    pub complaints: Vec<String>,
}

/// A load in processes of its own: the one of lab/java, and those of old clients. Dropping it kills them.
#[derive(Debug)]
pub struct LoadHandle {
    main: LoadProcess,
    others: Vec<LoadProcess>,
}

impl LoadHandle {
    pub(crate) fn start(command: &mut Command, request: &str) -> Result<Self> {
        Ok(Self {
            main: LoadProcess::start("load", command, request)?,
            others: Vec::new(),
        })
    }

    /// Starts another process that belongs to the load.
    pub(crate) fn join(&mut self, name: &str, command: &mut Command, request: &str) -> Result<()> {
        self.others.push(LoadProcess::start(name, command, request)?);
        Ok(())
    }

    /// Waits until every producer has written and every group has read.
    ///
    /// # Errors
    ///
    /// The load ended, or is not that far after `timeout`.
    pub fn wait_flowing(&mut self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        for process in self.processes() {
            while !process.is_flowing()? {
                if Instant::now() > deadline {
                    return Err(LabError::TimedOut {
                        what: format!("{} to flow", process.name()),
                        waited: timeout,
                        detail: format!("{:?}", process.summary()),
                    });
                }
                thread::sleep(Duration::from_millis(50));
            }
        }
        Ok(())
    }

    /// What it did up to the last second.
    pub fn counters(&self) -> LoadCounters {
        let others = self.others.iter().map(|process| process.summary().counters);
        others.fold(self.main.summary().counters, LoadCounters::plus)
    }

    /// Lets everything begun end, stops, and tells what was done. The acknowledgement logs are complete then.
    ///
    /// # Errors
    ///
    /// It failed, or did not end within a minute.
    pub fn stop(mut self) -> Result<LoadSummary> {
        self.processes().for_each(LoadProcess::ask_to_stop);
        self.finish(STOP)
    }

    /// Waits for a load that was given its seconds; old clients, which know no end, are stopped when it ends.
    ///
    /// # Errors
    ///
    /// It failed, or did not end in time.
    pub fn wait(mut self, timeout: Duration) -> Result<LoadSummary> {
        self.finish(timeout)
    }

    /// Kills it where it stands, as a client host's power cut would.
    pub fn kill(mut self) -> LoadSummary {
        self.processes().for_each(LoadProcess::kill);
        self.summary()
    }

    fn finish(&mut self, timeout: Duration) -> Result<LoadSummary> {
        self.main.finish(timeout)?;
        self.others.iter_mut().for_each(LoadProcess::ask_to_stop);
        for process in &mut self.others {
            process.finish(STOP)?;
        }
        Ok(self.summary())
    }

    fn summary(&self) -> LoadSummary {
        let mut sum = self.main.summary();
        for process in &self.others {
            let summary = process.summary();
            sum.counters = sum.counters.plus(summary.counters);
            sum.complaints.extend(summary.complaints);
        }
        sum
    }

    fn processes(&mut self) -> impl Iterator<Item = &mut LoadProcess> {
        [&mut self.main].into_iter().chain(&mut self.others)
    }
}
