//! A snapshot under load is one moment of the whole cluster, whatever befalls it meanwhile.

use std::time::Duration;

use maxbrod_lab::LabError;
use maxbrod_tests::{Fault, Scene, Taken, Trial};

/// Snapshots, each restored and judged.
fn three_moments(faults: [(Fault, u64); 3]) -> Result<(), LabError> {
    let scene = Scene::new()?;
    let mut trial = Trial::begin(&scene)?;
    std::thread::sleep(Duration::from_secs(6));
    let mut snapshots = Vec::new();
    for (fault, after) in faults {
        snapshots.push(trial.snapshot(fault, Duration::from_millis(after))?);
        std::thread::sleep(Duration::from_secs(2));
    }
    trial.stop_load()?;
    for taken in &snapshots {
        judge(&scene, &mut trial, taken)?;
    }
    trial.end()
}

fn judge(scene: &Scene, trial: &mut Trial, taken: &Taken) -> Result<(), LabError> {
    let verdict = trial.restore_and_judge(scene, taken)?;
    assert!(verdict.is_clean(), "{:?}, {}: {verdict}", taken.fault, taken.id);
    assert!(
        verdict.transactions > 50 && verdict.promised > 500 && verdict.offsets > 10,
        "this proves nothing: {verdict}"
    );
    Ok(())
}

#[test]
fn transactions_and_offsets_are_whole_in_three_snapshots_one_with_a_broker_killed() -> Result<(), LabError> {
    three_moments([(Fault::None, 0), (Fault::Kill(2), 250), (Fault::MoveLeaders, 100)])
}
