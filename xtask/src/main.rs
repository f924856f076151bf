//! The workspace's own tasks: `cargo xtask demo | test | soak | bench | lint | package | fuzz`.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a task's result is what it prints")]

mod artifacts;
mod bench;
mod demo;
mod fuzz;
mod lint;
mod package;
mod prerequisites;
mod run;
mod soak;
mod tally;
mod test;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask demo [ARGS OF maxbrod demo]    a real cluster under load: snapshot, destroy, restore, compare
cargo xtask test [--fast|--real] [FILTER]  every test, fast ones first, then those on real clusters one at a time
cargo xtask lint                           formatting, clippy, documentation, licences, file lengths
cargo xtask package                        a release build as a tar.gz under target/package
cargo xtask soak [--rounds N] [FILTER]     the end-to-end tests on real clusters again and again, with a report
cargo xtask soak --snapshots N [--seed S]  snapshots under full load while faults strike, each restored and judged
cargo xtask bench [NAME…] [--help]         the numbers to hold, each measured against something else on this machine
cargo xtask fuzz [TARGET…] [--seconds N]   every parser of outside bytes under libFuzzer; --list, --replay FILE, --seed N";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match arguments.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("help", arguments.as_slice()),
    };
    let outcome = match task {
        "demo" => demo::run(rest),
        "test" => test::run(rest),
        "lint" => lint::run(rest),
        "package" => package::run(rest),
        "soak" => soak::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(format!("there is no task {other}\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // A task that has said it all itself fails without a reason.
            if !reason.is_empty() {
                eprintln!("error: {reason}");
            }
            ExitCode::FAILURE
        }
    }
}
