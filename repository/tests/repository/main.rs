//! The repository on real stores: a folder, an S3 server in process, and an independent one (versitygw).

#![allow(unreachable_pub)]

mod backend;
mod clusters;
mod conformance;
mod damage;
mod faults;
mod identities;
mod journals;
mod leaf_sharing;
mod sample;
mod uploads;
