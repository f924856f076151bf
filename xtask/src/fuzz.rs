//! `cargo xtask fuzz`: every parser of outside bytes under libFuzzer (fuzz/), guided by coverage.
//!
//! cargo-fuzz with the workspace's own compiler and no sanitizer: the code is safe Rust, so what is looked for are panics,
//! overflows, broken round trips, and allocations that a length field asks for, which the targets' allocator refuses.

mod seeds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::run as run_program;
use crate::workspace;

const VERSION: &str = "0.13.2";
const SECONDS: u32 = 60;
/// No parser needs longer inputs to be seen at work.
const LONGEST: u32 = 64 << 10;

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    targets: Vec<String>,
    seconds: u32,
    seed: Option<u32>,
    replay: Option<PathBuf>,
    list: bool,
}

/// Runs each target whose name contains one of the filters for `--seconds N` (60 by default); `--replay FILE` runs one input.
///
/// Every target is run, whatever fails before. What fails is kept under `fuzz/failures` with the command that replays it.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let request = parse(arguments)?;
    let directory = workspace::root().join("fuzz");
    let targets: Vec<String> = all(&directory)?
        .into_iter()
        .filter(|name| request.targets.is_empty() || request.targets.iter().any(|filter| name.contains(filter)))
        .collect();
    if request.list {
        targets.iter().for_each(|target| println!("{target}"));
        return Ok(());
    }
    if targets.is_empty() {
        return Err("no fuzz target is named so; cargo xtask fuzz --list names all".into());
    }
    let cargo_fuzz = installed()?;
    if let Some(input) = &request.replay {
        let [target] = targets.as_slice() else {
            return Err("--replay takes exactly one target".into());
        };
        let input = std::path::absolute(input).map_err(|error| error.to_string())?;
        return run_program(command(&cargo_fuzz, target).arg(input));
    }
    // What can't be built is no finding.
    let mut build = Command::new(&cargo_fuzz);
    prepare(&mut build, "build");
    if let [only] = targets.as_slice() {
        build.arg(only);
    }
    run_program(&mut build)?;
    let mut failed = Vec::new();
    for target in &targets {
        if !fuzz(&cargo_fuzz, &directory, target, &request)? {
            failed.push(target.as_str());
        }
    }
    println!("\n{} passed, {} failed", targets.len() - failed.len(), failed.len());
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("found something in: {}; see fuzz/failures", failed.join(", ")))
    }
}

/// Whether nothing was found.
fn fuzz(cargo_fuzz: &Path, directory: &Path, target: &str, request: &Request) -> Result<bool, String> {
    // What was learnt stays beside what was built: the next run begins there.
    let corpus = workspace::target().join("fuzz").join("corpus").join(target);
    let failures = directory.join("failures").join(target);
    for folder in [&corpus, &failures] {
        fs::create_dir_all(folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
    }
    seeds::lay_out(&workspace::root(), target, &corpus)?;
    let seed = request.seed.unwrap_or_else(|| std::process::id().max(1));
    println!("\n== {target}, seed {seed}");
    let mut command = command(cargo_fuzz, target);
    command.arg(&corpus).args([
        "--".to_owned(),
        format!("-seed={seed}"),
        format!("-max_total_time={}", request.seconds),
        format!("-max_len={LONGEST}"),
        format!("-artifact_prefix={}/", failures.display()),
        "-timeout=10".to_owned(),
        "-rss_limit_mb=2048".to_owned(),
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ]);
    if let Err(reason) = run_program(&mut command) {
        eprintln!("{reason}");
        for input in found(&failures)? {
            println!("to replay it: cargo xtask fuzz {target} --replay {}", input.display());
        }
        return Ok(false);
    }
    let _ = fs::remove_dir(&failures);
    Ok(true)
}

fn command(cargo_fuzz: &Path, target: &str) -> Command {
    let mut command = Command::new(cargo_fuzz);
    prepare(&mut command, "run").arg(target);
    command
}

/// `cargo fuzz`, with the compiler of the workspace, in a target directory of its own.
fn prepare<'a>(command: &'a mut Command, what: &str) -> &'a mut Command {
    command
        .current_dir(workspace::root())
        .args([what, "--sanitizer", "none", "--fuzz-dir", "fuzz", "--target-dir"])
        .arg(workspace::target().join("fuzz"))
}

/// The names of all targets.
fn all(directory: &Path) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = found(&directory.join("targets"))?
        .iter()
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn found(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("reading {}: {error}", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn installed() -> Result<PathBuf, String> {
    let tools = workspace::tools();
    let executable = tools.join("bin").join("cargo-fuzz");
    if !executable.is_file() {
        let install = ["install", "cargo-fuzz", "--version", VERSION, "--locked", "--root"];
        run_program(workspace::cargo().args(install).arg(&tools))?;
    }
    std::path::absolute(&executable).map_err(|error| error.to_string())
}

fn parse(arguments: &[String]) -> Result<Request, String> {
    let mut request = Request {
        targets: Vec::new(),
        seconds: SECONDS,
        seed: None,
        replay: None,
        list: false,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut number = |option: &str| {
            let number = arguments.next().and_then(|text| text.parse::<u32>().ok());
            number
                .filter(|number| *number > 0)
                .ok_or_else(|| format!("{option} takes a number above 0"))
        };
        match argument.as_str() {
            "--seconds" => request.seconds = number("--seconds")?,
            "--seed" => request.seed = Some(number("--seed")?),
            "--list" => request.list = true,
            "--replay" => request.replay = Some(arguments.next().ok_or("--replay takes a file")?.into()),
            option if option.starts_with('-') => return Err(format!("cargo xtask fuzz has no option {option}")),
            filter => request.targets.push(filter.to_owned()),
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::{Request, all, parse, seeds};
    use crate::workspace;

    fn parsed(arguments: &[&str]) -> Result<Request, String> {
        parse(
            &arguments
                .iter()
                .map(|&argument| argument.to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn options_and_targets_are_told_apart() {
        let request = parsed(&["batches", "--seconds", "5", "--seed", "7"]).unwrap();
        assert_eq!(
            (request.targets, request.seconds, request.seed),
            (vec!["batches".to_owned()], 5, Some(7))
        );
        assert!(parsed(&["--seconds", "0"]).is_err());
        assert!(parsed(&["--replay"]).is_err());
        assert!(parsed(&["--forever"]).is_err());
    }

    #[test]
    fn every_target_has_seeds_and_is_built() {
        let root = workspace::root();
        let manifest = std::fs::read_to_string(root.join("fuzz").join("Cargo.toml")).unwrap();
        let targets = all(&root.join("fuzz")).unwrap();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(
                manifest.contains(&format!("path = \"targets/{target}.rs\"")),
                "{target} is not built"
            );
            assert!(
                !seeds::of(&root, &target).unwrap().is_empty(),
                "{target} starts from nothing"
            );
        }
    }
}
