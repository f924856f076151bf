//! The tables of packs and keys in a node, so that references are small numbers.

use bytes::Bytes;
use maxbrod_proto::manifest;

use crate::id::KeyId;
use crate::name::PackName;

/// Tables of a node that is being written.
#[derive(Default)]
pub(super) struct Tables {
    packs: Vec<PackName>,
    keys: Vec<KeyId>,
}

impl Tables {
    pub(super) fn pack(&mut self, name: PackName) -> u32 {
        // The newest pack is the likely one.
        let place = self.packs.iter().rposition(|pack| *pack == name);
        place.unwrap_or_else(|| {
            self.packs.push(name);
            self.packs.len() - 1
        }) as u32
    }

    pub(super) fn key(&mut self, id: Option<KeyId>) -> u32 {
        let Some(id) = id else { return 0 };
        let place = self.keys.iter().rposition(|key| *key == id).unwrap_or_else(|| {
            self.keys.push(id);
            self.keys.len() - 1
        });
        place as u32 + 1
    }

    pub(super) fn finish(self) -> (Vec<manifest::PackName>, Vec<Bytes>) {
        let packs = self.packs.into_iter().map(Into::into).collect();
        (
            packs,
            self.keys
                .into_iter()
                .map(|key| Bytes::copy_from_slice(&key.0))
                .collect(),
        )
    }
}

/// Tables of a node that was read.
#[derive(Clone, Copy)]
pub(super) struct TablesRef<'a> {
    pub(super) packs: &'a [manifest::PackName],
    pub(super) keys: &'a [Bytes],
}

impl TablesRef<'_> {
    /// `None`: there is no such pack.
    pub(super) fn pack(&self, index: u32) -> Option<PackName> {
        self.packs.get(index as usize).map(PackName::from)
    }

    /// `None`: there is no such key. `Some(None)`: not encrypted.
    pub(super) fn key(&self, index: u32) -> Option<Option<KeyId>> {
        match index.checked_sub(1) {
            None => Some(None),
            Some(place) => KeyId::from_slice(self.keys.get(place as usize)?).map(Some),
        }
    }
}
