//! Measures the numbers that maxbrod promises to hold, each against something else on the same machine.
//!
//! `cargo xtask bench` builds this and maxbrod's programs in release mode and runs it; results are kept under docs/benchmarks.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "what it measures is what it prints")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "measurements are no exact numbers"
)]

mod benchmarks;
mod content;
mod error;
mod house;
mod machine;
mod node_disk;
mod producer;
mod report;
mod row;
mod scene;
mod spread;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;

use benchmarks::{BENCHMARKS, Benchmark};
use report::Outcome;
use row::Verdict;
use scene::Scene;

/// Measures the numbers to hold, each as a ratio of two things measured in turn on this machine. Needs root: it drops caches.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Only benchmarks whose names contain one of these.
    names: Vec<String>,
    /// Names all benchmarks and what is not measured, and runs none.
    #[arg(long)]
    list: bool,
    /// Interleaved repetitions instead of each benchmark's own number.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    repeat: Option<u16>,
    /// Segments of the node in `many-segments`.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    segments: u32,
    /// Partitions of the cluster in `live-cluster`.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    partitions: i32,
    /// MiB that are backed up and restored.
    #[arg(long, value_name = "N", default_value_t = 2_048)]
    mebibytes: u64,
    /// Writes the results to this Markdown file, too.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Fails when a number is not held.
    #[arg(long)]
    strict: bool,
    /// Works in this directory, on whose disk it then measures, instead of the target directory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for benchmark in BENCHMARKS {
            println!("{}: {}", benchmark.name, benchmark.measures);
        }
        print!("{}", report::not_measured());
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<&Benchmark> = BENCHMARKS
        .iter()
        .filter(|one| is_chosen(one.name, &arguments.names))
        .collect();
    if chosen.is_empty() {
        eprintln!("error: no benchmark is named so; cargo xtask bench --list names all");
        return ExitCode::from(2);
    }
    let scene = scene(&arguments);
    let mut outcomes = Vec::new();
    for benchmark in chosen {
        eprintln!("== {}", benchmark.name);
        let outcome = Outcome {
            benchmark: benchmark.name,
            rows: (benchmark.run)(&scene).map_err(|error| error.to_string()),
        };
        print!("{}", report::lines(&outcome));
        outcomes.push(outcome);
    }
    print!("{}", report::not_measured());
    if let Some(path) = &arguments.out
        && let Err(error) = keep(path, &scene, &outcomes)
    {
        eprintln!("error: writing {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    let failed = outcomes.iter().any(|outcome| outcome.rows.is_err());
    let missed = outcomes
        .iter()
        .filter_map(|outcome| outcome.rows.as_ref().ok())
        .flatten()
        .any(|row| row.verdict != Verdict::Held);
    if failed || (arguments.strict && missed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn is_chosen(name: &str, filters: &[String]) -> bool {
    filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
}

fn scene(arguments: &Arguments) -> Scene {
    let executable = std::env::current_exe().unwrap_or_default();
    let bin = executable
        .parent()
        .map_or_else(|| PathBuf::from("target/release"), Path::to_owned);
    let directory = arguments.dir.clone().unwrap_or_else(|| {
        let target = bin.parent().map_or_else(|| PathBuf::from("target"), Path::to_owned);
        target.join("bench")
    });
    Scene {
        directory: std::path::absolute(&directory).unwrap_or(directory),
        bin,
        repeat: arguments.repeat.map(usize::from),
        segments: arguments.segments,
        partitions: arguments.partitions,
        mebibytes: arguments.mebibytes,
        kafka: std::env::var_os("MAXBROD_KAFKA").map(PathBuf::from),
    }
}

/// What to type to have it again: the paths of one machine help nobody on another.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo xtask bench".to_owned()];
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        if matches!(argument.as_str(), "--out" | "--dir") {
            arguments.next();
        } else if !argument.starts_with("--out=") && !argument.starts_with("--dir=") {
            words.push(argument);
        }
    }
    words.join(" ")
}

fn keep(path: &Path, scene: &Scene, outcomes: &[Outcome]) -> std::io::Result<()> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    let command = command(std::env::args().skip(1));
    let date = said("date", &["-u", "+%Y-%m-%dT%H:%MZ"]);
    let commit = said("git", &["rev-parse", "--short", "HEAD"]);
    let page = report::page(&command, &date, &commit, &machine::describe(&scene.directory), outcomes);
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, page)
}

#[cfg(test)]
mod tests {
    use super::{command, is_chosen};

    #[test]
    fn benchmarks_are_chosen_by_parts_of_their_names() {
        assert!(is_chosen("backup-compressed", &["compressed".to_owned()]));
        assert!(is_chosen("pinning", &[]));
        assert!(!is_chosen("pinning", &["backup".to_owned()]));
    }

    #[test]
    fn a_report_names_the_command_without_the_paths_of_its_machine() {
        let words = ["pinning", "--out", "/x/y.md", "--dir=/z", "--repeat", "3"];
        let typed = command(words.into_iter().map(str::to_owned));
        assert_eq!(typed, "cargo xtask bench pinning --repeat 3");
    }
}
