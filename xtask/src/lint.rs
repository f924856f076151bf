//! `cargo xtask lint`: everything that can be said about the code without running it.

mod deny;
mod length;

use crate::run::run as run_program;
use crate::workspace;

type Check = (&'static str, fn() -> Result<(), String>);

/// Runs all checks, and fails if any of them does.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.first() {
        return Err(format!("cargo xtask lint takes no argument, not {unknown}"));
    }
    let checks: [Check; 5] = [
        ("formatting", || {
            run_program(workspace::cargo().args(["fmt", "--all", "--check", "--", "--files-with-diff"]))
        }),
        ("file lengths", length::check),
        ("clippy", || {
            let clippy = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ];
            run_program(workspace::cargo().args(clippy))
        }),
        ("documentation", || {
            let doc = ["doc", "--workspace", "--no-deps", "--quiet"];
            run_program(workspace::cargo().args(doc).env("RUSTDOCFLAGS", "-D warnings"))
        }),
        ("dependencies", deny::check),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        eprintln!("== {name}");
        if let Err(reason) = check() {
            eprintln!("{reason}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("lint found something in: {}", failed.join(", ")))
    }
}
