//! Sealing.

use std::fmt;

use chacha20poly1305::{AeadInPlace as _, XChaCha20Poly1305, XNonce};

use super::{
    Compression, Expected, MAX_BODY, NONCE, Opener, PLAIN, RAW, Role, XCHACHA20_POLY1305, ZSTD, associated_data,
};
use crate::environment::Random;
use crate::error::{Error, Result};
use crate::id::{ContentId, KeyId};
use crate::key::{IdKey, SealingKey};

/// Seals many blobs with one key, keeping what can be kept between them.
pub struct Sealer {
    id_key: IdKey,
    key: Option<(SealingKey, XChaCha20Poly1305)>,
    compressor: Option<(i32, zstd::bulk::Compressor<'static>)>,
    compressed: Vec<u8>,
}

impl Sealer {
    /// With a key, or without: not encrypted.
    pub fn new(id_key: IdKey, key: Option<SealingKey>) -> Self {
        let key = key.map(|key| (key.clone(), key.cipher()));
        Self {
            id_key,
            key,
            compressor: None,
            compressed: Vec::new(),
        }
    }

    /// The key that it seals with.
    pub fn key_id(&self) -> Option<KeyId> {
        self.key.as_ref().map(|(key, _)| key.id())
    }

    /// The id of plain bytes.
    pub fn id_of(&self, body: &[u8]) -> ContentId {
        self.id_key.id_of(body)
    }

    /// Appends the sealed body to `out`; returns its id and the length appended.
    pub fn seal(
        &mut self,
        role: Role,
        body: &[u8],
        compression: Compression,
        random: &dyn Random,
        out: &mut Vec<u8>,
    ) -> Result<(ContentId, u64)> {
        let id = self.id_of(body);
        let length = self.seal_with_id(role, id, body, compression, random, out)?;
        Ok((id, length))
    }

    /// The same for one who has computed the id already.
    pub fn seal_with_id(
        &mut self,
        role: Role,
        id: ContentId,
        body: &[u8],
        compression: Compression,
        random: &dyn Random,
        out: &mut Vec<u8>,
    ) -> Result<u64> {
        if body.len() as u64 > MAX_BODY {
            return Err(Error::Unwritable {
                object: format!("blob {id}"),
                reason: format!("it is larger than {MAX_BODY} bytes"),
            });
        }
        let compressed = match compression {
            Compression::None => false,
            Compression::Zstd(level) => self.compress(level, body, id)?,
        };
        let (codec, content) = if compressed {
            (ZSTD, self.compressed.as_slice())
        } else {
            (RAW, body)
        };
        let start = out.len();
        out.reserve(content.len() + super::OVERHEAD as usize);
        match &self.key {
            None => {
                out.push(PLAIN);
                out.push(codec);
                out.extend_from_slice(content);
            }
            Some((_, cipher)) => {
                let mut nonce = [0; NONCE];
                random.fill(&mut nonce);
                out.push(XCHACHA20_POLY1305);
                out.extend_from_slice(&nonce);
                let sealed_from = out.len();
                out.push(codec);
                out.extend_from_slice(content);
                let failed = || Error::Unwritable {
                    object: format!("blob {id}"),
                    reason: "the cipher refused it".to_owned(),
                };
                let sealed = out.get_mut(sealed_from..).ok_or_else(failed)?;
                let nonce = XNonce::from(nonce);
                let data = associated_data(role, &id);
                let tag = cipher
                    .encrypt_in_place_detached(&nonce, &data, sealed)
                    .map_err(|_| failed())?;
                out.extend_from_slice(&tag);
            }
        }
        Ok((out.len() - start) as u64)
    }

    /// Opens what was just sealed, as a reader would, and compares: what leaves this machine can be read again.
    pub fn check(&mut self, opener: &mut Opener, role: Role, id: ContentId, body: &[u8], sealed: &[u8]) -> Result<()> {
        // What was compressed has been sealed: one buffer does for both, which is a chunk's length less for each of an agent's
        // threads.
        opener.borrow_content(&mut self.compressed);
        let result = self.check_with(opener, role, id, body, sealed);
        opener.borrow_content(&mut self.compressed);
        result
    }

    fn check_with(&self, opener: &mut Opener, role: Role, id: ContentId, body: &[u8], sealed: &[u8]) -> Result<()> {
        let key = self.key.as_ref().map(|(key, _)| key);
        let unfaithful = |reason: String| Error::Unfaithful {
            object: format!("blob {id}"),
            reason,
        };
        let opened = opener
            .open(
                Expected {
                    role,
                    id,
                    limit: body.len() as u64,
                    object: "the sealed blob",
                },
                sealed,
                &self.id_key,
                key,
            )
            .map_err(|source| unfaithful(source.to_string()))?;
        if opened != body {
            return Err(unfaithful("it opens to other bytes".to_owned()));
        }
        Ok(())
    }

    /// Whether `self.compressed` now holds the body, and is worth it.
    fn compress(&mut self, level: i32, body: &[u8], id: ContentId) -> Result<bool> {
        let failed = |source: std::io::Error| Error::store("compressing", format!("blob {id}"), source);
        if self.compressor.as_ref().is_none_or(|(current, _)| *current != level) {
            self.compressor = Some((level, zstd::bulk::Compressor::new(level).map_err(failed)?));
        }
        let Some((_, compressor)) = &mut self.compressor else {
            return Ok(false);
        };
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(body.len()));
        compressor
            .compress_to_buffer(body, &mut self.compressed)
            .map_err(failed)?;
        Ok(self.compressed.len() <= body.len() - body.len() / 16 && self.compressed.len() < body.len())
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer")
            .field("key", &self.key_id())
            .finish_non_exhaustive()
    }
}
