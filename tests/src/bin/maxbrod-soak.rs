//! Takes snapshots of a cluster under full load while faults strike at random, restores each and judges it.
//!
//! Run by `cargo xtask soak --snapshots N [--seed S]`. Prints one row of a Markdown table per snapshot; exits 1 if any snapshot
//! was not one moment of the cluster, or none could be taken.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the rows are the result")]

use std::process::ExitCode;
use std::time::Duration;

use maxbrod_lab::LabError;
use maxbrod_tests::{Fault, Scene, Taken, Trial};

/// Snapshots of one cluster before the next one is booted: faults add up meanwhile.
const OF_ONE_CLUSTER: u32 = 10;

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let [snapshots, seed] = arguments.as_slice() else {
        eprintln!("usage: soak SNAPSHOTS SEED");
        return ExitCode::from(2);
    };
    let mut chance = Chance(*seed);
    let (mut left, mut bad, mut number) = (u32::try_from(*snapshots).unwrap_or(u32::MAX), 0, 0);
    println!("| n | fault | after | level | phases | cut back | judged | violations |");
    println!("|---|---|---|---|---|---|---|---|");
    while left > 0 {
        let batch = left.min(OF_ONE_CLUSTER);
        match soak(batch, &mut chance, &mut number) {
            Ok(violations) => bad += violations,
            Err(error) => {
                // The cluster itself may not have survived what was done to it; the row says so, and it counts.
                println!("| – | – | – | – | – | – | – | {} |", one_line(&error.to_string()));
                bad += 1;
            }
        }
        left -= batch;
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes so many snapshots of one cluster and judges them; returns how many were not one moment.
fn soak(snapshots: u32, chance: &mut Chance, number: &mut u32) -> Result<u32, LabError> {
    let scene = Scene::new()?;
    let mut trial = Trial::begin(&scene)?;
    let mut taken = Vec::new();
    for _ in 0..snapshots {
        std::thread::sleep(Duration::from_millis(chance.below(4_000)));
        let (fault, after) = chance.fault();
        taken.push((trial.snapshot(fault, after)?, after));
    }
    trial.stop_load()?;
    let mut bad = 0;
    for (taken, after) in &taken {
        *number += 1;
        bad += u32::from(!row(&scene, &mut trial, taken, *after, *number)?);
    }
    trial.end()?;
    Ok(bad)
}

fn row(scene: &Scene, trial: &mut Trial, taken: &Taken, after: Duration, number: u32) -> Result<bool, LabError> {
    let verdict = trial.restore_and_judge(scene, taken)?;
    let violations = match verdict.problems.as_slice() {
        [] => "none".to_owned(),
        problems => one_line(&format!("{}: {verdict}", problems.len())),
    };
    println!(
        "| {number} | {:?} | {} ms | {} | {} ms | {} | {} transactions, {} outputs, {} promised, {} offsets | {violations} |",
        taken.fault,
        after.as_millis(),
        taken.consistency(),
        taken.freeze_ms(),
        taken.cut_back(),
        verdict.transactions,
        verdict.outputs,
        verdict.promised,
        verdict.offsets,
    );
    Ok(verdict.is_clean())
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "/")
}

/// A reproducible choice of what happens when (SplitMix64). What the cluster makes of it is never twice the same.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// Half of the time one of the four that hurt most.
    fn fault(&mut self) -> (Fault, Duration) {
        let node = 1 + i32::try_from(self.below(3)).unwrap_or(0);
        let fault = match self.below(16) {
            0 | 1 => Fault::Kill(node),
            2 | 3 => Fault::MoveLeaders,
            4 | 5 => Fault::Recreate,
            6 | 7 => Fault::Truncate(node),
            8 => Fault::Restart(node),
            9 => Fault::Grow,
            10 => Fault::DeleteRecords,
            11 => Fault::MoveLogDirs,
            12 => Fault::Reassign,
            _ => Fault::None,
        };
        (fault, Duration::from_millis(self.below(900)))
    }
}
