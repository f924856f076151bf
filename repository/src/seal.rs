//! Sealed blobs: how chunks, nodes and roots are stored.
//!
//! ```text
//! blob       = 0x00 content                        not encrypted
//!            | 0x01 nonce(24) ciphertext tag(16)   XChaCha20-Poly1305 of content; associated data: role(1) id(32)
//! content    = codec(1) body                       codec 0: as it is, 1: one zstd frame
//! ```
//!
//! The id is BLAKE3, keyed with the repository's id key, of the body before compression. Each blob is sealed by itself,
//! so that ranges can be read and blobs copied without their key; role and id as associated data make that a blob can't
//! stand in for another one.

mod open;
mod sealer;
#[cfg(test)]
mod tests;

pub use open::{Expected, Opener, open};
pub use sealer::Sealer;

/// Sealing: none.
const PLAIN: u8 = 0;
/// Sealing: XChaCha20-Poly1305.
const XCHACHA20_POLY1305: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;

/// Body: as it is.
const RAW: u8 = 0;
/// Body: one zstd frame with its content size.
const ZSTD: u8 = 1;

/// What sealing adds to a body at most, when it is not compressed.
pub const OVERHEAD: u64 = 1 + NONCE as u64 + 1 + TAG as u64;

/// Nothing larger is sealed or opened.
pub const MAX_BODY: u64 = 1 << 30;

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// Record batches, or a piece of another file of a broker.
    Chunk = 1,
    /// A node of a manifest tree.
    Node = 2,
    /// The root of a manifest tree.
    Root = 3,
}

/// Whether a body is compressed before it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// It is not: its content is compressed already.
    None,
    /// zstd at a level; kept only if it saves at least a sixteenth.
    Zstd(i32),
}

fn associated_data(role: Role, id: &crate::id::ContentId) -> [u8; 33] {
    let mut data = [role as u8; 33];
    if let Some(rest) = data.get_mut(1..) {
        rest.copy_from_slice(&id.0);
    }
    data
}
