//! Decoders of what lies in a repository, for fuzzing: hashes that nobody can guess are put right before.
//!
//! Nothing here may panic, whatever the bytes; what is accepted must survive being written and read again.

#![allow(clippy::expect_used, reason = "what fails here is a finding")]

use maxbrod_proto::manifest;
use prost::Message as _;

use crate::config::Config;
use crate::document;
use crate::id::Hash;
use crate::journal::{Entry, JournalState};
use crate::key::KeyObject;
use crate::pack::Footer;
use crate::tree;

/// The object `config`.
pub fn config(json: &[u8]) {
    if let Ok(config) = Config::decode(&document::frame(json.to_vec())) {
        let again = Config::decode(&config.encode().expect("a config can be written"));
        assert_eq!(again.expect("a written config can be read"), config);
    }
}

/// A wrapped key.
pub fn key_object(json: &[u8]) {
    if let Ok(key) = KeyObject::decode(&document::frame(json.to_vec()), "a key") {
        let again = KeyObject::decode(&key.encode().expect("a key can be written"), "a key");
        assert_eq!(again.expect("a written key can be read"), key);
    }
}

/// Entries of a journal, one per line, applied one after the other as if each followed on the one before.
pub fn journal(lines: &[u8]) {
    let mut state = JournalState::new(Hash::of(b"genesis"));
    for line in lines.split(|byte| *byte == b'\n') {
        let framed = document::frame(line.to_vec());
        let Ok(mut entry) = Entry::decode(&framed, "an entry") else {
            continue;
        };
        let written = entry.encode("an entry").expect("an entry can be written");
        assert_eq!(
            Entry::decode(&written, "an entry").expect("a written entry can be read"),
            entry
        );
        (entry.n, entry.previous) = (state.next, state.head);
        let _ = state.apply(&entry, Hash::of(&framed));
        let _ = state.newest();
    }
}

/// The table at the end of a pack, without its trailer.
pub fn pack_footer(table: &[u8]) {
    let length = u32::try_from(table.len()).unwrap_or(u32::MAX);
    let mut footer = [table, &length.to_be_bytes(), &1_u32.to_be_bytes()].concat();
    let hash = Hash::of(&footer);
    footer.extend_from_slice(&hash.0);
    footer.extend_from_slice(b"MAXBRODP");
    // Of whatever length the pack claims to be: the length is the store's, not the footer's.
    for end in [footer.len() as u64, u64::from(u32::MAX), u64::MAX] {
        if let Ok(footer) = Footer::decode(&footer, end, "a pack") {
            let _ = footer.content_length();
        }
    }
}

/// A node of the manifest tree, taken for each of its kinds.
pub fn nodes(bytes: &[u8]) {
    tree::decode_any(bytes);
    let _ = manifest::Root::decode(bytes);
}
