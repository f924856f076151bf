//! Why something could not be measured.

use std::io;
use std::path::{Path, PathBuf};

use maxbrod_lab::LabError;

/// What went wrong in a benchmark.
#[derive(Debug)]
pub(crate) enum BenchError {
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// A program ended with an error.
    Failed {
        program: String,
        said: String,
    },
    /// What was measured is not what was meant to be measured.
    Unexpected(String),
    Lab(LabError),
}

pub(crate) type Result<T, E = BenchError> = std::result::Result<T, E>;

impl BenchError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

impl std::fmt::Display for BenchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io { action, path, source } => write!(f, "{action} {}: {source}", path.display()),
            Self::Failed { program, said } => write!(f, "{program} failed: {said}"),
            Self::Unexpected(what) => f.write_str(what),
            Self::Lab(error) => error.fmt(f),
        }
    }
}

impl From<LabError> for BenchError {
    fn from(error: LabError) -> Self {
        Self::Lab(error)
    }
}
