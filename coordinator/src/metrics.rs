//! Figures for `/metrics`, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use maxbrod_cut::Level;

use crate::sequencer::Outcome;

/// What the coordinator counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    figures: Mutex<Figures>,
}

#[derive(Clone, Debug, Default)]
struct Figures {
    epoch: u64,
    open_run: u64,
    agents: u64,
    done: u64,
    failed: u64,
    last_done: Option<i64>,
    last_freeze: Duration,
    last_duration: Duration,
    last_new_bytes: u64,
    new_bytes: u64,
    gaps: u64,
    cut_back: u64,
    consistency: Option<Level>,
    grants: u64,
}

impl Metrics {
    /// The coordinator's term and the open run.
    pub(crate) fn set_run(&self, epoch: u64, open_run: u64) {
        self.change(|figures| {
            figures.epoch = epoch;
            figures.open_run = open_run;
        });
    }

    /// How many agents are connected.
    pub(crate) fn set_agents(&self, count: usize) {
        self.change(|figures| figures.agents = count as u64);
    }

    /// When the newest snapshot was committed, in seconds since 1970, if one is known from before.
    pub(crate) fn set_last_snapshot(&self, seconds: i64) {
        self.change(|figures| figures.last_done = Some(seconds));
    }

    /// An upload was granted.
    pub(crate) fn count_grant(&self) {
        self.change(|figures| figures.grants += 1);
    }

    /// A snapshot ended, at a time in seconds since 1970.
    pub(crate) fn count_outcome(&self, outcome: &Outcome, now: i64) {
        self.change(|figures| match &outcome.result {
            Ok(result) => {
                figures.done += 1;
                figures.last_done = Some(now);
                figures.last_freeze = outcome.freeze;
                figures.last_duration = outcome.duration;
                figures.last_new_bytes = result.new_bytes;
                figures.new_bytes += result.new_bytes;
                figures.gaps = outcome.gaps.len() as u64;
                figures.cut_back = outcome.cut_back.len() as u64;
                figures.consistency = Some(result.consistency);
            }
            Err(_) => figures.failed += 1,
        });
    }

    /// The text.
    pub(crate) fn render(&self, now: i64) -> String {
        let figures = match self.figures.lock() {
            Ok(figures) => figures.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        };
        let mut text = String::new();
        let mut line = |name: &str, kind: &str, help: &str, value: f64| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        line(
            "maxbrod_epoch",
            "gauge",
            "Term of this coordinator.",
            figures.epoch as f64,
        );
        line(
            "maxbrod_open_run",
            "gauge",
            "Number of the open run.",
            figures.open_run as f64,
        );
        line(
            "maxbrod_agents_connected",
            "gauge",
            "Agents with an open session.",
            figures.agents as f64,
        );
        line(
            "maxbrod_snapshots_done_total",
            "counter",
            "Snapshots committed since the start.",
            figures.done as f64,
        );
        line(
            "maxbrod_snapshots_failed_total",
            "counter",
            "Snapshots that failed or were cancelled.",
            figures.failed as f64,
        );
        line(
            "maxbrod_grants_total",
            "counter",
            "Uploads granted since the start.",
            figures.grants as f64,
        );
        line(
            "maxbrod_new_bytes_total",
            "counter",
            "Sealed bytes stored by committed snapshots.",
            figures.new_bytes as f64,
        );
        if let Some(last) = figures.last_done {
            let age = now.saturating_sub(last).max(0) as f64;
            line(
                "maxbrod_last_snapshot_age_seconds",
                "gauge",
                "Time since the newest snapshot was committed.",
                age,
            );
        }
        if figures.done > 0 {
            let freeze = figures.last_freeze.as_secs_f64();
            let duration = figures.last_duration.as_secs_f64();
            line(
                "maxbrod_last_snapshot_freeze_seconds",
                "gauge",
                "From the first phase to the metadata after the last one.",
                freeze,
            );
            line(
                "maxbrod_last_snapshot_duration_seconds",
                "gauge",
                "From the request to the commit.",
                duration,
            );
            line(
                "maxbrod_last_snapshot_new_bytes",
                "gauge",
                "Sealed bytes stored for it.",
                figures.last_new_bytes as f64,
            );
            line(
                "maxbrod_last_snapshot_cut_back",
                "gauge",
                "Partitions cut below what their replicas hold, so that no transaction is torn.",
                figures.cut_back as f64,
            );
            line(
                "maxbrod_last_snapshot_consistency",
                "gauge",
                "The level reached: 0 crash-consistent, 1 best-effort, 2 transactional.",
                match figures.consistency {
                    None | Some(Level::CrashConsistent) => 0.0,
                    Some(Level::BestEffort) => 1.0,
                    Some(Level::Transactional) => 2.0,
                },
            );
            line(
                "maxbrod_last_snapshot_gaps",
                "gauge",
                "What it does not hold or vouch for.",
                figures.gaps as f64,
            );
        }
        text
    }

    fn change(&self, change: impl FnOnce(&mut Figures)) {
        match self.figures.lock() {
            Ok(mut figures) => change(&mut figures),
            Err(poisoned) => change(&mut poisoned.into_inner()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequencer::{CommitResult, Failure};

    #[test]
    fn outcomes_are_counted_and_the_last_one_is_described() {
        let metrics = Metrics::default();
        metrics.set_run(4, 17);
        let result = CommitResult {
            id: "s".to_owned(),
            consistency: Level::BestEffort,
            new_bytes: 1_000,
            read_bytes: 0,
            logical_bytes: 0,
            partitions: 3,
        };
        let outcome = Outcome {
            run: 17,
            attempt: 1,
            label: String::new(),
            duration: Duration::from_secs(3),
            freeze: Duration::from_millis(250),
            gaps: Vec::new(),
            cut_back: Vec::new(),
            notes: Vec::new(),
            hooks: Vec::new(),
            result: Ok(result),
        };
        metrics.count_outcome(&outcome, 1_000);
        metrics.count_outcome(
            &Outcome {
                result: Err(Failure::new("x", "y", "z")),
                ..outcome
            },
            1_005,
        );
        let text = metrics.render(1_060);
        for expected in [
            "\nmaxbrod_snapshots_done_total 1\n",
            "\nmaxbrod_snapshots_failed_total 1\n",
            "\nmaxbrod_last_snapshot_age_seconds 60\n",
            "\nmaxbrod_last_snapshot_freeze_seconds 0.25\n",
            "\nmaxbrod_last_snapshot_new_bytes 1000\n",
            "\nmaxbrod_last_snapshot_consistency 1\n",
            "\nmaxbrod_epoch 4\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
