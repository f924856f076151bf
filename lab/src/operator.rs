//! Somebody who changes a running cluster.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use crate::action::Action;
use crate::error::{LabError, Result};
use crate::process;

const PATIENCE: Duration = Duration::from_secs(180);

/// A process with an Admin client that waits for orders, so that an action takes as long as Kafka needs for it and no Java has
/// to start first. Dropping it ends the process.
#[derive(Debug)]
pub struct Operator {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Changed(u32),
    Failure(String),
}

impl Operator {
    pub(crate) fn start(command: &mut Command, request: &str) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| process::missing(&program, &error))?;
        let (sender, answers) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(|line| line.ok()) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let Some(mut stdin) = child.stdin.take() else {
            return Err(LabError::malformed("operator", "it has no standard input"));
        };
        // One that failed early is noticed at the first action.
        let _ = stdin.write_all(request.as_bytes());
        Ok(Self { child, stdin, answers })
    }

    /// Does something to the cluster, and tells how many things were changed.
    ///
    /// # Errors
    ///
    /// Kafka cannot be reached or refused it.
    pub fn change(&mut self, action: &Action) -> Result<u32> {
        let failed = |output: String| LabError::ProcessFailed {
            action: format!("changing the cluster by {action:?}"),
            program: "operator".into(),
            status: "a failure".into(),
            output,
        };
        let mut line = serde_json::to_string(action).map_err(|error| failed(error.to_string()))?;
        line.push('\n');
        self.stdin
            .write_all(line.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        let answer = self
            .answers
            .recv_timeout(PATIENCE)
            .map_err(|error| failed(error.to_string()))?;
        match serde_json::from_str(&answer) {
            Ok(Answer::Changed(count)) => Ok(count),
            Ok(Answer::Failure(reason)) => Err(failed(reason)),
            Err(_) => Err(failed(answer)),
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
