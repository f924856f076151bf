//! From segments to chunks: reads in bulk, checks every batch, cuts where the chunker says.

use std::fs::File;

use maxbrod_kafka::check_crc;

use super::epochs::Epochs;
use super::error::ShipError;
use super::source::Source;
use crate::chunker::{Chunker, Piece, Step};
use crate::frame::Frame;
use crate::state::EpochRun;
use crate::throttle::Throttle;

/// How much is asked for at once.
const STEP: usize = 1 << 20;
/// The buffer is kept between chunks unless a giant batch made it larger than this.
const KEEP: usize = 12 << 20;

/// What a partition's batches must comply with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// Offsets follow each other from segment to segment.
    pub(crate) contiguous: bool,
    /// Chunks end where segments end.
    pub(crate) by_segment: bool,
    /// The epochs as captured.
    pub(crate) epochs: Option<&'a Epochs>,
    /// Read up to here, exclusively; it must be a batch's end. `None`: up to the end of the last segment in `segments`.
    pub(crate) until: Option<i64>,
    /// Segments from this one on are not read.
    pub(crate) segments: usize,
}

/// A chunk that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) base: i64,
    pub(crate) next: i64,
    /// Epoch and CRC of its last batch.
    pub(crate) epoch: i32,
    pub(crate) crc: u32,
    pub(crate) closed: bool,
    pub(crate) epochs: Vec<EpochRun>,
    /// Bytes in batches that are compressed.
    pub(crate) compressed: u64,
    /// Where its last batch starts in its segment, and where that ends.
    pub(crate) last_batch: u64,
    pub(crate) end: u64,
    length: usize,
}

impl Draft {
    fn new(frame: &Frame) -> Self {
        Self {
            base: frame.base,
            next: frame.base,
            epoch: -1,
            crc: 0,
            closed: false,
            epochs: Vec::new(),
            compressed: 0,
            last_batch: 0,
            end: 0,
            length: 0,
        }
    }

    fn add(&mut self, frame: &Frame) {
        if self.epochs.last().is_none_or(|run| run.epoch != frame.epoch) {
            self.epochs.push(EpochRun {
                epoch: frame.epoch,
                start: frame.base,
            });
        }
        (self.next, self.epoch, self.crc) = (frame.next, frame.epoch, frame.crc);
        (self.last_batch, self.end) = (frame.position, frame.end());
        self.compressed += if frame.is_compressed() { frame.length } else { 0 };
        self.length += frame.length as usize;
    }

    /// For the producer snapshot at an offset.
    pub(crate) fn of_file(offset: i64) -> Self {
        let (base, next, epochs) = (offset, offset, Vec::new());
        Self {
            base,
            next,
            epoch: -1,
            crc: 0,
            closed: true,
            epochs,
            compressed: 0,
            last_batch: 0,
            end: 0,
            length: 0,
        }
    }
}

/// Reads a source from a batch on.
pub(crate) struct Reader<'a> {
    source: &'a Source,
    rules: Rules<'a>,
    throttle: &'a Throttle,
    buffer: &'a mut Vec<u8>,
    /// The chunk at hand and what was read beyond it; the chunk starts at 0.
    filled: usize,
    /// What of it is checked batches of the chunk at hand.
    checked: usize,
    segment: usize,
    /// Where the next bytes come from.
    position: u64,
    file: Option<File>,
    chunker: Chunker,
    draft: Option<Draft>,
    /// The first offset that the next batch may have.
    expected: Option<i64>,
    seen_compaction: bool,
    done: bool,
    /// Length of the chunk that was given out last.
    given: usize,
    /// Bytes read from files.
    pub(crate) read: u64,
}

/// What becomes of the batch at hand.
enum Next {
    Batch(Frame),
    /// The segment has no further batch.
    SegmentEnds,
}

