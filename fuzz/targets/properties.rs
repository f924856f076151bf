//! server.properties, meta.properties and quorum-state.

#![no_main]

maxbrod_fuzz::target!(maxbrod_fuzz::properties);
