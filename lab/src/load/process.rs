//! One process of a load.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Deserialize;

use super::{LoadCounters, LoadSummary};
use crate::error::{LabError, Result};
use crate::process;

const ACTION: &str = "putting load on the cluster";

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

/// A process that tells what it does in lines of JSON. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct LoadProcess {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    seen: Arc<Mutex<Seen>>,
    readers: Vec<JoinHandle<()>>,
    errors: Arc<Mutex<String>>,
}

impl LoadProcess {
    pub(super) fn start(name: &str, command: &mut Command, request: &str) -> Result<Self> {
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
            name: name.to_owned(),
            child,
            stdin,
            seen,
            readers,
            errors,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether all its producers have written and all its groups have read.
    ///
    /// # Errors
    ///
    /// It ended.
    pub(super) fn is_flowing(&mut self) -> Result<bool> {
        if lock(&self.seen).ready {
            return Ok(true);
        }
        match self.child.try_wait() {
            Ok(None) => Ok(false),
            _ => Err(self.failed()),
        }
    }

    pub(super) fn summary(&self) -> LoadSummary {
        lock(&self.seen).summary.clone()
    }

    pub(super) fn ask_to_stop(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            let _ = stdin.write_all(b"stop\n");
        }
    }

    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join();
    }

    pub(super) fn finish(&mut self, timeout: Duration) -> Result<()> {
        match process::wait(&mut self.child, timeout) {
            Some(status) if status.success() => {
                self.join();
                Ok(())
            }
            Some(_) => Err(self.failed()),
            None => {
                let _ = self.child.kill();
                Err(LabError::TimedOut {
                    what: format!("{} to stop", self.name),
                    waited: timeout,
                    detail: format!("{:?}", self.summary().complaints),
                })
            }
        }
    }

    fn failed(&mut self) -> LabError {
        let status = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        self.join();
        LabError::ProcessFailed {
            action: ACTION.to_owned(),
            program: self.name.clone(),
            status,
            output: process::tail(&lock(&self.errors)).to_owned(),
        }
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for LoadProcess {
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
