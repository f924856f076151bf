//! `cargo xtask soak`: the tests on real clusters again and again, with a report that is committed.
//!
//! Real clusters are never twice the same: where elections, rolls, cleanings and kills fall differs from round to round.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Instant;

use crate::artifacts;
use crate::prerequisites;
use crate::tally::Tally;
use crate::test;
use crate::workspace;

const ROUNDS: u32 = 10;

/// Runs `--rounds N` rounds (10 by default) of the end-to-end tests whose names contain one of the filters, and writes
/// `docs/soak/<date>.md`. Every round is run, whatever fails before.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let (rounds, filters) = parse(arguments)?;
    let prepared = prerequisites::for_tests()?;
    let built = artifacts::build()?;
    let test = built
        .tests
        .iter()
        .find(|test| test.package == "tests" && test.name == "cluster")
        .ok_or("the end-to-end tests (tests/tests/cluster) were not built")?;
    let mut sum = Tally::default();
    let mut rows = String::new();
    for round in 1..=rounds {
        println!("\n== round {round} of {rounds}");
        let begun = Instant::now();
        let (tally, trouble) = test::run_real(test, &filters, &prepared)?;
        let seconds = begun.elapsed().as_secs();
        let trouble = trouble.unwrap_or_else(|| "none".to_owned());
        writeln!(
            rows,
            "| {round} | {} | {} | {seconds} s | {trouble} |",
            tally.passed, tally.failed
        )
        .map_err(|error| error.to_string())?;
        sum.add(tally);
    }
    if sum.passed + sum.failed == 0 {
        return Err("no test was run".into());
    }
    let report = report(arguments, &rows, sum)?;
    println!("\nwritten: {report}\n\n{sum}");
    if sum.failed == 0 { Ok(()) } else { Err(String::new()) }
}

fn parse(arguments: &[String]) -> Result<(u32, Vec<String>), String> {
    let mut rounds = ROUNDS;
    let mut filters = Vec::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => {
                let number = arguments
                    .next()
                    .and_then(|text| text.parse().ok())
                    .filter(|rounds| *rounds > 0);
                rounds = number.ok_or("--rounds takes a number above 0")?;
            }
            option if option.starts_with('-') => return Err(format!("cargo xtask soak has no option {option}")),
            filter => filters.push(filter.to_owned()),
        }
    }
    Ok((rounds, filters))
}

fn report(arguments: &[String], rows: &str, sum: Tally) -> Result<String, String> {
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
        "# Soak of {date}\n\n`{command}` at {commit} on {machine}, {} processors: {sum}.\n\n\
         | round | passed | failed | time | trouble |\n|---|---|---|---|---|\n{rows}",
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
    use super::parse;

    fn parsed(arguments: &[&str]) -> Result<(u32, Vec<String>), String> {
        parse(
            &arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn rounds_and_filters_are_told_apart() {
        assert_eq!(parsed(&["--rounds", "3", "killed"]), Ok((3, vec!["killed".to_owned()])));
        assert_eq!(parsed(&[]), Ok((10, Vec::new())));
    }

    #[test]
    fn a_soak_without_rounds_is_refused() {
        assert!(parsed(&["--rounds", "0"]).is_err());
        assert!(parsed(&["--rounds"]).is_err());
        assert!(parsed(&["--forever"]).is_err());
    }
}
