//! A sliding view of a file: small reads where the reader jumps, larger ones where it goes straight on.

use std::fs::File;
use std::io;
use std::time::Duration;

use crate::throttle::{Throttle, read_fully};

const SMALL: usize = 4 << 10;
const LARGE: usize = 256 << 10;

/// Reads a file piecemeal, through a buffer.
#[derive(Debug)]
pub(super) struct Window<'f> {
    file: &'f File,
    buffer: Vec<u8>,
    start: u64,
    filled: usize,
    step: usize,
    throttle: Option<&'f Throttle>,
    /// How long the throttle wants its readers to wait by now.
    owed: Duration,
}

impl<'f> Window<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            step: SMALL,
            throttle: None,
            owed: Duration::ZERO,
        }
    }

    /// Reads in bulk, in the background: within the throttle's rate, if the reader waits as long as it owes.
    pub(super) fn throttled(mut self, throttle: Option<&'f Throttle>) -> Self {
        self.throttle = throttle;
        self
    }

    /// How long to wait before reading on.
    pub(super) fn owed(&self) -> Duration {
        self.owed
    }

    /// The bytes from `position` on: at least `needed`, unless the file ends before.
    pub(super) fn at(&mut self, position: u64, needed: usize) -> io::Result<&[u8]> {
        let buffered = position
            .checked_sub(self.start)
            .map(|skip| skip as usize)
            .filter(|skip| *skip <= self.filled);
        let has_all = buffered.is_some_and(|skip| self.filled - skip >= needed);
        if !has_all {
            // Straight on, or a jump?
            let straight_on = buffered.is_some() && self.filled > 0;
            self.step = if straight_on { (self.step * 2).min(LARGE) } else { SMALL };
            self.fill(position, needed.max(self.step))?;
        }
        let skip = position.saturating_sub(self.start) as usize;
        Ok(self.buffer.get(skip..self.filled).unwrap_or_default())
    }

    fn fill(&mut self, position: u64, length: usize) -> io::Result<()> {
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        self.start = position;
        self.filled = 0;
        let buffer = self.buffer.get_mut(..length).unwrap_or_default();
        self.filled = match self.throttle {
            None => read_fully(self.file, position, buffer)?,
            Some(throttle) => {
                let (read, owed) = throttle.read_now(self.file, position, buffer)?;
                self.owed = self.owed.max(owed);
                read
            }
        };
        Ok(())
    }
}
