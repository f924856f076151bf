//! Pinning many segments against a loop that only links them.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use maxbrod_agent::{Config, PinRehearsal};
use rustix::fs::{AtFlags, Mode, OFlags};

use crate::content::{BatchShape, Content};
use crate::error::{BenchError, Result};
use crate::machine;
use crate::node_disk::{NodeDisk, TopicShape};
use crate::row::{Row, Unit};
use crate::scene::Scene;
use crate::spread::Pairs;

const LIMIT: f64 = 2.5;
const PARTITIONS: i32 = 100;
const SEGMENTS: u32 = 100;
const REPEAT: usize = 15;

pub(super) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let directory = scene.directory("pinning")?;
    let topic = TopicShape {
        name: "topic",
        partitions: PARTITIONS,
        segments: SEGMENTS,
        batches: 1,
        batch: BatchShape {
            records: 1,
            value_bytes: 100,
            content: Content::Noise,
        },
    };
    let disk = NodeDisk::write(directory.path(), &[topic])?;
    let text = format!(
        "coordinator = \"http://127.0.0.1:1\"\ninsecure = true\nstate_dir = \"{}\"\n[kafka]\nserver_properties = \"{}\"\n",
        directory.path().join("state").display(),
        disk.server_properties.display()
    );
    let config = Config::parse(&text, &directory.path().join("agent.toml"))
        .map_err(|error| BenchError::Unexpected(error.to_string()))?;
    // A listing counts as fresh only when the directory has not changed for a while before it.
    std::thread::sleep(Duration::from_secs(2));
    let io = |source| BenchError::io("pinning the segments in", directory.path(), source);
    let rehearsal = PinRehearsal::new(&config).map_err(io)?;
    let names = segments(&disk.log_dir).map_err(io)?;
    let links = directory.path().join("links");
    let mut pairs = Pairs::default();
    let mut pinned = 0;
    for round in 0..=scene.repeat(REPEAT) {
        rustix::fs::sync();
        let begun = Instant::now();
        pinned = rehearsal.pin().map_err(io)?;
        let ours = begun.elapsed();
        rehearsal.release();
        rustix::fs::sync();
        let theirs = link_all(&names, &links).map_err(io)?;
        // The first round fills the caches, for both.
        if round > 0 {
            pairs.push(ours.as_secs_f64(), theirs.as_secs_f64());
        }
    }
    machine::sync(directory.path())?;
    let what = format!(
        "pinning {} segments (open, statx, linkat, and the set unchanged)",
        disk.segments
    );
    let row = Row::ratio(&what, "a bare linkat loop over them", &pairs, Unit::Seconds, LIMIT);
    Ok(vec![row.note(format!(
        "{pinned} files, for the newest producer snapshots are pinned as well; one thread, caches warm"
    ))])
}

/// Each partition's directory and the names of its segments.
fn segments(log_dir: &Path) -> std::io::Result<Vec<(std::path::PathBuf, Vec<String>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(log_dir)? {
        let path = entry?.path();
        if !path.is_dir() || path.ends_with("__cluster_metadata-0") {
            continue;
        }
        let mut names = Vec::new();
        for entry in fs::read_dir(&path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".log") {
                names.push(name);
            }
        }
        found.push((path, names));
    }
    Ok(found)
}

/// Links all segments by their names into one directory, and removes that afterwards.
fn link_all(partitions: &[(std::path::PathBuf, Vec<String>)], links: &Path) -> std::io::Result<Duration> {
    fs::create_dir(links)?;
    let open = |path: &Path| rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty());
    let to = open(links)?;
    let begun = Instant::now();
    for (number, (path, names)) in partitions.iter().enumerate() {
        let from = open(path)?;
        for name in names {
            let link = format!("{number}_{name}");
            rustix::fs::linkat(from.as_fd(), name, to.as_fd(), &link, AtFlags::empty())?;
        }
    }
    let took = begun.elapsed();
    fs::remove_dir_all(links)?;
    Ok(took)
}
