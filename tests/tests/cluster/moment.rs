//! A snapshot under load is one moment of the whole cluster, whatever befalls it meanwhile.

use std::time::Duration;

use maxbrod_lab::{LabError, Verdict};
use maxbrod_tests::{Fault, Scene, Taken, Trial};
use serde_json::Value;

/// Restores a snapshot and judges it.
fn judge(scene: &Scene, trial: &mut Trial, taken: &Taken) -> Result<Verdict, LabError> {
    let verdict = trial.restore_and_judge(scene, taken)?;
    assert!(verdict.is_clean(), "{:?}, {}: {verdict}", taken.fault, taken.id);
    assert!(
        verdict.transactions > 50 && verdict.promised > 500 && verdict.offsets > 10,
        "this proves nothing: {verdict}"
    );
    Ok(verdict)
}

fn notes(taken: &Taken) -> Vec<&str> {
    let notes = taken.created.get("notes").and_then(Value::as_array);
    notes.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The hook has the offsets at which the snapshot is cut, and what it said is in the snapshot.
fn the_application_was_told(trial: &Trial, taken: &Taken) -> Result<(), LabError> {
    let run = taken.created.get("run").cloned().unwrap_or_default();
    let told: Vec<Value> = trial
        .told_to_hooks()
        .into_iter()
        .filter(|told| told.get("run") == Some(&run))
        .collect();
    let moments: Vec<&str> = told.iter().filter_map(|told| told.get("moment")?.as_str()).collect();
    assert_eq!(moments, ["start", "cut", "commit"], "of run {run}");
    let cuts = told.iter().filter_map(|told| told.get("cuts")?.as_array()).flatten();
    let cuts: Vec<(String, i64)> = cuts
        .map(|cut| {
            let (topic, partition) = (cut["topic"].as_str().unwrap_or_default(), &cut["partition"]);
            (format!("{topic}-{partition}"), cut["offset"].as_i64().unwrap_or(-1))
        })
        .collect();
    let shown = trial.programs.cuts(&taken.id)?;
    assert_eq!(cuts.len(), shown.len());
    for (partition, offset) in &shown {
        assert!(
            cuts.contains(&(partition.to_string(), *offset)),
            "{partition} is cut at {offset}"
        );
    }
    let commit = told.last().and_then(|told| told.get("snapshot")?.as_str());
    assert_eq!(commit, Some(taken.id.as_str()));
    let kept = trial.programs.maxbrod_ok(&["snapshot", "show", &taken.id])?;
    let kept = kept.get("hooks").and_then(Value::as_array).map(Vec::len);
    assert_eq!(kept, Some(2), "what it said at the start and at the cut");
    Ok(())
}

#[test]
fn transactions_and_offsets_are_whole_in_three_snapshots_one_with_a_broker_killed() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let mut trial = Trial::begin(&scene)?;
    std::thread::sleep(Duration::from_secs(6));
    let mut snapshots = Vec::new();
    for (fault, after) in [(Fault::None, 0), (Fault::Kill(2), 250), (Fault::MoveLeaders, 100)] {
        snapshots.push(trial.snapshot(fault, Duration::from_millis(after))?);
        std::thread::sleep(Duration::from_secs(2));
    }
    let last = snapshots.last().expect("three were taken");
    the_application_was_told(&trial, last)?;
    for taken in &snapshots {
        judge(&scene, &mut trial, taken)?;
    }
    // Producers with the transactional ids of old go on where they were, and so do the groups: what they add fits as well.
    trial.go_on(Duration::from_secs(5))?;
    let verdict = trial.judge(&scene, last)?;
    assert!(verdict.is_clean(), "after going on: {verdict}");
    trial.end()
}

#[test]
fn a_snapshot_finishes_and_is_whole_whatever_moves_meanwhile() -> Result<(), LabError> {
    let scene = Scene::new()?;
    let mut trial = Trial::begin(&scene)?;
    std::thread::sleep(Duration::from_secs(4));
    let topics = Fault::Several(vec![Fault::Create, Fault::Recreate, Fault::Delete, Fault::Grow]);
    let replicas = Fault::Several(vec![
        Fault::MoveLogDirs,
        Fault::Reassign,
        Fault::DeleteRecords,
        Fault::Compact,
    ]);
    let topics = trial.snapshot(topics, Duration::from_millis(150))?;
    let replicas = trial.snapshot(replicas, Duration::from_millis(100))?;
    let truncated = trial.snapshot(Fault::Truncate(1), Duration::ZERO)?;
    // A rolling restart, with a snapshot while each broker is away.
    let mut restarted = None;
    for node in 1..=3 {
        restarted = Some(trial.snapshot(Fault::Restart(node), Duration::from_millis(100))?);
    }
    trial.snapshot(Fault::ElectUncleanly, Duration::ZERO)?;
    let unclean = trial.snapshot(Fault::None, Duration::ZERO)?;
    assert!(
        notes(&unclean)
            .iter()
            .any(|note| note.contains("unclean-0") && note.contains("unclean election")),
        "{:?}",
        notes(&unclean)
    );
    trial.stop_load()?;
    for taken in [Some(topics), Some(replicas), Some(truncated), restarted, Some(unclean)]
        .into_iter()
        .flatten()
    {
        judge(&scene, &mut trial, &taken)?;
    }
    trial.end()
}
