//! The node's metadata log, for the coordinator: the newest checkpoint and the batches after it, or what was appended since.
//!
//! Only what is whole and has its CRC is sent; how far the log is committed is for the coordinator to find out, who sees
//! those of all controllers.

use std::fs::File;
use std::io;
use std::thread::sleep;
use std::time::Duration;

use maxbrod_kafka::{BatchError, CheckpointId, check_crc};
use maxbrod_proto::agent as wire;
use thiserror::Error;

use crate::directory::Directory;
use crate::frame::Frame;
use crate::log_dir::{Listing, LogDir};
use crate::replica::{End, locate};
use crate::ship::end_from_wire;
use crate::throttle::read_fully;

#[cfg(test)]
mod tests;

const DIRECTORY: &str = "__cluster_metadata-0";
/// Pieces are sent off at this size; only a single larger batch makes a larger one (KRaft writes up to 8 MiB).
const PIECE: usize = 512 << 10;
const STEP: usize = 256 << 10;
/// How often files may vanish between listing and opening.
const RESCANS: u32 = 5;
/// How often the end of the log is read again when it looks damaged: it may be just being written.
const REREADS: u32 = 3;
const REREAD_PAUSE: Duration = Duration::from_millis(10);

/// Why the metadata log cannot be read.
#[derive(Debug, Error)]
enum MetadataLogError {
    #[error("read {what} of {DIRECTORY}: {reason}; check metadata.log.dir, and that the agent runs as Kafka's user")]
    Io { what: String, reason: io::Error },
    #[error("read {what} of {DIRECTORY}: {reason}; let Kafka replace this controller's log from another one")]
    Damaged { what: String, reason: BatchError },
    #[error("read {DIRECTORY}: its files keep vanishing while they are read")]
    Restless,
    /// Nobody takes the answer any more.
    #[error("the session is over")]
    Over,
}

/// Takes the pieces of an answer; `false`: nobody wants them any more.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(wire::MetadataReply) -> bool;

/// Answers a query, piece by piece. Blocks.
pub(crate) fn answer(log_dir: &LogDir, query: &wire::MetadataQuery, send: Sink<'_>) {
    let request = query.request;
    let since = query.since.as_ref().map(end_from_wire);
    let result = Opened::open(log_dir, since).and_then(|opened| opened.answer(request, send));
    match result {
        Ok(()) | Err(MetadataLogError::Over) => {}
        Err(error) => {
            tracing::warn!(%error, "the metadata log cannot be read");
            send(wire::MetadataReply {
                request,
                error: error.to_string(),
                last: true,
                ..wire::MetadataReply::default()
            });
        }
    }
}

/// The files of an answer, all open: what is removed meanwhile does no harm.
struct Opened {
    /// `None`: the answer goes on where the coordinator is.
    reset: Option<Option<(CheckpointId, File)>>,
    segments: Vec<(i64, File)>,
    /// Where in the first segment the answer starts.
    position: u64,
    /// Batches that end at or below this are not sent.
    after: i64,
}

