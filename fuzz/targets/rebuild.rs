//! Indexes and producer state regenerated from a stretch of log.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::rebuild);
