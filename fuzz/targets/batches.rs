//! The batches of a stretch of log, and their records.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::batches);
