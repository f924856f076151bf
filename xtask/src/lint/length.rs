//! No file longer than a reader's patience.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace;

const LONGEST: usize = 800;

/// Fails if a Rust or Java source has more than 800 lines.
pub(super) fn check() -> Result<(), String> {
    let root = workspace::root();
    let mut long = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for path in children(&directory)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    directories.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".java") {
                let text = fs::read_to_string(&path).map_err(|error| format!("reading {}: {error}", path.display()))?;
                let lines = text.lines().count();
                if lines > LONGEST {
                    long.push(format!(
                        "{} has {lines} lines",
                        path.strip_prefix(&root).unwrap_or(&path).display()
                    ));
                }
            }
        }
    }
    if long.is_empty() {
        Ok(())
    } else {
        Err(format!("more than {LONGEST} lines: {}", long.join(", ")))
    }
}

fn children(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("reading {}: {error}", directory.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}
