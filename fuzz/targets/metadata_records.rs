//! Single records of the metadata log.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::metadata_records);
