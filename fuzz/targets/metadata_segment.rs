//! A segment of the metadata log, replayed into an image.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::metadata_segment);
