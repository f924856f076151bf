//! `maxbrod snapshot create` and `cancel`: what a running coordinator is asked to do.

use std::process::ExitCode;

use indicatif::ProgressBar;
use maxbrod_proto::operator::{CancelSnapshotRequest, CreateSnapshotRequest, SnapshotOutcome, SnapshotProgress};
use serde::Serialize;

use super::cut_back::{self, CutBackDocument};
use super::gap::GapDocument;
use crate::args::{Global, SnapshotCreate};
use crate::coordinator;
use crate::exit::{Failure, Kind, Result};
use crate::output::{Output, bytes};

#[derive(Serialize)]
struct Created {
    id: String,
    consistency: String,
    run: u64,
    duration_ms: u64,
    freeze_ms: u64,
    new_bytes: u64,
    read_bytes: u64,
    logical_bytes: u64,
    partitions: u64,
    gaps: Vec<GapDocument>,
    cut_back: Vec<CutBackDocument>,
    notes: Vec<String>,
}

/// A snapshot that is not waited for.
#[derive(Serialize)]
struct Accepted {
    accepted: bool,
    /// `None`: the coordinator has not said it yet.
    run: Option<u64>,
    stage: Option<String>,
    /// The command that tells how far it is, and how it ended.
    follow: &'static str,
}

const FOLLOW: &str = "maxbrod cluster status";

/// Takes a snapshot; with `--wait` until it is committed.
pub async fn create(options: SnapshotCreate, global: &Global, output: Output) -> Result<ExitCode> {
    let mut client = coordinator::connect(global).await?;
    let request = CreateSnapshotRequest {
        label: options.label,
        detach: !options.wait,
        require_consistency: options
            .require_consistency
            .map(|level| level.name().to_owned())
            .unwrap_or_default(),
    };
    let mut progress = client
        .create_snapshot(request)
        .await
        .map_err(|status| coordinator::refused(&status))?
        .into_inner();
    let bar = output.spinner("asking the coordinator");
    let mut outcome = None;
    let mut broken_off = None;
    let mut accepted = Accepted {
        accepted: true,
        run: None,
        stage: None,
        follow: FOLLOW,
    };
    loop {
        match progress.message().await {
            Ok(Some(message)) => {
                show(&bar, &message);
                accepted.run = Some(message.run).filter(|run| *run > 0).or(accepted.run);
                accepted.stage = Some(message.stage).filter(|stage| !stage.is_empty());
                outcome = message.outcome.or(outcome);
            }
            Ok(None) => break,
            Err(status) => {
                broken_off = Some(status);
                break;
            }
        }
    }
    bar.finish_and_clear();
    match outcome {
        Some(outcome) => finished(outcome, output),
        None if !options.wait && broken_off.is_none() => {
            output.print(&accepted, || match accepted.run {
                Some(run) => format!("accepted as run {run}; `{FOLLOW}` tells how far it is, and how it ended"),
                None => format!("accepted; `{FOLLOW}` tells how far it is, and how it ended"),
            })?;
            Ok(ExitCode::SUCCESS)
        }
        None => Err(Failure::new(
            Kind::Failed,
            "outcome-unknown",
            match broken_off {
                Some(status) => format!(
                    "the coordinator was lost before the snapshot's outcome was known: {}",
                    status.message()
                ),
                None => "the coordinator hung up before the snapshot's outcome was known".to_owned(),
            },
        )
        .remedy("`maxbrod cluster status` and `maxbrod snapshot list` tell whether it was committed")),
    }
}

/// Ends the running snapshot without a commit.
pub async fn cancel(global: &Global, output: Output) -> Result<ExitCode> {
    let mut client = coordinator::connect(global).await?;
    let reply = client
        .cancel_snapshot(CancelSnapshotRequest {})
        .await
        .map_err(|status| coordinator::refused(&status))?
        .into_inner();
    output.print(&serde_json::json!({ "cancelled": reply.cancelled }), || {
        if reply.cancelled {
            "cancelled".to_owned()
        } else {
            "no snapshot was running".to_owned()
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn show(bar: &ProgressBar, progress: &SnapshotProgress) {
    let mut message = progress.stage.clone();
    if progress.partitions_total > 0 {
        message.push_str(&format!(
            " {}/{} partitions",
            progress.partitions_done, progress.partitions_total
        ));
    }
    if progress.bytes_total > 0 {
        message.push_str(&format!(
            " {} of {}",
            bytes(progress.bytes_done),
            bytes(progress.bytes_total)
        ));
    }
    if progress.attempt > 1 {
        message.push_str(&format!(" (attempt {})", progress.attempt));
    }
    bar.set_message(message);
}

fn finished(outcome: SnapshotOutcome, output: Output) -> Result<ExitCode> {
    if let Some(error) = outcome.error {
        return Err(Failure::new(Kind::Failed, &error.code, error.message).remedy(error.remedy));
    }
    let created = Created {
        id: outcome.id,
        consistency: outcome.consistency,
        run: outcome.run,
        duration_ms: outcome.duration_ms,
        freeze_ms: outcome.freeze_ms,
        new_bytes: outcome.new_bytes,
        read_bytes: outcome.read_bytes,
        logical_bytes: outcome.logical_bytes,
        partitions: outcome.partitions,
        gaps: outcome.gaps.into_iter().map(GapDocument::from).collect(),
        cut_back: outcome.cut_back.into_iter().map(CutBackDocument::from).collect(),
        notes: outcome.notes,
    };
    output.print(&created, || {
        let mut text = format!(
            "snapshot {}\n  consistency  {}\n  partitions   {}\n  holds        {} of log\n  read         {}\n  stored       {} new\n  took         {:.1} s (phases {} ms)\n",
            created.id,
            created.consistency,
            created.partitions,
            bytes(created.logical_bytes),
            bytes(created.read_bytes),
            bytes(created.new_bytes),
            created.duration_ms as f64 / 1000.0,
            created.freeze_ms,
        );
        for line in cut_back::lines(&created.cut_back) {
            text.push_str(&format!("  {line}\n"));
        }
        for note in &created.notes {
            text.push_str(&format!("  note         {note}\n"));
        }
        for gap in &created.gaps {
            text.push_str(&format!("  MISSING      {}: {} ({})\n", gap.what, gap.why, gap.remedy));
        }
        text
    })?;
    Ok(if created.gaps.is_empty() {
        ExitCode::SUCCESS
    } else {
        Kind::Incomplete.code()
    })
}
