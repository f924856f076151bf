//! Licences, sources and known vulnerabilities of dependencies, by cargo-deny (deny.toml).

use std::path::PathBuf;
use std::process::Command;

use crate::run::run;
use crate::workspace;

const VERSION: &str = "0.20.2";

/// Checks bans, licences and sources, and advisories where their database can be had.
pub(super) fn check() -> Result<(), String> {
    let deny = installed()?;
    let command = || {
        let mut command = Command::new(&deny);
        command.current_dir(workspace::root()).arg("--workspace");
        command
    };
    run(command().args(["check", "bans", "licenses", "sources"]))?;
    // The database is a git repository elsewhere, which not every machine may reach.
    match run(command().args(["fetch", "db"])) {
        Ok(()) => run(command().args(["check", "--disable-fetch", "advisories"])),
        Err(reason) => {
            eprintln!("WARNING: advisories are NOT CHECKED, their database could not be fetched: {reason}");
            Ok(())
        }
    }
}

fn installed() -> Result<PathBuf, String> {
    let tools = workspace::tools();
    let executable = tools.join("bin").join("cargo-deny");
    if !executable.is_file() {
        let install = ["install", "cargo-deny", "--version", VERSION, "--locked", "--root"];
        run(workspace::cargo().args(install).arg(&tools))?;
    }
    Ok(executable)
}
