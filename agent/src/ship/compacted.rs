//! Shipping a log that Kafka compacts: segment by segment, because what is below the active one can be another file at any
//! moment, and a segment that is the same file still consists of the same chunks.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use maxbrod_kafka::HEADER_LENGTH;

use super::chunk::Known;
use super::error::ShipError;
use super::job::{After, Job, Shipped};
use super::merge::{TailPiece, pieces_to_merge};
use super::order::{Cut, Order};
use super::reader::Rules;
use super::source::Source;
use crate::directory::FileFacts;
use crate::frame::Frame;
use crate::state::{ChunkKind, ChunkRow, SegmentChunk, SegmentRow};

/// What became of one segment.
#[derive(Default)]
struct SegmentShipped {
    rows: Vec<ChunkRow>,
    read: u64,
}

impl Job<'_> {
    /// Ships closed segments that are not known yet. Returns how much was read, and whether there is more to do.
    pub(super) fn ship_closed_compacted(&mut self, must_yield: &dyn Fn() -> bool) -> Result<(u64, bool), ShipError> {
        let source = Source::live(&self.shared.catalog, self.partition)?;
        let known = self.known_of_compacted()?;
        let mut read = 0;
        for segment in 0..source.segments.len().saturating_sub(1) {
            let shipped = self.ship_segment(&source, segment, None, &known)?;
            read += shipped.read;
            if shipped.read > 0 && must_yield() {
                return Ok((read, true));
            }
        }
        Ok((read, false))
    }

    /// Ships everything up to the cut.
    pub(super) fn ship_compacted_to_cut(&mut self, order: &Order, source: &Source) -> Result<Shipped, ShipError> {
        let (log_start, end) = (source.log_start, order.cut.end.next);
        if log_start >= end {
            return Err(source.different(
                log_start,
                format!("the log now starts at {log_start}, the cut is at {end}"),
            ));
        }
        let Some(last) = source.segment_of(end.saturating_sub(1)) else {
            return Err(source.different(log_start, format!("nothing is there below the cut at {end}")));
        };
        if last + 1 < source.segments.len() {
            check_not_cleaned(source, last, end)?;
        }
        let known = self.known_of_compacted()?;
        let mut shipped = Shipped {
            log_start,
            inherited_to: log_start,
            ..Shipped::default()
        };
        for segment in 0..=last {
            let cut = (segment == last).then_some(&order.cut);
            let part = self.ship_segment(source, segment, cut, &known)?;
            shipped.read += part.read;
            shipped.chunks.extend(part.rows);
        }
        let found = shipped.chunks.last().map(|row| (row.next, row.epoch));
        if found != Some((end, order.cut.end.epoch)) {
            return Err(source.different(source.active(), "the last batch is not the one at the cut".to_owned()));
        }
        let bases: Vec<i64> = source.segments.iter().map(|segment| segment.base).collect();
        self.shared.state.retain_segments(&self.partition.key, &bases)?;
        self.accompany(source, end, &mut shipped)?;
        Ok(shipped)
    }

    fn known_of_compacted(&self) -> Result<Known, ShipError> {
        let base = if self.partition.base.is_some() {
            self.base_ids()?
        } else {
            Default::default()
        };
        let own = self
            .shared
            .state
            .chunks(self.run, &self.partition.key, ChunkKind::Log)?;
        Ok(Known {
            base,
            own: own.into_iter().map(|row| (row.id, row.place)).collect(),
        })
    }

    fn ship_segment(
        &mut self,
        source: &Source,
        index: usize,
        cut: Option<&Cut>,
        known: &Known,
    ) -> Result<SegmentShipped, ShipError> {
        let Some(base) = source.segments.get(index).map(|segment| segment.base) else {
            return Ok(SegmentShipped::default());
        };
        let (file, facts) = source.open(index)?;
        let mut chunks = self.unchanged(&file, &facts, base, cut, known)?;
        let is_closed = index + 1 < source.segments.len();
        let reached = chunks.last().map_or(0, |chunk| chunk.end);
        let is_complete = match cut {
            Some(cut) => chunks.last().is_some_and(|chunk| chunk.next == cut.end.next),
            None => is_closed && reached == facts.size,
        };
        let mut read = 0;
        if !is_complete {
            let open = chunks.iter().rev().take_while(|chunk| !chunk.closed).count();
            let tail = chunks.iter().skip(chunks.len() - open).map(|chunk| TailPiece {
                base: chunk.base,
                length: chunk.length,
            });
            let merged = pieces_to_merge(&tail.collect::<Vec<_>>(), facts.size.saturating_sub(reached));
            chunks.truncate(chunks.len() - merged);
            let from = (index, chunks.last().map_or(0, |chunk| chunk.end));
            let until = cut.map(|cut| cut.end.next);
            let rules = Rules {
                contiguous: false,
                by_segment: true,
                epochs: cut.map(|cut| &cut.epochs),
                until,
                segments: index + 1,
            };
            let mut new = Vec::new();
            read = self.read(
                source,
                from,
                rules,
                known,
                |_| After::GoOn,
                |draft, row| {
                    // The end of a closed segment is as good a boundary as any: it does not move.
                    let closed = row.closed || (is_closed && cut.is_none());
                    new.push(SegmentChunk {
                        id: row.id,
                        base: row.base,
                        next: row.next,
                        last_batch: draft.last_batch,
                        end: draft.end,
                        epoch: row.epoch,
                        crc: row.crc,
                        length: row.length,
                        closed,
                    });
                    After::GoOn
                },
            )?;
            chunks.extend(new);
            self.remember(base, &facts, &chunks)?;
        }
        let own = self
            .shared
            .state
            .chunks(self.run, &self.partition.key, ChunkKind::Log)?;
        let known = Known {
            base: known.base.clone(),
            own: own.into_iter().map(|row| (row.id, row.place)).collect(),
        };
        let rows = chunks
            .iter()
            .map(|chunk| row_of(chunk, &known, source, base))
            .collect::<Result<_, _>>()?;
        Ok(SegmentShipped { rows, read })
    }

    fn remember(&self, base: i64, facts: &FileFacts, chunks: &[SegmentChunk]) -> Result<(), ShipError> {
        // Without a birth time an inode number that is used again can't be told apart.
        let Some(birth) = facts.birth.and_then(|birth| i64::try_from(birth).ok()) else {
            return Ok(());
        };
        let row = SegmentRow {
            base,
            device: facts.device,
            inode: facts.inode,
            birth,
            chunks: chunks.to_vec(),
        };
        Ok(self.shared.state.put_segment(&self.partition.key, &row)?)
    }

    /// The segment's chunks that need not be read again: it is the same file, the batch at the last one's end is the same, and
    /// all of them are stored.
    fn unchanged(
        &self,
        file: &File,
        facts: &FileFacts,
        base: i64,
        cut: Option<&Cut>,
        known: &Known,
    ) -> Result<Vec<SegmentChunk>, ShipError> {
        let rows = self.shared.state.segments(&self.partition.key)?;
        let birth = facts.birth.and_then(|birth| i64::try_from(birth).ok());
        let same = |row: &SegmentRow| {
            row.base == base && (row.device, row.inode) == (facts.device, facts.inode) && Some(row.birth) == birth
        };
        let Some(row) = rows.into_iter().find(same) else {
            return Ok(Vec::new());
        };
        let is_usable = |chunk: &SegmentChunk| {
            known.place(&chunk.id).is_some()
                && cut.is_none_or(|cut| chunk.next <= cut.end.next && cut.epochs.allow(chunk.epoch, chunk.next - 1))
        };
        let mut chunks: Vec<SegmentChunk> = row.chunks.into_iter().take_while(is_usable).collect();
        while chunks.last().is_some_and(|chunk| !is_there(file, chunk)) {
            chunks.pop();
        }
        Ok(chunks)
    }
}

