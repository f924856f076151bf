//! The disk of a Kafka node, written as Kafka writes it.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use maxbrod_kafka::{
    Attributes, BatchBuilder, DirectoryId, LeaderEpoch, LeaderEpochEntry, Offset, OffsetIndexEntry, ProducerEpoch,
    ProducerId, SegmentFile, TopicId, Uuid, write_leader_epochs, write_partition_metadata, write_producer_snapshot,
};
use tempfile::TempDir;

/// Kafka's default.
const INDEX_INTERVAL: u64 = 4096;

/// A formatted node.
pub struct Disk {
    root: TempDir,
}

impl Disk {
    /// With these log dirs, of node 1 in cluster `cluster`.
    pub fn new(log_dirs: &[&str]) -> Self {
        let disk = Self {
            root: tempfile::tempdir().unwrap(),
        };
        for (number, name) in log_dirs.iter().enumerate() {
            fs::create_dir_all(disk.path(name)).unwrap();
            let id = directory_id(number);
            let text = format!("version=1\ncluster.id=cluster\nnode.id=1\ndirectory.id={id}\n");
            fs::write(disk.path(name).join("meta.properties"), text).unwrap();
        }
        let paths: Vec<String> = log_dirs
            .iter()
            .map(|name| disk.path(name).display().to_string())
            .collect();
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\nlog.dirs={}\n",
            paths.join(",")
        );
        fs::write(disk.path("server.properties"), text).unwrap();
        disk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A new partition in a log dir.
    pub fn log(&self, log_dir: &str, topic: &str, partition: i32) -> Log {
        Log::create(
            &self.path(log_dir).join(format!("{topic}-{partition}")),
            topic_id(topic),
            0,
        )
    }
}

pub fn directory_id(number: usize) -> DirectoryId {
    DirectoryId(Uuid([number as u8 + 1; 16]))
}

/// Some id for each topic's name.
pub fn topic_id(topic: &str) -> TopicId {
    let mut bytes = [7; 16];
    for (place, byte) in bytes.iter_mut().zip(topic.bytes()) {
        *place = byte;
    }
    TopicId(Uuid(bytes))
}

/// A batch of `records` records of `size` random-looking bytes each.
pub fn batch(base: i64, epoch: i32, records: i32, size: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Offset(base), LeaderEpoch(epoch));
    for number in 0..records {
        builder = builder.record(
            1_700_000_000_000 + base,
            None,
            Some(&noise(base as u64 * 31 + number as u64, size)),
        );
    }
    builder.build()
}

/// Two records of a transaction.
pub fn transactional_batch(base: i64, epoch: i32, producer: i64, producer_epoch: i16) -> Vec<u8> {
    let builder = BatchBuilder::new(Offset(base), LeaderEpoch(epoch));
    let builder = builder.producer(ProducerId(producer), ProducerEpoch(producer_epoch), 0);
    builder
        .attributes(Attributes::PLAIN.transactional())
        .record(1, None, Some(b"a"))
        .record(1, None, Some(b"b"))
        .build()
}

