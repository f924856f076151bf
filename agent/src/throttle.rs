//! Bulk reading that does not hurt the broker: not faster than allowed, and without driving its pages out of the cache (K§9).

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, fadvise};
use rustix::io::{ReadWriteFlags, preadv2};

#[cfg(test)]
mod tests;

/// How much is read at once.
const STEP: usize = 1 << 20;
/// How far ahead of its rate a reader may be.
const BURST: f64 = 0.25;

/// A token bucket that goes into debt: who takes more than there is waits afterwards.
#[derive(Debug)]
struct Bucket {
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: u64, now: Instant) -> Self {
        Self {
            rate: rate as f64,
            tokens: rate as f64 * BURST,
            at: now,
        }
    }

    /// Takes tokens; returns how long to wait before going on.
    fn take(&mut self, bytes: u64, now: Instant) -> Duration {
        let refill = now.saturating_duration_since(self.at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + refill).min(self.rate * BURST) - bytes as f64;
        self.at = now;
        if self.tokens >= 0.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64(-self.tokens / self.rate)
        }
    }
}

/// Reads files in bulk. One per agent: the rate is for all readers together.
#[derive(Debug)]
pub(crate) struct Throttle {
    bucket: Option<Mutex<Bucket>>,
}

impl Throttle {
    /// With a rate in bytes per second, or without.
    pub(crate) fn new(rate: Option<u64>) -> Self {
        Self {
            bucket: rate.map(|rate| Mutex::new(Bucket::new(rate, Instant::now()))),
        }
    }

    /// Prepares a file for bulk reading: no readahead beyond what is asked for. Readahead would bring in pages that then
    /// look as if they had been in the cache before.
    pub(crate) fn prepare(&self, file: &File) {
        // Advice only: a file system that does not take it works as well.
        let _ = fadvise(file, 0, None, Advice::Random);
    }

    /// Reads into `buffer`, which is filled unless the file ends. Returns how much was read.
    ///
    /// Pages that were not in the page cache before do not stay in it; those that were may be what Kafka's consumers read
    /// next, and stay. Which is which shows by asking first for what is cached only (`RWF_NOWAIT`).
    pub(crate) fn read(&self, file: &File, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_in_steps(file, position, buffer, sleep)
    }

    /// Reads like [`Self::read`] but does not wait: returns how much was read, and how long to wait before reading on. For
    /// readers that hold what others wait for.
    pub(crate) fn read_now(&self, file: &File, position: u64, buffer: &mut [u8]) -> io::Result<(usize, Duration)> {
        let mut owed = Duration::ZERO;
        // Debts add up in the bucket: the last one says it all.
        let read = self.read_in_steps(file, position, buffer, |wait| owed = owed.max(wait))?;
        Ok((read, owed))
    }

    fn read_in_steps(
        &self,
        file: &File,
        position: u64,
        buffer: &mut [u8],
        mut wait: impl FnMut(Duration),
    ) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(step) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let length = step.len().min(STEP);
            let step = step.get_mut(..length).unwrap_or_default();
            let read = self.read_step(file, position + filled as u64, step)?;
            let owed = self.take(read as u64);
            if !owed.is_zero() {
                wait(owed);
            }
            filled += read;
            if read < length {
                break;
            }
        }
        Ok(filled)
    }

    /// Takes from the bucket; returns how long to wait.
    fn take(&self, bytes: u64) -> Duration {
        let Some(bucket) = &self.bucket else {
            return Duration::ZERO;
        };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(bytes, Instant::now())
    }

    fn read_step(&self, file: &File, position: u64, step: &mut [u8]) -> io::Result<usize> {
        let cached = preadv2(file, &mut [IoSliceMut::new(step)], position, ReadWriteFlags::NOWAIT);
        let (read, was_cached) = match cached {
            Ok(read) if read == step.len() => (read, true),
            Ok(read) => {
                // The rest is not cached, or the file ends here.
                let rest = step.get_mut(read..).unwrap_or_default();
                let more = read_fully(file, position + read as u64, rest)?;
                if more > 0 {
                    forget(file, position + read as u64, more as u64);
                }
                (read + more, true)
            }
            // Nothing cached; or a file system that cannot say (tmpfs: all is cached there).
            Err(error) => (read_fully(file, position, step)?, error != rustix::io::Errno::AGAIN),
        };
        if !was_cached {
            forget(file, position, read as u64);
        }
        Ok(read)
    }
}

fn forget(file: &File, position: u64, length: u64) {
    let _ = fadvise(file, position, NonZeroU64::new(length), Advice::DontNeed);
}

/// Fills the buffer from a position on, as far as the file reaches; returns how much that is.
pub(crate) fn read_fully(file: &File, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, position + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
