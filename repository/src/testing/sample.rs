//! Randomness that repeats itself.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};

use crate::environment::Random;

/// The same bytes in every run of a test.
#[derive(Debug)]
pub struct SampleRandom(Mutex<StdRng>);

impl SampleRandom {
    /// Every seed gives another sequence.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Random for SampleRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}
