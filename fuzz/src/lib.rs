//! What is fuzzed: every parser of bytes that come from a disk or a bucket.
//!
//! Each function takes any bytes and must neither panic nor allocate much more than it was given; what it accepts must survive
//! being written and read again. Checksums, which a fuzzer cannot guess, are put right first.

mod kafka;
mod metadata;
mod repository;

pub use kafka::{
    batches, checkpoint_files, control_records, coordinator_records, indexes, names, producer_snapshot, properties,
    rebuild,
};
pub use metadata::{metadata_checkpoint, metadata_records, metadata_segment};
pub use repository::{
    repository_config, repository_journal, repository_key, repository_nodes, repository_pack, repository_seal,
};

pub use cap::Cap;
pub use libfuzzer_sys;

/// The longest input is 64 KiB (`xtask/src/fuzz.rs`); a parser that needs a thousand times as much trusts a length field.
pub const MEMORY: usize = 64 << 20;

/// Makes a fuzz target of a function, with an allocator that refuses to give more than [`MEMORY`]: then the process aborts, which
/// is a finding.
#[macro_export]
macro_rules! target {
    ($function:path) => {
        #[global_allocator]
        static ALLOCATOR: $crate::Cap<std::alloc::System> = $crate::Cap::new(std::alloc::System, $crate::MEMORY);

        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            $function(data);
        });
    };
}
