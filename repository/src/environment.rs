//! Clock and randomness, handed in.

use std::sync::Arc;

use jiff::Timestamp;
use rand::RngCore as _;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// Gives random bytes, fit for keys.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// What a repository needs from its surroundings besides the store.
///
/// `age` draws its own randomness from the operating system when it wraps a key; everything else comes from here.
#[derive(Clone)]
pub struct Environment {
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives random bytes.
    pub random: Arc<dyn Random>,
    /// The program and its version, as the journal and the root name it: `maxbrod 0.1.0`.
    pub software: String,
    /// Who writes: program, host, process; for the audit trail.
    pub writer: String,
}

impl Environment {
    /// The machine's clock and the operating system's randomness.
    pub fn system(writer: impl Into<String>) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            software: concat!("maxbrod ", env!("CARGO_PKG_VERSION")).to_owned(),
            writer: writer.into(),
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("software", &self.software)
            .field("writer", &self.writer)
            .finish()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A cryptographic generator seeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}