impl<'a> Reader<'a> {
    /// Starts at a position of a segment where a batch starts. `buffer` is lent, so that it can be used again.
    pub(crate) fn new(
        source: &'a Source,
        (segment, position): (usize, u64),
        rules: Rules<'a>,
        throttle: &'a Throttle,
        buffer: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            source,
            rules,
            throttle,
            buffer,
            filled: 0,
            checked: 0,
            segment,
            position,
            file: None,
            chunker: Chunker::new(),
            draft: None,
            expected: None,
            seen_compaction: false,
            done: false,
            given: 0,
            read: 0,
        }
    }

    /// The next chunk and its bytes. The last one may not be closed.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<(Draft, &[u8])>, ShipError> {
        self.take_back();
        let draft = loop {
            // A batch can end the chunk before it and be one itself.
            if self.done || self.draft.as_ref().is_some_and(|draft| draft.closed) {
                break self.draft.take();
            }
            match self.next_batch()? {
                Next::Batch(frame) => {
                    if let Some(draft) = self.accept(&frame)? {
                        break Some(draft);
                    }
                }
                Next::SegmentEnds => {
                    if let Some(draft) = self.next_segment()? {
                        break Some(draft);
                    }
                }
            }
        };
        let Some(draft) = draft else { return Ok(None) };
        self.given = draft.length;
        let bytes = self.buffer.get(..draft.length).unwrap_or_default();
        Ok(Some((draft, bytes)))
    }

    /// Moves what was read beyond the last chunk to the front.
    fn take_back(&mut self) {
        let given = std::mem::take(&mut self.given);
        if given > 0 {
            self.buffer.copy_within(given..self.filled, 0);
            self.filled -= given;
            self.checked -= given;
        }
        if self.buffer.len() > KEEP && self.filled < KEEP {
            self.buffer.truncate(KEEP);
            self.buffer.shrink_to(KEEP);
        }
    }

    /// Puts a batch into a chunk; returns the chunk that it ended.
    fn accept(&mut self, frame: &Frame) -> Result<Option<Draft>, ShipError> {
        self.check(frame)?;
        let piece = Piece {
            base_offset: frame.base,
            epoch: frame.epoch,
            crc: frame.crc,
            length: frame.length,
        };
        let step = self.chunker.push(&piece);
        let ended = match step {
            Step::EndedBefore { .. } => self.draft.take().map(|draft| Draft { closed: true, ..draft }),
            Step::Goes | Step::Ends => None,
        };
        let draft = self.draft.get_or_insert_with(|| Draft::new(frame));
        draft.add(frame);
        draft.closed = matches!(step, Step::Ends | Step::EndedBefore { ends: true });
        self.checked += frame.length as usize;
        self.expected = Some(frame.next);
        self.done = self.rules.until == Some(frame.next);
        Ok(ended)
    }

    fn check(&mut self, frame: &Frame) -> Result<(), ShipError> {
        let base = self.segment_base();
        let at = |reason: &str| format!("the batch at byte {} {reason}", frame.position);
        let bytes = self
            .buffer
            .get(self.checked..self.checked + frame.length as usize)
            .unwrap_or_default();
        if frame.header.is_some_and(|header| !check_crc(&header, bytes)) {
            return Err(self.source.damaged(base, at("does not match its CRC")));
        }
        if self.expected.is_some_and(|expected| frame.next <= expected) {
            return Err(self.source.damaged(base, at("has offsets that came before")));
        }
        if let Some(header) = &frame.header
            && !header.attributes.is_control()
        {
            self.seen_compaction |= i64::from(header.records_count) != i64::from(header.last_offset_delta) + 1;
        }
        // Below magic 2 the first offset of a compressed message is inside it.
        if let Some(expected) = self
            .expected
            .filter(|expected| frame.header.is_some() && *expected != frame.base)
        {
            if frame.base < expected {
                return Err(self.source.damaged(base, at("has offsets that came before")));
            }
            // Within one file nothing can be missing: the log was compacted once.
            self.seen_compaction |= frame.position > 0;
            if self.rules.contiguous && !self.seen_compaction {
                return Err(self.source.different(
                    base,
                    format!("offsets {expected} to {} are missing before it", frame.base - 1),
                ));
            }
        }
        if self
            .rules
            .epochs
            .is_some_and(|epochs| !epochs.allow(frame.epoch, frame.base))
        {
            return Err(self.source.different(
                base,
                at(&format!("has leader epoch {}, another than was captured", frame.epoch)),
            ));
        }
        if let Some(until) = self.rules.until.filter(|until| frame.next > *until) {
            let reason = if frame.base < until {
                "goes beyond the cut"
            } else {
                "comes after the cut, and none ends there"
            };
            return Err(self.source.different(base, at(reason)));
        }
        Ok(())
    }

    fn segment_base(&self) -> i64 {
        self.source.segments.get(self.segment).map_or(0, |segment| segment.base)
    }

    fn next_batch(&mut self) -> Result<Next, ShipError> {
        loop {
            let rest = self.buffer.get(self.checked..self.filled).unwrap_or_default();
            let position = self.position - rest.len() as u64;
            let base = self.segment_base();
            let missing = match Frame::parse(rest, position) {
                Ok(Some(frame)) if frame.length <= rest.len() as u64 => return Ok(Next::Batch(frame)),
                Ok(Some(frame)) => frame.length as usize - rest.len(),
                Ok(None) => STEP,
                // Of an active segment that is read beyond its data: zeros, or a batch in the making.
                Err(_) if self.reads_to_the_end() => return Ok(Next::SegmentEnds),
                Err(error) => return Err(self.source.damaged(base, error.to_string())),
            };
            if self.fill(missing.max(STEP))? == 0 {
                let rest = self.filled - self.checked;
                if rest > 0 && !self.reads_to_the_end() {
                    return Err(self
                        .source
                        .damaged(base, format!("{rest} bytes at its end are no whole batch")));
                }
                return Ok(Next::SegmentEnds);
            }
        }
    }

    /// Whether the end of the active segment is wanted, wherever it is.
    fn reads_to_the_end(&self) -> bool {
        self.rules.until.is_none() && self.segment + 1 >= self.source.segments.len()
    }

    fn fill(&mut self, length: usize) -> Result<usize, ShipError> {
        if self.file.is_none() {
            let (file, _) = self.source.open(self.segment)?;
            self.throttle.prepare(&file);
            self.file = Some(file);
        }
        let Some(file) = &self.file else { return Ok(0) };
        let end = self.filled + length;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        let free = self.buffer.get_mut(self.filled..end).unwrap_or_default();
        let read = self.throttle.read(file, self.position, free);
        let read = read.map_err(|error| self.source.unreadable(self.segment_base(), error))?;
        self.filled += read;
        self.position += read as u64;
        self.read += read as u64;
        Ok(read)
    }

    /// Goes on to the next segment; returns the chunk that ended with this one, if it did.
    fn next_segment(&mut self) -> Result<Option<Draft>, ShipError> {
        // Zeros or a torn batch at the end of an active segment.
        self.filled = self.checked;
        self.segment += 1;
        self.position = 0;
        self.file = None;
        let more = self.segment < self.rules.segments.min(self.source.segments.len());
        if !more {
            self.done = true;
            if let Some(until) = self.rules.until {
                return Err(self
                    .source
                    .different(self.source.active(), format!("the log ends before the cut at {until}")));
            }
        }
        if self.rules.by_segment && more {
            self.chunker.restart();
            return Ok(self.draft.take().map(|draft| Draft { closed: true, ..draft }));
        }
        Ok(None)
    }
}
