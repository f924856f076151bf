//! KRaft snapshots.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::metadata_checkpoint);
