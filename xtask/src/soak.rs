//! `cargo xtask soak`: the tests on real clusters again and again, with a report that is committed.
//!
//! Real clusters are never twice the same: where elections, rolls, cleanings and kills fall differs from round to round.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::artifacts::{self, Artifacts};
use crate::prerequisites::{self, Prepared};
use crate::run::{self, Ended};
use crate::tally::Tally;
use crate::test;
use crate::workspace;

const ROUNDS: u32 = 10;

/// How long a soak may take at most, per snapshot.
const PER_SNAPSHOT: Duration = Duration::from_secs(300);

/// What is soaked.
#[derive(Debug, PartialEq, Eq)]
enum Soak {
    /// Rounds of the end-to-end tests whose names contain one of the filters.
    Rounds { rounds: u32, filters: Vec<String> },
    /// Snapshots under full load while faults strike at random, each restored and judged.
    Snapshots { snapshots: u32, seed: u64 },
}

/// Soaks, and writes `docs/soak/<date>.md`. Everything is run, whatever fails before.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let soak = parse(arguments)?;
    let prepared = prerequisites::for_tests()?;
    let built = artifacts::build()?;
    let (table, summary, is_good) = match soak {
        Soak::Rounds { rounds, filters } => rounds_of_tests(rounds, &filters, &built, &prepared)?,
        Soak::Snapshots { snapshots, seed } => random_snapshots(snapshots, seed, &prepared)?,
    };
    let report = report(arguments, &table, &summary)?;
    println!("\nwritten: {report}\n\n{summary}");
    if is_good { Ok(()) } else { Err(String::new()) }
}

fn rounds_of_tests(
    rounds: u32,
    filters: &[String],
    built: &Artifacts,
    prepared: &Prepared,
) -> Result<(String, String, bool), String> {
    let test = built
        .tests
        .iter()
        .find(|test| test.package == "tests" && test.name == "cluster")
        .ok_or("the end-to-end tests (tests/tests/cluster) were not built")?;
    let mut sum = Tally::default();
    let mut table = "| round | passed | failed | time | trouble |\n|---|---|---|---|---|\n".to_owned();
    for round in 1..=rounds {
        println!("\n== round {round} of {rounds}");
        let begun = Instant::now();
        let (tally, trouble) = test::run_real(test, filters, prepared)?;
        let seconds = begun.elapsed().as_secs();
        let trouble = trouble.unwrap_or_else(|| "none".to_owned());
        writeln!(
            table,
            "| {round} | {} | {} | {seconds} s | {trouble} |",
            tally.passed, tally.failed
        )
        .map_err(|error| error.to_string())?;
        sum.add(tally);
    }
    if sum.passed + sum.failed == 0 {
        return Err("no test was run".into());
    }
    Ok((table, sum.to_string(), sum.failed == 0))
}

fn random_snapshots(snapshots: u32, seed: u64, prepared: &Prepared) -> Result<(String, String, bool), String> {
    let mut command = Command::new(workspace::target().join("debug").join("maxbrod-soak"));
    command.args([snapshots.to_string(), seed.to_string()]);
    command.envs(prepared.variables());
    let mut table = String::new();
    let ended = run::watch(&mut command, PER_SNAPSHOT.saturating_mul(snapshots), |line| {
        if line.starts_with('|') {
            table.push_str(line);
            table.push('\n');
        }
    })?;
    let rows = table.lines().skip(2).count();
    let clean = table.lines().filter(|line| line.ends_with("| none |")).count();
    let success = matches!(ended, Ended::Status { success: true, .. });
    let is_good = success && u32::try_from(clean) == Ok(snapshots);
    let summary = format!("seed {seed}: {clean} of {snapshots} snapshots without a violation, {rows} rows");
    Ok((table, summary, is_good))
}

fn parse(arguments: &[String]) -> Result<Soak, String> {
    let (mut rounds, mut snapshots, mut seed) = (None, None, None);
    let mut filters = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = |what: &str| {
            let number: Option<u64> = arguments.next().and_then(|text| text.parse().ok());
            number.ok_or(format!("{argument} takes {what}"))
        };
        match argument.as_str() {
            "--rounds" => rounds = Some(above_zero(number("a number above 0")?)?),
            "--snapshots" => snapshots = Some(above_zero(number("a number above 0")?)?),
            "--seed" => seed = Some(number("a number")?),
            option if option.starts_with('-') => return Err(format!("cargo xtask soak has no option {option}")),
            filter => filters.push(filter.to_owned()),
        }
    }
    match (snapshots, rounds, filters.is_empty()) {
        (Some(snapshots), None, true) => Ok(Soak::Snapshots {
            snapshots,
            seed: seed.unwrap_or(1),
        }),
        (Some(_), _, _) => Err("--snapshots goes with --seed only".into()),
        (None, _, _) if seed.is_some() => Err("--seed goes with --snapshots only".into()),
        (None, rounds, _) => Ok(Soak::Rounds {
            rounds: rounds.unwrap_or(ROUNDS),
            filters,
        }),
    }
}

fn above_zero(number: u64) -> Result<u32, String> {
    u32::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("{number} is not a number above 0 and below 2³²"))
}

fn report(arguments: &[String], table: &str, summary: &str) -> Result<String, String> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(workspace::root())
            .output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    let (date, commit) = (
        said("date", &["-u", "+%Y-%m-%dT%H%MZ"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
    );
    let machine = said("uname", &["-srm"]);
    let command = ["cargo xtask soak"]
        .into_iter()
        .chain(arguments.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join(" ");
    let text = format!(
        "# Soak of {date}\n\n`{command}` at {commit} on {machine}, {} processors: {summary}.\n\n{table}",
        std::thread::available_parallelism().map_or(0, usize::from),
    );
    let folder = workspace::root().join("docs").join("soak");
    let path = folder.join(format!("{date}.md"));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| format!("writing {}: {error}", path.display()))?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::{Soak, parse};

    fn parsed(arguments: &[&str]) -> Result<Soak, String> {
        parse(
            &arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn rounds_and_filters_are_told_apart() {
        let rounds = |rounds, filters: &[&str]| {
            let filters = filters.iter().map(|&filter| filter.to_owned()).collect();
            Ok(Soak::Rounds { rounds, filters })
        };
        assert_eq!(parsed(&["--rounds", "3", "killed"]), rounds(3, &["killed"]));
        assert_eq!(parsed(&[]), rounds(10, &[]));
    }

    #[test]
    fn random_snapshots_have_a_number_and_a_seed() {
        let snapshots = |snapshots, seed| Ok(Soak::Snapshots { snapshots, seed });
        assert_eq!(parsed(&["--snapshots", "40", "--seed", "7"]), snapshots(40, 7));
        assert_eq!(parsed(&["--snapshots", "40"]), snapshots(40, 1));
        assert!(parsed(&["--snapshots", "40", "killed"]).is_err());
        assert!(parsed(&["--seed", "7"]).is_err());
    }

    #[test]
    fn a_soak_of_nothing_is_refused() {
        assert!(parsed(&["--rounds", "0"]).is_err());
        assert!(parsed(&["--rounds"]).is_err());
        assert!(parsed(&["--snapshots", "0"]).is_err());
        assert!(parsed(&["--forever"]).is_err());
    }
}
