//! `maxbrod completions` and `maxbrod man`: made from the definitions of the command line itself.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::Cli;
use crate::exit::{Failure, Kind, Result};
use crate::output::write_stdout;

/// Prints a shell's completion script.
pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "maxbrod", &mut script);
    write_stdout(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page, or writes one page per command into `dir`.
pub fn man(dir: Option<&Path>) -> Result<ExitCode> {
    let command = Cli::command();
    match dir {
        Some(dir) => {
            let failed = |error| {
                Failure::new(
                    Kind::Failed,
                    "man",
                    format!("writing manual pages to {}: {error}", dir.display()),
                )
            };
            std::fs::create_dir_all(dir).map_err(failed)?;
            clap_mangen::generate_to(command, dir).map_err(failed)?;
        }
        None => {
            let mut page = Vec::new();
            Man::new(command)
                .render(&mut page)
                .map_err(|error| Failure::new(Kind::Failed, "man", format!("rendering the manual page: {error}")))?;
            write_stdout(&page)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