/// The end of a transaction; `kind` 1 is COMMIT.
pub fn marker(base: i64, epoch: i32, producer: i64, producer_epoch: i16, kind: i16, coordinator_epoch: i32) -> Vec<u8> {
    let builder = BatchBuilder::new(Offset(base), LeaderEpoch(epoch));
    let builder = builder
        .producer(ProducerId(producer), ProducerEpoch(producer_epoch), -1)
        .attributes(Attributes::MARKER);
    let key = [0i16.to_be_bytes(), kind.to_be_bytes()].concat();
    let value = [0i16.to_be_bytes().as_slice(), &coordinator_epoch.to_be_bytes()].concat();
    builder.record(1, Some(&key), Some(&value)).build()
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A partition's directory, appended to as a broker appends.
pub struct Log {
    pub directory: PathBuf,
    pub topic_id: TopicId,
    active: i64,
    next: i64,
    since_index: u64,
    epochs: Vec<LeaderEpochEntry>,
    /// Length of a preallocated segment.
    preallocate: Option<u64>,
    /// Where the data of the active segment ends.
    position: u64,
}

impl Log {
    /// With an empty segment.
    pub fn create(directory: &Path, topic_id: TopicId, start: i64) -> Self {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("partition.metadata"), write_partition_metadata(topic_id)).unwrap();
        let mut log = Self {
            directory: directory.to_owned(),
            topic_id,
            active: start,
            next: start,
            since_index: 0,
            epochs: Vec::new(),
            preallocate: None,
            position: 0,
        };
        log.begin_segment();
        log.write_epochs();
        log
    }

    pub fn preallocated(mut self, length: u64) -> Self {
        self.preallocate = Some(length);
        self.begin_segment();
        self
    }

    pub fn file(&self, kind: SegmentFile, base: i64) -> PathBuf {
        self.directory.join(kind.name(Offset(base)))
    }

    pub fn log_file(&self, base: i64) -> PathBuf {
        self.file(SegmentFile::Log, base)
    }

    pub fn end(&self) -> i64 {
        self.next
    }

    pub fn active(&self) -> i64 {
        self.active
    }

    fn begin_segment(&mut self) {
        let file = File::create(self.log_file(self.active)).unwrap();
        file.set_len(self.preallocate.unwrap_or(0)).unwrap();
        // As Kafka does it: mapped at full size, zeros behind the last entry.
        File::create(self.file(SegmentFile::Index, self.active))
            .unwrap()
            .set_len(80_000)
            .unwrap();
        self.position = 0;
        self.since_index = 0;
    }

    fn write_epochs(&self) {
        let path = self.directory.join("leader-epoch-checkpoint");
        fs::write(path.with_extension("tmp"), write_leader_epochs(&self.epochs)).unwrap();
        fs::rename(path.with_extension("tmp"), path).unwrap();
    }

    /// Appends a batch as it is.
    pub fn append_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let header = maxbrod_kafka::BatchHeader::parse(bytes).unwrap();
        assert_eq!(header.base_offset.0, self.next, "the batch does not continue the log");
        if self.since_index > INDEX_INTERVAL {
            let last = (header.last_offset().0 - self.active) as i32;
            self.add_index_entry(OffsetIndexEntry {
                relative_offset: last,
                position: self.position as i32,
            });
            self.since_index = 0;
        }
        self.write_at_end(bytes);
        self.since_index += bytes.len() as u64;
        self.next = header.next_offset().0;
        if self.epochs.last().is_none_or(|last| last.epoch < header.leader_epoch) {
            self.epochs.push(LeaderEpochEntry {
                epoch: header.leader_epoch,
                start_offset: header.base_offset,
            });
            self.write_epochs();
        }
        self
    }

    /// Writes bytes behind the data, without taking them for a batch.
    pub fn write_at_end(&mut self, bytes: &[u8]) {
        use std::os::unix::fs::FileExt as _;
        let file = OpenOptions::new().write(true).open(self.log_file(self.active)).unwrap();
        file.write_all_at(bytes, self.position).unwrap();
        self.position += bytes.len() as u64;
    }

    fn add_index_entry(&self, entry: OffsetIndexEntry) {
        use std::os::unix::fs::FileExt as _;
        let path = self.file(SegmentFile::Index, self.active);
        let entries = OffsetIndexEntry::parse_all(&fs::read(&path).unwrap()).len();
        let mut raw = Vec::new();
        entry.write(&mut raw);
        OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .write_all_at(&raw, (entries * OffsetIndexEntry::LENGTH) as u64)
            .unwrap();
    }

    /// Appends `count` batches of one record each.
    pub fn append(&mut self, count: usize, size: usize, epoch: i32) -> &mut Self {
        for _ in 0..count {
            let bytes = batch(self.next, epoch, 1, size);
            self.append_bytes(&bytes);
        }
        self
    }

    /// Begins a new segment, as Kafka does: indexes trimmed, a producer snapshot at its base.
    pub fn roll(&mut self) -> &mut Self {
        let index = self.file(SegmentFile::Index, self.active);
        let entries = OffsetIndexEntry::parse_all(&fs::read(&index).unwrap()).len();
        OpenOptions::new()
            .write(true)
            .open(index)
            .unwrap()
            .set_len((entries * OffsetIndexEntry::LENGTH) as u64)
            .unwrap();
        OpenOptions::new()
            .write(true)
            .open(self.log_file(self.active))
            .unwrap()
            .set_len(self.position)
            .unwrap();
        self.active = self.next;
        self.begin_segment();
        fs::write(
            self.file(SegmentFile::Snapshot, self.active),
            write_producer_snapshot(&[]),
        )
        .unwrap();
        self
    }

    /// Cuts the active segment in place, as a follower does after an election: the index keeps its old entries.
    pub fn truncate(&mut self, to: i64) -> &mut Self {
        let path = self.log_file(self.active);
        let bytes = fs::read(&path).unwrap();
        let keep = maxbrod_kafka::Batches::new(&bytes, 0)
            .map_while(Result::ok)
            .take_while(|batch| batch.next_offset().0 <= to)
            .last();
        let length = keep.map_or(0, |batch| batch.position + batch.bytes.len() as u64);
        OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(length)
            .unwrap();
        self.position = length;
        self.next = keep.map_or(self.active, |batch| batch.next_offset().0);
        self.epochs.retain(|entry| entry.start_offset.0 < self.next);
        self.write_epochs();
        self
    }

    /// Replaces a segment by another file of that name, as the cleaner does.
    pub fn replace_segment(&self, base: i64, content: &[u8]) {
        let swap = self.directory.join("swap");
        let mut file = File::create(&swap).unwrap();
        file.write_all(content).unwrap();
        fs::rename(swap, self.log_file(base)).unwrap();
        let _ = fs::remove_file(self.file(SegmentFile::Index, base));
    }

    /// Removes a segment, as retention does.
    pub fn delete_segment(&self, base: i64) {
        for kind in [SegmentFile::Log, SegmentFile::Index, SegmentFile::Snapshot] {
            let _ = fs::remove_file(self.file(kind, base));
        }
    }

    /// All batches of all segments.
    pub fn content(&self) -> Vec<u8> {
        let mut bases: Vec<i64> = fs::read_dir(&self.directory)
            .unwrap()
            .filter_map(|entry| SegmentFile::parse(entry.unwrap().file_name().to_str()?))
            .filter_map(|(base, kind)| (kind == SegmentFile::Log).then_some(base.0))
            .collect();
        bases.sort_unstable();
        let mut content = Vec::new();
        for base in bases {
            let bytes = fs::read(self.log_file(base)).unwrap();
            for batch in maxbrod_kafka::Batches::new(&bytes, 0).map_while(Result::ok) {
                content.extend_from_slice(batch.bytes);
            }
        }
        content
    }

    /// Flips a bit in the middle of a batch's records.
    pub fn flip_bit(&self, base: i64, position: u64) {
        use std::os::unix::fs::FileExt as _;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.log_file(base))
            .unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, position).unwrap();
        file.write_all_at(&[byte[0] ^ 4], position).unwrap();
    }
}
