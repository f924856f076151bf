//! What a fuzzer starts from: files that a real broker wrote, and `fuzz/seeds`.

use std::fs;
use std::path::{Path, PathBuf};

/// Larger files teach a fuzzer nothing that smaller ones don't, and cost it time.
const LARGEST: u64 = 64 << 10;

/// Copies a target's seeds into its corpus.
pub(super) fn lay_out(root: &Path, target: &str, corpus: &Path) -> Result<(), String> {
    for (number, seed) in of(root, target)?.iter().enumerate() {
        let to = corpus.join(format!("seed-{number}"));
        fs::copy(seed, &to).map_err(|error| format!("copying {}: {error}", seed.display()))?;
    }
    Ok(())
}

/// The files that a target starts from.
pub(super) fn of(root: &Path, target: &str) -> Result<Vec<PathBuf>, String> {
    let fixtures = root.join("kafka").join("tests").join("fixtures");
    let mut seeds = Vec::new();
    for directory in [fixtures, root.join("fuzz").join("seeds").join(target)] {
        let of_target = directory.starts_with(root.join("fuzz"));
        let mut directories = vec![directory];
        while let Some(directory) = directories.pop() {
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    directories.push(path);
                } else if (of_target || suits(target, &path)) && length(&path)? <= LARGEST {
                    seeds.push(path);
                }
            }
        }
    }
    seeds.sort();
    Ok(seeds)
}

fn length(path: &Path) -> Result<u64, String> {
    let metadata = fs::metadata(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    Ok(metadata.len())
}

/// Whether a broker's file is of the kind that a target reads.
fn suits(target: &str, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let is_metadata = path.iter().any(|part| part == "__cluster_metadata-0");
    match target {
        "batches" | "rebuild" => extension == "log",
        "metadata_segment" => extension == "log" && is_metadata,
        "metadata_checkpoint" => extension == "checkpoint",
        "indexes" => matches!(extension.as_ref(), "index" | "timeindex" | "txnindex"),
        "producer_snapshot" => extension == "snapshot",
        "checkpoint_files" => {
            name.ends_with("-checkpoint") || name == "partition.metadata" || name.starts_with(".kafka")
        }
        "properties" => extension == "properties" || name == "quorum-state",
        _ => false,
    }
}
