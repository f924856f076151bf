//! A running load.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::{LabError, Result};
use crate::process;

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

/// What a load did in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadSummary {
    /// The last counters.
    pub counters: LoadCounters,
    /// The counters of each second.
    pub seconds: Vec<LoadCounters>,
    /// Different complaints of clients, each once.
    pub complaints: Vec<String>,
}

#[derive(Debug, Default)]
struct Seen {
    summary: LoadSummary,
    ready: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    Ready(bool),
    Counters(LoadCounters),
    Complaint(String),
}

/// A load in a process of its own. Dropping it kills the process.
#[derive(Debug)]
pub struct LoadHandle {
    child: Child,
    stdin: Option<ChildStdin>,
    seen: Arc<Mutex<Seen>>,
    readers: Vec<JoinHandle<()>>,
    errors: Arc<Mutex<String>>,
}

impl LoadHandle {
    pub(crate) fn start(command: &mut Command, request: &str) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| process::missing(&program, &error))?;
        let mut stdin = child.stdin.take();
        if let Some(stdin) = &mut stdin {
            let _ = stdin.write_all(request.as_bytes()).and_then(|()| stdin.flush());
        }
        let seen = Arc::new(Mutex::new(Seen::default()));
        let errors = Arc::new(Mutex::new(String::new()));
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            let seen = Arc::clone(&seen);
            readers.push(thread::spawn(move || watch(BufReader::new(stdout), &seen)));
        }
        if let Some(mut stderr) = child.stderr.take() {
            let errors = Arc::clone(&errors);
            readers.push(thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stderr.read_to_end(&mut bytes);
                *lock(&errors) = String::from_utf8_lossy(&bytes).into_owned();
            }));
        }
        Ok(Self {
            child,
            stdin,
            seen,
            readers,
            errors,
        })
    }

    /// Waits until every producer has written and every group has read.
    ///
    /// # Errors
    ///
    /// The load ended, or is not that far after `timeout`.
    pub fn wait_flowing(&mut self, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !lock(&self.seen).ready {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return Err(self.failed("putting load on the cluster"));
            }
            if Instant::now() > deadline {
                let detail = format!("{:?}", lock(&self.seen).summary);
                return Err(LabError::TimedOut {
                    what: "the load to flow".into(),
                    waited: timeout,
                    detail,
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What it did up to the last second.
    pub fn counters(&self) -> LoadCounters {
        lock(&self.seen).summary.counters
    }

    /// Lets everything begun end, stops, and tells what was done. The acknowledgement log is complete then.
    ///
    /// # Errors
    ///
    /// It failed, or did not end within a minute.
    pub fn stop(mut self) -> Result<LoadSummary> {
        if let Some(mut stdin) = self.stdin.take() {
            let _ = stdin.write_all(b"stop\n");
        }
        self.finish(STOP)
    }

    /// Waits for a load that was given its seconds.
    ///
    /// # Errors
    ///
    /// It failed, or did not end in time.
    pub fn wait(mut self, timeout: Duration) -> Result<LoadSummary> {
        self.finish(timeout)
    }

    /// Kills it where it stands, as a client host's power cut would.
    pub fn kill(mut self) -> LoadSummary {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join();
        lock(&self.seen).summary.clone()
    }

    fn finish(&mut self, timeout: Duration) -> Result<LoadSummary> {
        match process::wait(&mut self.child, timeout) {
            Some(status) if status.success() => {
                self.join();
                Ok(lock(&self.seen).summary.clone())
            }
            Some(_) => Err(self.failed("putting load on the cluster")),
            None => {
                let _ = self.child.kill();
                let detail = format!("{:?}", lock(&self.seen).summary.complaints);
                Err(LabError::TimedOut {
                    what: "the load to stop".into(),
                    waited: timeout,
                    detail,
                })
            }
        }
    }

    fn failed(&mut self, action: &str) -> LabError {
        let status = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        self.join();
        let output = process::tail(&lock(&self.errors)).to_owned();
        LabError::ProcessFailed {
            action: action.to_owned(),
            program: "load".to_owned(),
            status,
            output,
        }
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for LoadHandle {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        self.join();
    }
}

fn watch(lines: impl BufRead, seen: &Mutex<Seen>) {
    for line in lines.lines().map_while(|line| line.ok()) {
        match serde_json::from_str(&line) {
            Ok(Line::Ready(ready)) => lock(seen).ready = ready,
            Ok(Line::Counters(counters)) => {
                let mut seen = lock(seen);
                seen.summary.counters = counters;
                seen.summary.seconds.push(counters);
            }
            Ok(Line::Complaint(complaint)) => lock(seen).summary.complaints.push(complaint),
            Err(_) => lock(seen).summary.complaints.push(line),
        }
    }
}

/// A reader that panicked left nothing half-written that matters.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
