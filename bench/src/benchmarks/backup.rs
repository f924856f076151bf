//! First backup of a node, and its restore, against copying the same bytes by `cp`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::content::{BatchShape, Content};
use crate::error::{BenchError, Result};
use crate::house::{AGENT, House};
use crate::machine;
use crate::node_disk::{CLUSTER, NodeDisk, TopicShape};
use crate::row::{Row, Unit};
use crate::scene::Scene;
use crate::spread::{Pairs, Samples};

const RESTORE_LIMIT: f64 = 1.5;
const REPEAT: usize = 5;
const PARTITIONS: i32 = 10;
/// Bytes of a segment, about.
const SEGMENT: u64 = 16 << 20;
/// Bytes of a batch's records: Kafka's default of `batch.size`.
const BATCH: u64 = 16 << 10;

/// Topics whose producers compress.
pub(super) fn compressed(scene: &Scene) -> Result<Vec<Row>> {
    run(scene, Content::Compressed, "topics compressed by their producers", 1.5)
}

/// Topics that are stored with zstd.
pub(super) fn uncompressed(scene: &Scene) -> Result<Vec<Row>> {
    run(
        scene,
        Content::Text,
        "uncompressed topics (JSON), stored with zstd",
        3.0,
    )
}

fn run(scene: &Scene, content: Content, named: &str, limit: f64) -> Result<Vec<Row>> {
    let directory = scene.directory("backup")?;
    let batches = (SEGMENT / BATCH) as u32;
    let segments = (scene.mebibytes << 20) / PARTITIONS as u64 / SEGMENT;
    let topic = TopicShape {
        name: "topic",
        partitions: PARTITIONS,
        segments: segments.max(1) as u32,
        batches,
        batch: BatchShape {
            records: 16,
            value_bytes: BATCH as usize / 16,
            content,
        },
    };
    let disk = NodeDisk::write(&directory.path().join("node"), &[topic])?;
    let gibibytes = disk.bytes as f64 / f64::from(1 << 30);
    let copy = directory.path().join("copy");
    let (mut backup, mut restore) = (Pairs::default(), Pairs::default());
    let (mut backup_cpu, mut restore_cpu, mut copy_cpu) = (Samples::default(), Samples::default(), Samples::default());
    let mut stored = 0;
    for round in 0..scene.repeat(REPEAT) {
        let house_directory = directory.path().join(format!("house-{round}"));
        std::fs::create_dir_all(&house_directory)
            .map_err(|source| BenchError::io("making", &house_directory, source))?;
        let mut house = House::new(scene, &house_directory, CLUSTER)?;

        let first = measure_cpu(|| back_up(&mut house, &disk))?;
        stored = size_of(&house.repository)?;
        let (restored, restored_cpu) = measure_cpu(|| restore_node(&house, &disk, directory.path()))?;
        drop(house);
        remove(&house_directory)?;
        remove(&directory.path().join("restored"))?;

        machine::make_cold()?;
        let (copied, copied_cpu) = measure_cpu(|| machine::copy(&disk.log_dir, &copy))?;
        remove(&copy)?;
        backup.push(first.0.as_secs_f64(), copied.as_secs_f64());
        restore.push(restored.as_secs_f64(), copied.as_secs_f64());
        backup_cpu.0.push(first.1.as_secs_f64() / gibibytes);
        restore_cpu.0.push(restored_cpu.as_secs_f64() / gibibytes);
        copy_cpu.0.push(copied_cpu.as_secs_f64() / gibibytes);
    }
    let against = "cp --reflink=never and sync of the same bytes";
    let facts = format!(
        "{gibibytes:.2} GiB in {} segments of {PARTITIONS} partitions, caches dropped before each",
        disk.segments
    );
    let first = Row::ratio(&format!("first backup, {named}"), against, &backup, Unit::Seconds, limit)
        .note(format!(
            "{facts}; encrypted, zstd level 3; from the start of coordinator and agent until the snapshot is committed and synced"
        ))
        .note(format!(
            "{:.2} CPU·s/GiB (agent, coordinator and command), cp {:.2}; {:.2} GiB stored",
            backup_cpu.median(),
            copy_cpu.median(),
            stored as f64 / f64::from(1 << 30)
        ));
    let again = Row::ratio(
        &format!("restore of a broker, {named}"),
        against,
        &restore,
        Unit::Seconds,
        RESTORE_LIMIT,
    )
    .note(format!("{facts}; `restore apply` with a plan, and sync"))
    .note(format!(
        "{:.2} CPU·s/GiB, cp {:.2}",
        restore_cpu.median(),
        copy_cpu.median()
    ));
    Ok(vec![first, again])
}

/// How long from nothing but an empty repository to a committed snapshot.
fn back_up(house: &mut House, disk: &NodeDisk) -> Result<Duration> {
    machine::make_cold()?;
    let begun = Instant::now();
    house.start(disk)?;
    let created = house.snapshot()?;
    machine::sync(&house.repository)?;
    let took = begun.elapsed();
    let logical = crate::house::number(&created, "logical_bytes")?;
    if logical < disk.bytes {
        return Err(BenchError::Unexpected(format!(
            "the snapshot holds {logical} of {} bytes: {created}",
            disk.bytes
        )));
    }
    house.programs.stop(AGENT);
    house.programs.stop_all();
    Ok(took)
}

fn restore_node(house: &House, disk: &NodeDisk, directory: &Path) -> Result<Duration> {
    let restored = directory.join("restored");
    let plan = directory.join("plan.json");
    let map = format!("1:{}={}", disk.log_dir.display(), restored.display());
    let plan = plan.to_string_lossy();
    house
        .programs
        .maxbrod_ok(&["restore", "plan", "--snapshot", "latest", "--map", &map, "--out", &plan])?;
    machine::make_cold()?;
    let begun = Instant::now();
    house
        .programs
        .maxbrod_ok(&["restore", "apply", "--plan", &plan, "--node", "1"])?;
    machine::sync(&restored)?;
    let took = begun.elapsed();
    let bytes = size_of(&restored)?;
    if bytes < disk.bytes {
        return Err(BenchError::Unexpected(format!(
            "{bytes} of {} bytes were restored",
            disk.bytes
        )));
    }
    Ok(took)
}

/// Time, and processor time of all programs that ended meanwhile.
fn measure_cpu<T>(run: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let before = machine::children_cpu();
    let result = run()?;
    Ok((result, machine::children_cpu().saturating_sub(before)))
}

fn size_of(directory: &Path) -> Result<u64> {
    let io = |source| BenchError::io("measuring", directory, source);
    let mut bytes = 0;
    let mut directories: Vec<PathBuf> = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).map_err(io)? {
            let entry = entry.map_err(io)?;
            let metadata = entry.metadata().map_err(io)?;
            if metadata.is_dir() {
                directories.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}

fn remove(directory: &Path) -> Result<()> {
    machine::time(Command::new("rm").arg("-rf").arg(directory)).map(|_| ())
}
