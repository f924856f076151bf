//! `cargo xtask package`: what an operator unpacks.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::run as run_program;
use crate::workspace;

const EXECUTABLES: [&str; 3] = ["maxbrod", "maxbrod-agent", "maxbrod-coordinator"];
/// Taken along as they are, where they exist and are not empty.
const BESIDE: [&str; 5] = ["README.md", "LICENSE", "docs", "systemd", "packaging"];

/// Builds in release mode and packs executables, manual pages, completions and documents into a tar.gz.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.first() {
        return Err(format!("cargo xtask package takes no argument, not {unknown}"));
    }
    run_program(workspace::cargo().args(["build", "--release", "--bins"]))?;
    let name = format!("maxbrod-{}-{}-linux", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let packages = workspace::target().join("package");
    let directory = packages.join(&name);
    if directory.exists() {
        fs::remove_dir_all(&directory).map_err(|error| format!("removing {}: {error}", directory.display()))?;
    }
    let bin = directory.join("bin");
    make(&bin)?;
    for executable in EXECUTABLES {
        let from = workspace::target().join("release").join(executable);
        fs::copy(&from, bin.join(executable)).map_err(|error| format!("copying {}: {error}", from.display()))?;
    }
    manual(&bin.join("maxbrod"), &directory)?;
    for beside in BESIDE {
        let from = workspace::root().join(beside);
        let is_something = from.is_file() || fs::read_dir(&from).is_ok_and(|mut entries| entries.next().is_some());
        if is_something {
            run_program(Command::new("cp").arg("--recursive").arg(&from).arg(&directory))?;
        }
    }
    let archive = packages.join(format!("{name}.tar.gz"));
    run_program(
        Command::new("tar")
            .args(["--create", "--gzip", "--owner=0", "--group=0", "--sort=name", "--file"])
            .arg(&archive)
            .arg("--directory")
            .arg(&packages)
            .arg(&name),
    )?;
    println!("{}", archive.display());
    Ok(())
}

fn manual(maxbrod: &Path, directory: &Path) -> Result<(), String> {
    let man = directory.join("man");
    make(&man)?;
    run_program(Command::new(maxbrod).args(["man", "--dir"]).arg(&man))?;
    let completions = directory.join("completions");
    make(&completions)?;
    for shell in ["bash", "fish", "zsh"] {
        let output = Command::new(maxbrod)
            .args(["completions", shell])
            .output()
            .map_err(|error| format!("running {}: {error}", maxbrod.display()))?;
        if !output.status.success() {
            return Err(format!("maxbrod completions {shell}: {}", output.status));
        }
        let file = completions.join(format!("maxbrod.{shell}"));
        fs::write(&file, output.stdout).map_err(|error| format!("writing {}: {error}", file.display()))?;
    }
    Ok(())
}

fn make(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("making {}: {error}", directory.display()))
}
