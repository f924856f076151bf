//! Child processes that are given a text and asked for an answer.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::error::{LabError, Result};

const POLL: Duration = Duration::from_millis(20);
/// How much of a failed program's standard error goes into the error.
const TAIL: usize = 4_000;

/// Runs `command` to its end with `input` on standard input and returns what it printed on standard output.
pub(crate) fn run(command: &mut Command, action: &str, input: &str, timeout: Duration) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| missing(&program, &error))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    if let Some(mut stdin) = child.stdin.take() {
        // A child that fails early closes its end; its exit status says more than the broken pipe.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = wait(&mut child, timeout);
    if status.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    let (stdout, stderr) = (text(stdout), text(stderr));
    match status {
        Some(status) if status.success() => Ok(stdout),
        Some(status) => {
            let output = tail(if stderr.trim().is_empty() { &stdout } else { &stderr }).to_owned();
            Err(LabError::ProcessFailed {
                action: action.to_owned(),
                program,
                status: status.to_string(),
                output,
            })
        }
        None => Err(LabError::TimedOut {
            what: action.to_owned(),
            waited: timeout,
            detail: tail(&stderr).to_owned(),
        }),
    }
}

/// Waits for `child` for at most `timeout`.
pub(crate) fn wait(child: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + timeout;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
            _ => return None,
        }
    }
}

pub(crate) fn missing(program: &str, error: &std::io::Error) -> LabError {
    LabError::ProgramMissing {
        program: program.to_owned(),
        remedy: format!("install it or put it on PATH ({error})"),
    }
}

/// The end of `text`, cut at a character boundary.
pub(crate) fn tail(text: &str) -> &str {
    let mut start = text.len().saturating_sub(TAIL);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or_default()
}

fn collect(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn text(collector: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&collector.join().unwrap_or_default()).into_owned()
}
