//! The benchmarks: each a name, what it measures, and how.

mod backup;
mod broker_start;
mod live_cluster;
mod many_segments;
mod pinning;

use crate::error::Result;
use crate::row::Row;
use crate::scene::Scene;

/// A benchmark: it measures one or more rows in one go.
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    /// Which numbers it measures.
    pub(crate) measures: &'static str,
    pub(crate) run: fn(&Scene) -> Result<Vec<Row>>,
}

/// All of them, quick ones first.
pub(crate) const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        name: "pinning",
        measures: "pinning 10,000 segments",
        run: pinning::run,
    },
    Benchmark {
        name: "backup-compressed",
        measures: "first backup and restore of a node whose producers compress",
        run: backup::compressed,
    },
    Benchmark {
        name: "backup-uncompressed",
        measures: "first backup and restore of a node whose producers don't compress",
        run: backup::uncompressed,
    },
    Benchmark {
        name: "many-segments",
        measures: "a snapshot with nothing new and the agent's memory with --segments segments",
        run: many_segments::run,
    },
    Benchmark {
        name: "broker-start",
        measures: "start of a real broker after a restore",
        run: broker_start::run,
    },
    Benchmark {
        name: "live-cluster",
        measures: "freeze and produce latency on three real brokers with --partitions partitions",
        run: live_cluster::run,
    },
];

/// Numbers to hold that no benchmark measures yet, and why.
pub(crate) const NOT_MEASURED: &[(&str, &str)] = &[
    (
        "first backup of a whole RF=3 cluster against restic and OSO kafka-backup, ≥ 6× faster than each",
        "neither program is fetched by this workspace; both would have to be installed at a fixed version first",
    ),
    (
        "bytes stored for RF=3 after all source replicas were switched, ≤ 1.03×",
        "nothing lets a benchmark choose another source while every agent stays connected",
    ),
    (
        "1,000 one-minute snapshots against one of the same data, restore ≤ 1.2×, stored ≤ 1.3×",
        "takes hours as long as each snapshot goes through real agents; retention is not applied yet either",
    ),
    (
        "coordinator with 1,000 simulated agents and 1,000,000 partitions, phases ≤ 10 s, ≤ 2 GiB",
        "there is no simulation of agents outside the coordinator's own tests yet",
    ),
    (
        "growth: twice the partitions, ≤ 2.2× time and memory",
        "needs the simulation as well; by hand: run live-cluster with two numbers of --partitions",
    ),
];
