//! Control records: transaction markers, leader changes, snapshot headers, voters.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::control_records);
