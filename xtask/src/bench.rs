//! `cargo xtask bench`: the numbers to hold, measured (bench/).

use std::process::Command;

use crate::prerequisites;
use crate::run::run as run_program;
use crate::workspace;

/// Fetches Kafka, builds maxbrod and its benchmarks in release mode, and runs them with `arguments`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let kafka = prerequisites::kafka()?;
    let packages = ["maxbrod", "maxbrod-agent", "maxbrod-coordinator", "maxbrod-bench"];
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--release", "--bins"]);
    run_program(
        packages
            .iter()
            .fold(&mut cargo, |cargo, package| cargo.args(["-p", package])),
    )?;
    let bench = workspace::target().join("release").join("maxbrod-bench");
    run_program(
        Command::new(bench)
            .args(arguments)
            .current_dir(workspace::root())
            .env("MAXBROD_KAFKA", kafka.libs()),
    )
}