/// Of a log that is cut within closed segments nothing may be missing that a record above the cut replaced.
///
/// A pass of the cleaner uses the records of all closed segments, and makes all of their files anew (`Cleaner.doClean`). One
/// that used records above the cut began when a later segment was there already, and that one's file is older than those it
/// made: files older than all later segments are free of doubt.
fn check_not_cleaned(source: &Source, last: usize, end: i64) -> Result<(), ShipError> {
    let birth = |segment| Ok::<_, ShipError>(source.open(segment)?.1.birth);
    let later = (last + 1..source.segments.len())
        .map(birth)
        .collect::<Result<Vec<_>, _>>()?;
    // Without birth times nothing is known.
    let later = later.into_iter().min().flatten();
    for segment in 0..=last {
        let is_older = birth(segment)?.zip(later).is_some_and(|(birth, later)| birth < later);
        if !is_older {
            let base = source.segments.get(segment).map_or(0, |segment| segment.base);
            let reason = format!("it may have been compacted with records above the cut at {end}");
            return Err(source.different(base, reason));
        }
    }
    Ok(())
}

fn is_there(file: &File, chunk: &SegmentChunk) -> bool {
    let mut bytes = [0; HEADER_LENGTH];
    let Ok(read) = file.read_at(&mut bytes, chunk.last_batch) else {
        return false;
    };
    let frame = Frame::parse(bytes.get(..read).unwrap_or_default(), chunk.last_batch);
    let expected = (chunk.next, chunk.epoch, chunk.crc, chunk.end);
    matches!(frame, Ok(Some(frame)) if (frame.next, frame.epoch, frame.crc, frame.end()) == expected)
}

fn row_of(chunk: &SegmentChunk, known: &Known, source: &Source, base: i64) -> Result<ChunkRow, ShipError> {
    let place = known
        .place(&chunk.id)
        .ok_or_else(|| source.different(base, "a chunk that was stored is forgotten".to_owned()))?;
    Ok(ChunkRow {
        id: chunk.id,
        base: chunk.base,
        next: chunk.next,
        epoch: chunk.epoch,
        crc: chunk.crc,
        length: chunk.length,
        closed: chunk.closed,
        epochs: Vec::new(),
        place,
    })
}