impl Opened {
    fn open(log_dir: &LogDir, since: Option<End>) -> Result<Self, MetadataLogError> {
        for _ in 0..RESCANS {
            match Self::try_open(log_dir, since) {
                Err(MetadataLogError::Io { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => {
                    sleep(REREAD_PAUSE);
                }
                other => return other,
            }
        }
        // Not there at all, or never for long enough.
        match log_dir.directory.subdirectory(DIRECTORY) {
            Ok(_) => Err(MetadataLogError::Restless),
            Err(reason) => Err(MetadataLogError::Io {
                what: "the directory".to_owned(),
                reason,
            }),
        }
    }

    fn try_open(log_dir: &LogDir, since: Option<End>) -> Result<Self, MetadataLogError> {
        let io = |what: &str| {
            let what = what.to_owned();
            move |reason| MetadataLogError::Io { what, reason }
        };
        let directory = log_dir.directory.subdirectory(DIRECTORY).map_err(io("the directory"))?;
        let listing = Listing::take(&directory).map_err(io("the directory"))?;
        if let Some(since) = since
            && let Some((base, position)) = find(&directory, &listing, &since).map_err(io("a segment"))?
        {
            let segments = open_segments(&directory, listing.covering(base))?;
            return Ok(Self {
                reset: None,
                segments,
                position,
                after: since.next,
            });
        }
        let checkpoint = newest_checkpoint(&directory).map_err(io("the directory"))?;
        let after = checkpoint.map_or(0, |checkpoint| checkpoint.end_offset.0);
        let checkpoint = match checkpoint {
            Some(id) => Some((id, directory.file(&id.file_name()).map_err(io(&id.file_name()))?)),
            None => None,
        };
        let segments = open_segments(&directory, listing.covering(after))?;
        Ok(Self {
            reset: Some(checkpoint),
            segments,
            position: 0,
            after,
        })
    }

    fn answer(self, request: u64, send: Sink<'_>) -> Result<(), MetadataLogError> {
        let mut out = Pieces {
            request,
            reset: self.reset.is_some(),
            batches: Vec::new(),
            send,
        };
        let mut log_end = self.after;
        if let Some(Some((id, file))) = &self.reset {
            let name = wire::CheckpointName {
                end_offset: id.end_offset.0,
                epoch: id.epoch.0,
            };
            out.checkpoint(name, file)
                .map_err(|reason| reason.named(&id.file_name()))?;
        }
        let last = self.segments.len().saturating_sub(1);
        for (index, (base, file)) in self.segments.iter().enumerate() {
            let from = if index == 0 { self.position } else { 0 };
            log_end = log_end.max(*base);
            let name = maxbrod_kafka::SegmentFile::Log.name(maxbrod_kafka::Offset(*base));
            let end = out
                .batches(file, from, self.after, index == last)
                .map_err(|reason| reason.named(&name))?;
            log_end = log_end.max(end);
        }
        out.finish(log_end)
    }
}

enum PieceError {
    Io(io::Error),
    Damaged(BatchError),
    Over,
}

impl PieceError {
    fn named(self, what: &str) -> MetadataLogError {
        let what = what.to_owned();
        match self {
            Self::Io(reason) => MetadataLogError::Io { what, reason },
            Self::Damaged(reason) => MetadataLogError::Damaged { what, reason },
            Self::Over => MetadataLogError::Over,
        }
    }
}

/// The answer being sent.
struct Pieces<'s> {
    request: u64,
    /// The next piece is the first of an answer that starts over.
    reset: bool,
    batches: Vec<u8>,
    send: Sink<'s>,
}

impl Pieces<'_> {
    fn send(&mut self, reply: wire::MetadataReply) -> Result<(), PieceError> {
        let reset = std::mem::take(&mut self.reset);
        let reply = wire::MetadataReply {
            request: self.request,
            reset,
            ..reply
        };
        if (self.send)(reply) {
            Ok(())
        } else {
            Err(PieceError::Over)
        }
    }

    fn checkpoint(&mut self, name: wire::CheckpointName, file: &File) -> Result<(), PieceError> {
        let mut position = 0;
        let mut checkpoint = Some(name);
        loop {
            let mut bytes = vec![0; PIECE];
            let read = read_fully(file, position, &mut bytes).map_err(PieceError::Io)?;
            bytes.truncate(read);
            position += read as u64;
            if read == 0 && checkpoint.is_none() {
                return Ok(());
            }
            let checkpoint = checkpoint.take();
            self.send(wire::MetadataReply {
                checkpoint,
                checkpoint_bytes: bytes.into(),
                ..wire::MetadataReply::default()
            })?;
            if read < PIECE {
                return Ok(());
            }
        }
    }

