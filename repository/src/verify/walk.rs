//! Checking a manifest, and collecting what it refers to.

use futures::TryStreamExt as _;
use maxbrod_kafka::Offset;

use super::content::PackChunk;
use super::{Level, Packs, VerifyProgress, VerifyReport};
use crate::error::{Error, Result};
use crate::tree::{ChunkRef, End, Partition, Tree};

pub(super) struct Walk<'a> {
    tree: &'a Tree,
    level: Level,
    pub(super) packs: Packs,
}

impl<'a> Walk<'a> {
    pub(super) fn new(tree: &'a Tree, level: Level) -> Self {
        Self {
            tree,
            level,
            packs: Packs::new(),
        }
    }

    pub(super) async fn run(
        &mut self,
        report: &mut VerifyReport,
        expected_partitions: u64,
        progress: &(dyn Fn(VerifyProgress) + Sync),
    ) -> Result<()> {
        match self.tree.metadata() {
            Ok(Some(image)) => {
                for chunk in &image.chunks {
                    self.refer(chunk, "the cluster's metadata", report);
                }
                let held: u64 = image.chunks.iter().map(|chunk| chunk.logical_length).sum();
                if held != image.length {
                    report.find(
                        Error::damaged("the manifest", "its metadata image is not complete"),
                        "the cluster's metadata".to_owned(),
                    )?;
                }
            }
            Ok(None) => {}
            Err(error) => report.find(error, "the cluster's metadata".to_owned())?,
        }
        let mut whole = true;
        let mut topics = self.tree.topics();
        loop {
            let topic = match topics.next().await {
                Ok(Some(topic)) => topic,
                Ok(None) => break,
                Err(error) => {
                    report.find(error, "some topics".to_owned())?;
                    whole = false;
                    break;
                }
            };
            report.counts.topics += 1;
            for slot in &topic.partitions {
                let name = format!("{}-{}", topic.name, slot.partition);
                report.counts.partitions += 1;
                let result = match self.tree.partition(slot).await {
                    Ok(partition) => self.partition(&partition, &name, report).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = result {
                    report.find(error, name)?;
                }
                progress(VerifyProgress {
                    done: report.counts.partitions,
                    total: expected_partitions,
                    bytes_read: 0,
                });
            }
        }
        if whole && report.counts.partitions != expected_partitions {
            let reason = format!(
                "it has {} partitions, its commit says {expected_partitions}",
                report.counts.partitions
            );
            report.find(Error::damaged("the manifest", reason), "the whole snapshot".to_owned())?;
        }
        Ok(())
    }

    async fn partition(&mut self, partition: &Partition, name: &str, report: &mut VerifyReport) -> Result<()> {
        let record = partition.record();
        if let Some(snapshot) = &record.producer_snapshot {
            self.refer(&snapshot.chunk, name, report);
        }
        let mut reached: Option<Offset> = None;
        let mut bytes = 0;
        let mut chunks = std::pin::pin!(self.tree.chunks(partition));
        let damaged = |reason: String| Error::damaged(format!("the manifest of {name}"), reason);
        while let Some(chunk) = chunks.try_next().await? {
            // A log's first chunk may begin below the log start, in the segment that holds it.
            let gap = match reached {
                Some(reached) => reached != chunk.base_offset,
                None => chunk.base_offset > record.log_start,
            };
            if gap && !record.compacted {
                return Err(damaged(format!(
                    "no chunk holds the offsets before {}",
                    chunk.base_offset
                )));
            }
            reached = Some(chunk.next_offset);
            bytes += chunk.logical_length;
            self.refer(&chunk, name, report);
        }
        if bytes != partition.logical_bytes() {
            return Err(damaged(format!(
                "its chunks have {bytes} bytes, it says {}",
                partition.logical_bytes()
            )));
        }
        match (&record.end, reached) {
            (End::Empty(_), None) => Ok(()),
            (End::After(end), Some(reached)) if reached >= end.end_offset || record.compacted => Ok(()),
            (End::Empty(_), Some(_)) => Err(damaged("it is said to be empty, but has chunks".to_owned())),
            (End::After(end), _) => Err(damaged(format!("no chunk reaches its end, offset {}", end.end_offset))),
        }
    }

    fn refer(&mut self, chunk: &ChunkRef, name: &str, report: &mut VerifyReport) {
        report.counts.chunks += 1;
        let pack = self.packs.entry(chunk.pack).or_default();
        pack.end = pack.end.max(chunk.position + chunk.length);
        if pack.concerns.is_empty() {
            name.clone_into(&mut pack.concerns);
        } else if !pack.concerns.ends_with(name) && !pack.concerns.ends_with('…') {
            pack.concerns = if pack.concerns.len() > 200 {
                format!("{}, …", pack.concerns)
            } else {
                format!("{}, {name}", pack.concerns)
            };
        }
        if self.level == Level::Full {
            pack.chunks.push(PackChunk::from(chunk));
        }
    }
}
