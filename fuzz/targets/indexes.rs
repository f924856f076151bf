//! Offset, time and transaction indexes.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::indexes);
