//! Producer snapshots.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::producer_snapshot);
