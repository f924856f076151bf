//! `cargo xtask demo`: the whole story in one command.

use std::process::Command;

use crate::prerequisites;
use crate::run::run as run_program;
use crate::workspace;

/// Fetches Kafka, builds maxbrod and runs `maxbrod demo` with `arguments`.
///
/// The dev profile, in which what touches every byte is optimised anyway: a release build takes longer than the demo.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let kafka = prerequisites::kafka()?;
    run_program(workspace::cargo().args(["build", "--bins"]))?;
    let maxbrod = workspace::target().join("debug").join("maxbrod");
    run_program(
        Command::new(maxbrod)
            .arg("demo")
            .args(arguments)
            .env("MAXBROD_KAFKA", kafka.libs()),
    )
}
