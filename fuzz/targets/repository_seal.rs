//! Sealed blobs.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::repository_seal);
