//! The log side against what a real broker left behind (fixtures/broker.sh): every file is read and written again, and what
//! can be regenerated from the segments is regenerated and compared with the broker's own.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what helpers of tests cannot do, the test cannot do"
)]

mod batches;
mod coordinators;
mod files;
mod indexes;
mod producers;
mod segments;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use maxbrod_kafka::{LogDirEntry, Offset, SegmentFile, parse_leader_epochs};

fn log_dirs() -> [PathBuf; 2] {
    let broker = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broker");
    ["first", "second"].map(|name| broker.join(name))
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A partition's directory.
struct Partition {
    /// The directory's name.
    name: String,
    dir: PathBuf,
}

impl Partition {
    /// All partitions of the broker, `__cluster_metadata-0` among them.
    fn all() -> Vec<Self> {
        let mut found = Vec::new();
        for log_dir in log_dirs() {
            for name in names(&log_dir) {
                let dir = log_dir.join(&name);
                if dir.is_dir() {
                    let kind = LogDirEntry::of(&name);
                    assert!(
                        matches!(kind, LogDirEntry::Partition(_) | LogDirEntry::ClusterMetadata),
                        "{name} is {kind:?}"
                    );
                    found.push(Self { name, dir });
                }
            }
        }
        assert_eq!(found.len(), 11, "partitions of fixtures/java/Load.java and Kafka's own");
        found
    }

    fn named(name: &str) -> Self {
        Self::all()
            .into_iter()
            .find(|partition| partition.name == name)
            .unwrap()
    }

    /// The offsets in the names of the files of one kind.
    fn offsets(&self, kind: SegmentFile) -> Vec<Offset> {
        let of_kind = |name: &String| SegmentFile::parse(name).filter(|(_, found)| *found == kind);
        names(&self.dir)
            .iter()
            .filter_map(of_kind)
            .map(|(offset, _)| offset)
            .collect()
    }

    fn read(&self, kind: SegmentFile, offset: Offset) -> Option<Vec<u8>> {
        fs::read(self.dir.join(kind.name(offset))).ok()
    }

    /// The segments: base offset and content, in order.
    fn segments(&self) -> Vec<(Offset, Vec<u8>)> {
        let bases = self.offsets(SegmentFile::Log);
        bases
            .into_iter()
            .map(|base| (base, self.read(SegmentFile::Log, base).unwrap()))
            .collect()
    }

    /// Where the log ended when the broker was killed; it came back as the leader of a new epoch.
    fn restart(&self) -> Offset {
        let epochs = parse_leader_epochs(&fs::read(self.dir.join("leader-epoch-checkpoint")).unwrap()).unwrap();
        epochs.last().unwrap().start_offset
    }

    /// `index.interval.bytes` (fixtures/java/Load.java).
    fn index_interval_bytes(&self) -> u64 {
        match self.name.as_str() {
            "plain-0" | "bank-0" | "stamped-0" | "compacted-0" => 700,
            "indexed-0" => 300,
            _ => 4_096,
        }
    }
}

/// How often each thing was compared: a test that compares nothing proves nothing.
#[derive(Debug, Default)]
struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    fn count(&mut self, what: &'static str, times: usize) {
        *self.0.entry(what).or_default() += times;
    }

    fn at_least(&self, what: &'static str, times: usize) {
        let found = self.0.get(what).copied().unwrap_or(0);
        assert!(found >= times, "only {found} of {times} {what} were compared");
    }
}
