//! Records of __transaction_state and __consumer_offsets.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::coordinator_records);
