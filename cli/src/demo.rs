//! `maxbrod demo`: a real cluster under load, two snapshots, its destruction, its restore, and the proof.
//!
//! Uses the same executables and commands as an operator; everything lies in one directory.

mod proof;
mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use maxbrod_lab::LabError;

use crate::args::Demo;
use crate::exit::{Failure, Kind, Result};
use crate::output::Output;

/// Runs the demo on a thread of its own: the lab blocks.
pub async fn run(options: Demo, output: Output) -> Result<ExitCode> {
    let told = tokio::task::spawn_blocking(move || tell(&options, output)).await;
    told.unwrap_or_else(|panic| {
        Err(Failure::new(
            Kind::Failed,
            "demo",
            format!("the demo broke off: {panic}"),
        ))
    })
}

fn tell(options: &Demo, output: Output) -> Result<ExitCode> {
    let workplace = Workplace::prepare(options)?;
    let outcome = story::run(options, workplace.path());
    match &outcome {
        Ok(story) => output.print(story, || story.table())?,
        Err(_) => workplace.keep("the demo failed"),
    }
    if options.keep {
        workplace.keep("as asked");
    }
    let story = outcome?;
    Ok(if story.proof.is_clean() {
        ExitCode::SUCCESS
    } else {
        Kind::Integrity.code()
    })
}

/// The directory that the demo works in.
struct Workplace {
    path: PathBuf,
    temporary: Option<tempfile::TempDir>,
    kept: std::cell::Cell<bool>,
}

impl Workplace {
    fn prepare(options: &Demo) -> Result<Self> {
        let failed = |error: std::io::Error| {
            Failure::new(
                Kind::Failed,
                "demo",
                format!("making a directory for the demo: {error}"),
            )
        };
        match &options.dir {
            Some(path) => {
                std::fs::create_dir_all(path).map_err(failed)?;
                if std::fs::read_dir(path).map_err(failed)?.next().is_some() {
                    return Err(Failure::usage(format!("{} is not empty", path.display()))
                        .remedy("give --dir an empty or new directory"));
                }
                let path = std::path::absolute(path).map_err(failed)?;
                Ok(Self {
                    path,
                    temporary: None,
                    kept: std::cell::Cell::new(true),
                })
            }
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("maxbrod-demo-")
                    .tempdir()
                    .map_err(failed)?;
                Ok(Self {
                    path: temporary.path().to_owned(),
                    temporary: Some(temporary),
                    kept: std::cell::Cell::new(false),
                })
            }
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn keep(&self, why: &str) {
        self.kept.set(true);
        say(&format!("kept ({why}): {}", self.path.display()));
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Some(mut temporary) = self.temporary.take()
            && self.kept.get()
        {
            temporary.disable_cleanup(true);
        }
    }
}

/// Tells people what happens; standard output is for the result.
fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::new(Kind::Failed, error.code(), error.to_string())
    }
}
