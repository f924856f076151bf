//! `cargo xtask test`: every test, the ones on real clusters included.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::artifacts::{self, TestExecutable};
use crate::prerequisites::{self, Prepared};
use crate::run::{self, Ended};
use crate::tally::Tally;
use crate::workspace;

/// A fast executable that takes longer hangs.
const FAST: Duration = Duration::from_secs(600);
/// All tests of one executable on real clusters.
const REAL: Duration = Duration::from_secs(1_800);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fast,
    Real,
}

/// Fetches what is missing, builds once, runs everything, and ends with the line `N passed, N failed`.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut kinds = vec![Kind::Fast, Kind::Real];
    let mut filters = Vec::new();
    for argument in arguments {
        match argument.as_str() {
            "--fast" => kinds.retain(|&kind| kind == Kind::Fast),
            "--real" => kinds.retain(|&kind| kind == Kind::Real),
            option if option.starts_with('-') => return Err(format!("cargo xtask test has no option {option}")),
            filter => filters.push(filter.to_owned()),
        }
    }
    let begun = Instant::now();
    let prepared = prerequisites::for_tests()?;
    let built = artifacts::build()?;
    eprintln!("built after {} s", begun.elapsed().as_secs());

    let mut sum = Tally::default();
    let mut failures = Vec::new();
    for kind in kinds {
        for test in &built.tests {
            let Some(selected) = select(test, kind, &filters)? else {
                continue;
            };
            let (tally, trouble) = run_one(test, kind, &selected, &prepared)?;
            failures.extend(trouble);
            sum.add(tally);
        }
        if kind == Kind::Fast && filters.is_empty() {
            let (tally, trouble) = run_examples_in_documentation()?;
            failures.extend(trouble);
            sum.add(tally);
        }
    }
    for failure in &failures {
        eprintln!("failed: {failure}");
    }
    eprintln!("done after {} s", begun.elapsed().as_secs());
    if sum.passed + sum.failed == 0 {
        return Err("no test was run".into());
    }
    // The last line of all, which machines read.
    println!("\n{sum}");
    if sum.failed == 0 { Ok(()) } else { Err(String::new()) }
}

/// The arguments that choose an executable's tests of this kind; `None`: it has none.
fn select(test: &TestExecutable, kind: Kind, filters: &[String]) -> Result<Option<Vec<String>>, String> {
    let Some(real) = test.real_among_fast() else {
        return Ok((test.is_real() == (kind == Kind::Real)).then(|| filters.to_vec()));
    };
    let mut arguments = filters.to_vec();
    if kind == Kind::Fast {
        arguments.extend(["--skip".to_owned(), real.to_owned()]);
        return Ok(Some(arguments));
    }
    // Of several filters libtest takes any, so those that fit both are given by their names.
    let listed = Command::new(&test.executable)
        .args(["--list", "--format=terse", real])
        .output()
        .map_err(|error| format!("running {}: {error}", test.executable.display()))?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let mut names: Vec<String> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())))
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        if filters.is_empty() {
            return Err(format!("{} has no test named {real}…", test.executable.display()));
        }
        return Ok(None);
    }
    names.push("--exact".to_owned());
    Ok(Some(names))
}

/// Runs an executable of tests on real clusters.
pub(crate) fn run_real(
    test: &TestExecutable,
    filters: &[String],
    prepared: &Prepared,
) -> Result<(Tally, Option<String>), String> {
    run_one(test, Kind::Real, filters, prepared)
}

fn run_one(
    test: &TestExecutable,
    kind: Kind,
    selected: &[String],
    prepared: &Prepared,
) -> Result<(Tally, Option<String>), String> {
    let directory = workspace::root().join(&test.package);
    println!("\n== {}: {}", test.package, test.name);
    let mut command = Command::new(&test.executable);
    command
        .args(selected)
        .current_dir(&directory)
        .env("CARGO_MANIFEST_DIR", &directory);
    command.envs(prepared.variables());
    if kind == Kind::Real {
        command.args(["--test-threads=1", "--nocapture"]);
    }
    if prepared.suffices(&test.package) {
        command.arg("--include-ignored");
    }
    let timeout = if kind == Kind::Real { REAL } else { FAST };
    observe(
        &mut command,
        timeout,
        &format!("{}: {}", test.package, test.name),
        false,
    )
}

fn run_examples_in_documentation() -> Result<(Tally, Option<String>), String> {
    println!("\n== examples in documentation");
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--doc", "--quiet"]);
    // A package without examples prints nothing.
    observe(&mut cargo, FAST, "examples in documentation", true)
}

/// Runs a test executable; one that crashed or hung, or ended without a result where it must have one, counts as one failed test
/// more.
fn observe(
    command: &mut Command,
    timeout: Duration,
    name: &str,
    may_be_silent: bool,
) -> Result<(Tally, Option<String>), String> {
    let mut tally = Tally::default();
    let mut finished = false;
    let ended = run::watch(command, timeout, |line| {
        if let Some(counted) = Tally::of_line(line) {
            tally.add(counted);
            finished = true;
        }
    })?;
    let trouble = match ended {
        Ended::Status { success: true, .. } if (finished || may_be_silent) && tally.failed == 0 => None,
        Ended::Status { .. } if tally.failed > 0 => Some(format!("{name}: {} tests", tally.failed)),
        Ended::Status { shown, .. } => {
            tally.failed += 1;
            Some(format!("{name}: {shown}"))
        }
        Ended::TimedOut => {
            tally.failed += 1;
            Some(format!("{name}: killed after {} s", timeout.as_secs()))
        }
    };
    Ok((tally, trouble))
}
