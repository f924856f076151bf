//! The disk of a node of Kafka, combined and alone in its cluster, as Kafka leaves it; the same bytes each time.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use maxbrod_kafka::metadata::MetadataRecord;
use maxbrod_kafka::metadata::record::{FeatureLevelRecord, PartitionRecord, RegisterBrokerRecord, TopicRecord};
use maxbrod_kafka::{
    BatchBuilder, Batches, BrokerEpoch, DirectoryId, LeaderEpoch, NodeId, Offset, PartitionId, Rebuild, SegmentFile,
    TopicId, Uuid, write_leader_epochs, write_partition_metadata, write_producer_snapshot,
};

use crate::content::{BatchShape, batch};
use crate::error::{BenchError, Result};

/// The cluster id of every made-up node.
pub(crate) const CLUSTER: &str = "bench";
/// Kafka's default of `log.index.interval.bytes`.
const INDEX_INTERVAL: u64 = 4096;
const EPOCH: LeaderEpoch = LeaderEpoch(1);
const NODE: NodeId = NodeId(1);
const DIRECTORY: DirectoryId = DirectoryId(Uuid([1; 16]));
/// Partition records in one metadata batch.
const RECORDS: usize = 500;

/// A topic and what its partitions hold.
#[derive(Clone, Debug)]
pub(crate) struct TopicShape {
    pub(crate) name: &'static str,
    pub(crate) partitions: i32,
    /// Of each partition, the active one included.
    pub(crate) segments: u32,
    /// Of each segment.
    pub(crate) batches: u32,
    pub(crate) batch: BatchShape,
}

/// The files of a node.
#[derive(Debug)]
pub(crate) struct NodeDisk {
    pub(crate) log_dir: PathBuf,
    pub(crate) server_properties: PathBuf,
    /// Bytes of all segments.
    pub(crate) bytes: u64,
    /// How many segments there are.
    pub(crate) segments: u64,
}

impl NodeDisk {
    /// Writes a node into `root`.
    pub(crate) fn write(root: &Path, topics: &[TopicShape]) -> Result<Self> {
        let io = |source| BenchError::io("writing a node's disk in", root, source);
        let log_dir = root.join("data");
        fs::create_dir_all(&log_dir).map_err(io)?;
        let meta = format!("version=1\ncluster.id={CLUSTER}\nnode.id={NODE}\ndirectory.id={DIRECTORY}\n");
        fs::write(log_dir.join("meta.properties"), meta).map_err(io)?;
        let server_properties = root.join("server.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id={NODE}\nlog.dirs={}\ncontroller.quorum.voters={NODE}@127.0.0.1:1\n\
             listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\ncontroller.listener.names=CONTROLLER\n",
            log_dir.display()
        );
        fs::write(&server_properties, text).map_err(io)?;
        let mut disk = Self {
            log_dir,
            server_properties,
            bytes: 0,
            segments: 0,
        };
        disk.write_metadata(topics).map_err(io)?;
        for (number, topic) in topics.iter().enumerate() {
            for partition in 0..topic.partitions {
                disk.write_partition(topic, topic_id(number), partition).map_err(io)?;
            }
        }
        Ok(disk)
    }

    fn write_metadata(&self, topics: &[TopicShape]) -> io::Result<()> {
        let mut records: Vec<MetadataRecord> = vec![
            FeatureLevelRecord {
                name: "metadata.version".to_owned(),
                feature_level: 25,
                ..FeatureLevelRecord::default()
            }
            .into(),
            RegisterBrokerRecord {
                broker_id: NODE,
                broker_epoch: BrokerEpoch(1),
                log_dirs: vec![DIRECTORY],
                fenced: false,
                version: 3,
                ..RegisterBrokerRecord::default()
            }
            .into(),
        ];
        for (number, topic) in topics.iter().enumerate() {
            let topic_id = topic_id(number);
            let name = topic.name.to_owned();
            records.push(
                TopicRecord {
                    name,
                    topic_id,
                    ..TopicRecord::default()
                }
                .into(),
            );
            records.extend((0..topic.partitions).map(|partition| {
                let record = PartitionRecord {
                    partition_id: PartitionId(partition),
                    topic_id,
                    replicas: vec![NODE],
                    isr: vec![NODE],
                    leader: NODE,
                    leader_epoch: EPOCH,
                    partition_epoch: 0,
                    directories: vec![DIRECTORY],
                    version: 1,
                    ..PartitionRecord::default()
                };
                MetadataRecord::from(record)
            }));
        }
        let directory = self.log_dir.join("__cluster_metadata-0");
        fs::create_dir_all(&directory)?;
        let mut log = Vec::new();
        let mut base = 0;
        for records in records.chunks(RECORDS) {
            let mut builder = BatchBuilder::new(Offset(base), EPOCH);
            for record in records {
                let bytes = record.encode().map_err(io::Error::other)?;
                builder = builder.record(1_700_000_000_000, None, Some(&bytes));
            }
            log.extend(builder.build());
            base += records.len() as i64;
        }
        fs::write(directory.join(SegmentFile::Log.name(Offset(0))), log)
    }

    fn write_partition(&mut self, topic: &TopicShape, topic_id: TopicId, partition: i32) -> io::Result<()> {
        let directory = self.log_dir.join(format!("{}-{partition}", topic.name));
        fs::create_dir(&directory)?;
        fs::write(directory.join("partition.metadata"), write_partition_metadata(topic_id))?;
        let mut rebuild = Rebuild::new(Offset(0), INDEX_INTERVAL);
        for segment in 0..topic.segments {
            let base = rebuild.log_end();
            let file = |kind: SegmentFile| directory.join(kind.name(base));
            let mut log = BufWriter::with_capacity(1 << 20, File::create(file(SegmentFile::Log))?);
            for _ in 0..topic.batches {
                let seed = ((partition as u64) << 40) ^ rebuild.log_end().0 as u64;
                let bytes = batch(&topic.batch, rebuild.log_end(), EPOCH, seed)?;
                let parsed = Batches::new(&bytes, 0).next().and_then(std::result::Result::ok);
                let parsed = parsed.ok_or_else(|| io::Error::other("a generated batch is none"))?;
                rebuild.append(&parsed).map_err(io::Error::other)?;
                log.write_all(&bytes)?;
                self.bytes += bytes.len() as u64;
            }
            log.flush()?;
            let indexes = rebuild.roll(rebuild.log_end());
            fs::write(file(SegmentFile::Index), indexes.offset_index)?;
            fs::write(file(SegmentFile::TimeIndex), indexes.time_index)?;
            if segment > 0 {
                fs::write(file(SegmentFile::Snapshot), write_producer_snapshot(&[]))?;
            }
            self.segments += 1;
        }
        fs::write(
            directory.join("leader-epoch-checkpoint"),
            write_leader_epochs(rebuild.leader_epochs()),
        )
    }
}

fn topic_id(number: usize) -> TopicId {
    TopicId(Uuid([number as u8 + 0x40; 16]))
}
