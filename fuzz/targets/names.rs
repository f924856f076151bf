//! Names of files, directories and snapshots.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::names);