    /// Sends the batches of a segment that end above `after`. Returns the offset after the last one seen.
    fn batches(&mut self, file: &File, from: u64, after: i64, is_active: bool) -> Result<i64, PieceError> {
        let mut bytes: Vec<u8> = Vec::new();
        let (mut position, mut end, mut rereads) = (from, 0, 0);
        loop {
            // What is in `bytes` starts at `position` in the file.
            let mut taken = 0;
            let stop = loop {
                let rest = bytes.get(taken..).unwrap_or_default();
                match whole_batch(rest, position + taken as u64) {
                    Ok(Found::Batch(frame)) => {
                        let batch = rest.get(..frame.length as usize).unwrap_or_default();
                        if frame.next > after {
                            self.batches.extend_from_slice(batch);
                        }
                        end = frame.next;
                        taken += frame.length as usize;
                    }
                    Ok(Found::Needs(more)) => break Ok(more),
                    Err(error) => break Err(error),
                }
                if self.batches.len() >= PIECE {
                    self.flush()?;
                }
            };
            bytes.drain(..taken);
            position += taken as u64;
            match stop {
                Ok(more) => {
                    let held = bytes.len();
                    bytes.resize(held + more.max(STEP), 0);
                    let free = bytes.get_mut(held..).unwrap_or_default();
                    let read = read_fully(file, position + held as u64, free).map_err(PieceError::Io)?;
                    bytes.truncate(held + read);
                    if read == 0 {
                        // A closed segment ends with a whole batch; in an active one the last may be in the making.
                        let torn = !is_active && held > 0;
                        let truncated = BatchError::Truncated {
                            position,
                            needed: more as u64,
                            available: held as u64,
                        };
                        return if torn {
                            Err(PieceError::Damaged(truncated))
                        } else {
                            Ok(end)
                        };
                    }
                }
                Err(BatchError::Padding { .. }) if is_active => return Ok(end),
                Err(_) if is_active && rereads < REREADS => {
                    rereads += 1;
                    sleep(REREAD_PAUSE);
                    bytes.clear();
                }
                Err(error) => return Err(PieceError::Damaged(error)),
            }
        }
    }

    fn flush(&mut self) -> Result<(), PieceError> {
        let batches = std::mem::take(&mut self.batches).into();
        self.send(wire::MetadataReply {
            batches,
            ..wire::MetadataReply::default()
        })
    }

    fn finish(mut self, log_end: i64) -> Result<(), MetadataLogError> {
        let batches = std::mem::take(&mut self.batches).into();
        let reply = wire::MetadataReply {
            batches,
            last: true,
            log_end,
            ..wire::MetadataReply::default()
        };
        self.send(reply).map_err(|reason| reason.named(DIRECTORY))
    }
}

enum Found {
    Batch(Frame),
    /// That many bytes more, at least.
    Needs(usize),
}

fn whole_batch(bytes: &[u8], position: u64) -> Result<Found, BatchError> {
    let Some(frame) = Frame::parse(bytes, position)? else {
        return Ok(Found::Needs(STEP));
    };
    let Some(batch) = bytes.get(..frame.length as usize) else {
        return Ok(Found::Needs((frame.length as usize).saturating_sub(bytes.len())));
    };
    if frame.header.is_some_and(|header| !check_crc(&header, batch)) {
        return Err(BatchError::Corrupt {
            position,
            reason: "its CRC does not match".to_owned(),
        });
    }
    Ok(Found::Batch(frame))
}

/// The segment and position after the batch that the coordinator knows, if it is still in the log.
fn find(directory: &Directory, listing: &Listing, since: &End) -> io::Result<Option<(i64, u64)>> {
    let Some(base) = listing.containing(since.next.saturating_sub(1)) else {
        return Ok(None);
    };
    let file = directory.file(&maxbrod_kafka::SegmentFile::Log.name(maxbrod_kafka::Offset(base)))?;
    let found = locate(&file, Some(directory), base, since.next.saturating_sub(1), None)?;
    let same = found.filter(|frame| (frame.next, frame.epoch, frame.crc) == (since.next, since.epoch, since.crc));
    Ok(same.map(|frame| (base, frame.end())))
}

fn newest_checkpoint(directory: &Directory) -> io::Result<Option<CheckpointId>> {
    let mut newest = None;
    directory.each(|name, _, _| newest = newest.max(CheckpointId::parse(&name.to_string_lossy())))?;
    Ok(newest)
}

fn open_segments(directory: &Directory, bases: &[i64]) -> Result<Vec<(i64, File)>, MetadataLogError> {
    let open = |base: &i64| {
        let name = maxbrod_kafka::SegmentFile::Log.name(maxbrod_kafka::Offset(*base));
        let file = directory
            .file(&name)
            .map_err(|reason| MetadataLogError::Io { what: name, reason })?;
        Ok((*base, file))
    };
    bases.iter().map(open).collect()
}
