//! A producer that fills topics, or measures how long acknowledgements take (java/Producer.java).

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use maxbrod_lab::Distribution;

use crate::error::{BenchError, Result};
use crate::machine;
use crate::spread::Samples;

const SOURCE: &str = include_str!("../java/Producer.java");

fn command(distribution: &Distribution, directory: &Path) -> Result<Command> {
    let source = directory.join("Producer.java");
    std::fs::write(&source, SOURCE).map_err(|error| BenchError::io("writing", &source, error))?;
    let mut command = Command::new(distribution.java().java());
    command
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
        .arg(distribution.libs().join("*"))
        .arg(&source)
        .stderr(Stdio::null());
    Ok(command)
}

/// Writes so many bytes to a topic.
pub(crate) fn fill(
    distribution: &Distribution,
    directory: &Path,
    bootstrap: &str,
    topic: &str,
    partitions: i32,
    bytes: u64,
) -> Result<()> {
    let mut command = command(distribution, directory)?;
    let arguments = [bootstrap, topic, &partitions.to_string(), &bytes.to_string()].map(str::to_owned);
    machine::time(command.arg("fill").args(arguments)).map(|_| ())
}

/// An acknowledged record.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    due_ms: u64,
    micros: i64,
}

/// A steady load whose every acknowledgement is timed.
#[derive(Debug)]
pub(crate) struct Probe {
    child: Child,
    /// Its closing ends the load.
    stdin: Option<ChildStdin>,
    reader: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Vec<Acknowledged>>>,
}

impl Probe {
    /// Starts writing `rate` records of a kilobyte per second.
    pub(crate) fn start(
        distribution: &Distribution,
        directory: &Path,
        bootstrap: &str,
        topic: &str,
        partitions: i32,
        rate: u32,
    ) -> Result<Self> {
        let mut command = command(distribution, directory)?;
        let mut child = command
            .args(["probe", bootstrap, topic, &partitions.to_string(), &rate.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| BenchError::io("running", distribution.java().java(), error))?;
        let stdin = child.stdin.take();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reader = child.stdout.take().map(|stdout| {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                    if let Some(acknowledged) = parse(&line) {
                        seen.lock().unwrap_or_else(PoisonError::into_inner).push(acknowledged);
                    }
                }
            })
        });
        Ok(Self {
            child,
            stdin,
            reader,
            seen,
        })
    }

    /// How many records were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Latencies in milliseconds of the records that were due in `[from, to)` milliseconds since 1970; `None` where one failed.
    pub(crate) fn latencies(&self, from: u64, to: u64) -> Option<Samples> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let due = seen.iter().filter(|record| (from..to).contains(&record.due_ms));
        let latencies: Option<Vec<f64>> = due
            .map(|record| (record.micros >= 0).then_some(record.micros as f64 / 1_000.0))
            .collect();
        latencies.map(Samples)
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn parse(line: &str) -> Option<Acknowledged> {
    let (due_ms, micros) = line.split_once(' ')?;
    Some(Acknowledged {
        due_ms: due_ms.parse().ok()?,
        micros: micros.parse().ok()?,
    })
}
