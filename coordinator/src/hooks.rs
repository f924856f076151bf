//! Runs the applications' commands of `[[hooks]]`, so that their own state is of the same moment as the snapshot.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::config::{Hook, HookMoment, OnFailure};
use crate::harvest::HookResult;

#[cfg(test)]
mod tests;

/// So much of what a command prints is kept; the rest is read and dropped.
const OUTPUT: usize = 16 << 10;

/// What a command reads as one JSON document from its standard input.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Occasion {
    pub(crate) moment: &'static str,
    pub(crate) cluster_id: String,
    pub(crate) run: u64,
    pub(crate) attempt: u32,
    pub(crate) label: String,
    /// The committed snapshot's id; at commit only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot: Option<String>,
    /// Where each partition is cut: the first offset that is not in the snapshot; at the cut only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) cuts: Vec<CutOffset>,
    /// Why there is no snapshot; at abort only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Where a partition is cut.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CutOffset {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Whether any hook is run at a moment.
pub(crate) fn any_at(hooks: &[Hook], moment: HookMoment) -> bool {
    hooks.iter().any(|hook| hook.moments.contains(&moment))
}

/// Runs every hook of a moment, all at the same time, and returns what each said, in the order of the configuration.
pub(crate) async fn run_all(hooks: Arc<Vec<Hook>>, moment: HookMoment, occasion: Occasion) -> Vec<HookResult> {
    let document = serde_json::to_vec(&occasion).unwrap_or_default();
    let due = hooks.iter().filter(|hook| hook.moments.contains(&moment));
    join_all(due.map(|hook| run(hook, moment, &document))).await
}

async fn run(hook: &Hook, moment: HookMoment, document: &[u8]) -> HookResult {
    let begun = Instant::now();
    let ended = tokio::time::timeout(hook.timeout, execute(hook, document)).await;
    let mut result = HookResult {
        name: hook.name.clone(),
        moment,
        exit_code: None,
        duration: begun.elapsed(),
        output: String::new(),
        error: None,
        may_fail: hook.on_failure == OnFailure::Continue,
    };
    match ended {
        Ok(Ok((exit_code, output))) => {
            result.exit_code = exit_code;
            result.output = output;
            if exit_code != Some(0) {
                result.error = Some(match exit_code {
                    Some(code) => format!("it ended with exit code {code}"),
                    None => "it was ended by a signal".to_owned(),
                });
            }
        }
        Ok(Err(error)) => result.error = Some(format!("it cannot be run: {error}")),
        Err(_) => result.error = Some(format!("it did not end within {}", human(hook.timeout))),
    }
    match &result.error {
        None => info!(hook = hook.name, moment = moment.name(), took = ?result.duration, "a hook ended"),
        Some(error) => {
            warn!(
                hook = hook.name,
                moment = moment.name(),
                error,
                output = result.output,
                "a hook failed"
            );
        }
    }
    result
}

/// Runs the command to its end. Dropped before that (a timeout), it is killed.
async fn execute(hook: &Hook, document: &[u8]) -> std::io::Result<(Option<i32>, String)> {
    let (program, arguments) = hook.command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A command need not read what it is told.
            let _ = stdin.write_all(document).await;
        }
    };
    let ((), printed, complained, status) = tokio::join!(feed, beginning(stdout), beginning(stderr), child.wait());
    let mut output = printed;
    output.push_str(&complained);
    truncate(&mut output, OUTPUT);
    Ok((status?.code(), output))
}

async fn beginning(pipe: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut pipe) = pipe else {
        return String::new();
    };
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count) = pipe.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = OUTPUT.saturating_sub(kept.len()).min(count);
        kept.extend(buffer.iter().take(room));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn truncate(text: &mut String, most: usize) {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

fn human(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}
