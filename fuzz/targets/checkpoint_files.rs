//! Kafka's text checkpoints.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::checkpoint_files);
