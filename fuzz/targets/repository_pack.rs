//! The footers of packs.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::repository_pack);
