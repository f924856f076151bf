//! Opening.

use std::fmt;

use chacha20poly1305::{AeadInPlace as _, Tag, XNonce};

use super::{MAX_BODY, NONCE, PLAIN, RAW, Role, TAG, XCHACHA20_POLY1305, ZSTD, associated_data};
use crate::error::{Error, Result};
use crate::id::ContentId;
use crate::key::{IdKey, SealingKey};

/// What a reference says of a blob.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What it is.
    pub role: Role,
    /// Its id.
    pub id: ContentId,
    /// Its body is not longer.
    pub limit: u64,
    /// How messages call it.
    pub object: &'a str,
}

/// Opens many blobs, keeping its buffers between them.
#[derive(Default)]
pub struct Opener {
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
    content: Vec<u8>,
    body: Vec<u8>,
}

impl Opener {
    /// With empty buffers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Exchanges the buffer that decrypted contents go to for another one.
    pub(super) fn borrow_content(&mut self, other: &mut Vec<u8>) {
        std::mem::swap(&mut self.content, other);
    }

    /// The body of a sealed blob: decrypted, decompressed, hashed again and found to have the id.
    pub fn open<'a>(
        &'a mut self,
        expected: Expected<'_>,
        sealed: &'a [u8],
        id_key: &IdKey,
        key: Option<&SealingKey>,
    ) -> Result<&'a [u8]> {
        let Expected {
            role,
            id,
            limit,
            object,
        } = expected;
        let damaged = |reason: &str| Error::damaged(object, reason);
        let limit = limit.min(MAX_BODY);
        let (&sealing, rest) = sealed.split_first().ok_or_else(|| damaged("it is empty"))?;
        let content = match (sealing, key) {
            (PLAIN, None) => rest,
            (PLAIN, Some(_)) => return Err(damaged("it is not encrypted, but its reference names a key")),
            (XCHACHA20_POLY1305, None) => return Err(damaged("it is encrypted, but its reference names no key")),
            (XCHACHA20_POLY1305, Some(key)) => {
                let split = || {
                    let (nonce, rest) = rest.split_at_checked(NONCE)?;
                    let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
                    let nonce: [u8; NONCE] = nonce.try_into().ok()?;
                    let tag: [u8; TAG] = tag.try_into().ok()?;
                    Some((XNonce::from(nonce), ciphertext, Tag::from(tag)))
                };
                let (nonce, ciphertext, tag) = split().ok_or_else(|| damaged("it is too short to be a sealed blob"))?;
                self.content.clear();
                self.content.extend_from_slice(ciphertext);
                let data = associated_data(role, &id);
                key.cipher()
                    .decrypt_in_place_detached(&nonce, &data, &mut self.content, &tag)
                    .map_err(|_| damaged("its seal is broken: it was changed, or it is another blob"))?;
                self.content.as_slice()
            }
            _ => return Err(damaged("it is sealed in an unknown way")),
        };
        let (&codec, content) = content.split_first().ok_or_else(|| damaged("it has no body"))?;
        let too_long = || damaged("its body is longer than its reference says");
        let body = match codec {
            RAW if content.len() as u64 > limit => return Err(too_long()),
            RAW => content,
            ZSTD => {
                let size = zstd::zstd_safe::get_frame_content_size(content).ok().flatten();
                let size = size.ok_or_else(|| damaged("its compressed body does not say how long it is"))?;
                if size > limit {
                    return Err(too_long());
                }
                let failed = |source: std::io::Error| damaged(&format!("decompressing it: {source}"));
                if self.decompressor.is_none() {
                    self.decompressor = Some(zstd::bulk::Decompressor::new().map_err(failed)?);
                }
                self.body.clear();
                self.body.reserve(size as usize);
                if let Some(decompressor) = &mut self.decompressor {
                    decompressor
                        .decompress_to_buffer(content, &mut self.body)
                        .map_err(failed)?;
                }
                self.body.as_slice()
            }
            _ => return Err(damaged("it is compressed in an unknown way")),
        };
        if id_key.id_of(body) != id {
            return Err(damaged(
                "its content does not have its id: it was changed, or it is of another repository",
            ));
        }
        Ok(body)
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

/// Opens one blob; see [`Opener::open`].
pub fn open(expected: Expected<'_>, sealed: &[u8], id_key: &IdKey, key: Option<&SealingKey>) -> Result<Vec<u8>> {
    Opener::new().open(expected, sealed, id_key, key).map(<[u8]>::to_vec)
}
