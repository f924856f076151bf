//! A node of many segments: its agent's memory while it ships, and a snapshot in which nothing is new.

use std::process::Command;
use std::time::Instant;

use crate::content::{BatchShape, Content};
use crate::error::{BenchError, Result};
use crate::house::{AGENT, House, number};
use crate::machine;
use crate::node_disk::{CLUSTER, NodeDisk, TopicShape};
use crate::row::{Row, Unit};
use crate::scene::Scene;
use crate::spread::{Pairs, Samples};

const LIMIT: f64 = 1.5;
const MEMORY_LIMIT: f64 = 96.0;
const REPEAT: usize = 7;
const PER_PARTITION: u32 = 100;

pub(super) fn run(scene: &Scene) -> Result<Vec<Row>> {
    let directory = scene.directory("many-segments")?;
    let disk = NodeDisk::write(&directory.path().join("node"), &topics(scene.segments))?;
    let mut house = House::new(scene, directory.path(), CLUSTER)?;
    house.start(&disk)?;
    let begun = Instant::now();
    let first = house.snapshot()?;
    let shipping = begun.elapsed();
    let memory = |house: &House| house.programs.pid(AGENT).and_then(machine::peak_memory);
    let gone = || BenchError::Unexpected("the agent is gone".to_owned());
    let after_first = memory(&house).ok_or_else(gone)?;

    let mut pairs = Pairs::default();
    for _ in 0..scene.repeat(REPEAT) {
        machine::make_cold()?;
        let begun = Instant::now();
        let created = house.snapshot()?;
        let ours = begun.elapsed();
        if number(&created, "read_bytes")? > 0 {
            return Err(BenchError::Unexpected(format!("something was new: {created}")));
        }
        machine::make_cold()?;
        let theirs = machine::time(
            Command::new("find")
                .arg(&disk.log_dir)
                .args(["-type", "f", "-size", "+1024k"]),
        )?;
        pairs.push(ours.as_secs_f64(), theirs.as_secs_f64());
    }
    let peak = memory(&house).ok_or_else(gone)?;
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let nothing_new = format!("snapshot with nothing new, {} segments", disk.segments);
    let resident = format!("agent RSS, {} segments, shipping", disk.segments);
    Ok(vec![
        Row::ratio(&nothing_new, "find -size over them", &pairs, Unit::Seconds, LIMIT).note(
            "caches dropped before each, agent and coordinator running; `snapshot create --wait` as an operator types it",
        ),
        Row::at_most(
            &resident,
            &Samples(vec![mebibytes(peak)]),
            mebibytes(peak),
            "peak",
            Unit::Mebibytes,
            MEMORY_LIMIT,
        )
        .note(format!(
            "VmHWM; {:.1} MiB after the first backup of {:.0} MiB, which took {:.1} s and read {:.0} MiB",
            mebibytes(after_first),
            mebibytes(disk.bytes),
            shipping.as_secs_f64(),
            mebibytes(number(&first, "read_bytes")?)
        )),
    ])
}

/// Small segments, and one partition that keeps the agent busy.
fn topics(segments: u32) -> [TopicShape; 2] {
    let small = BatchShape {
        records: 1,
        value_bytes: 100,
        content: Content::Noise,
    };
    let large = BatchShape {
        records: 16,
        value_bytes: 16 << 10,
        content: Content::Noise,
    };
    [
        TopicShape {
            name: "topic",
            partitions: (segments / PER_PARTITION).max(1).cast_signed(),
            segments: PER_PARTITION,
            batches: 1,
            batch: small,
        },
        TopicShape {
            name: "large",
            partitions: 2,
            segments: 16,
            batches: 64,
            batch: large,
        },
    ]
}
