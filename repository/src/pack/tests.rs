use proptest::prelude::*;

use super::{Footer, PackWriter, TARGET_LENGTH};
use crate::id::{ContentId, KeyId};

fn pack(blobs: &[Vec<u8>], keys: &[Option<KeyId>]) -> (Vec<u8>, super::FinishedPack) {
    let mut writer = PackWriter::new(Vec::new());
    for (number, blob) in blobs.iter().enumerate() {
        let key = keys.get(number % keys.len().max(1)).copied().flatten();
        writer.append(ContentId([number as u8; 32]), key, blob).unwrap();
    }
    let (finished, bytes) = writer.finish().unwrap();
    (bytes, finished)
}

#[test]
fn a_pack_is_closed_before_it_grows_over_its_target() {
    let mut writer = PackWriter::new(std::io::sink());
    assert!(writer.has_room(TARGET_LENGTH + 1), "an empty pack takes anything");
    writer.append(ContentId([0; 32]), None, &[0; 1000]).unwrap();
    assert!(writer.has_room(TARGET_LENGTH - 1000));
    assert!(!writer.has_room(TARGET_LENGTH - 999));
}

proptest! {
    #[test]
    fn what_was_packed_is_found(
        blobs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        keys in prop::collection::vec(prop::option::of(any::<[u8; 16]>().prop_map(KeyId)), 1..4),
    ) {
        let (bytes, finished) = pack(&blobs, &keys);
        prop_assert_eq!(finished.length, bytes.len() as u64);
        let footer = Footer::decode(&bytes, bytes.len() as u64, "pack").unwrap();
        prop_assert_eq!(&footer, &finished.footer);
        for (entry, blob) in footer.entries.iter().zip(&blobs) {
            let range = entry.position as usize..(entry.position + entry.length) as usize;
            prop_assert_eq!(&bytes[range], blob.as_slice());
        }
    }

    #[test]
    fn a_changed_or_cut_footer_is_noticed(
        blobs in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..5),
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let (bytes, finished) = pack(&blobs, &[Some(KeyId([7; 16]))]);
        let start = finished.footer.content_length() as usize;
        let mut changed = bytes.clone();
        let at = start + place.index(bytes.len() - start);
        changed[at] ^= 1 << bit;
        prop_assert!(Footer::decode(&changed, bytes.len() as u64, "pack").is_err());
        let cut = &bytes[..at];
        prop_assert!(Footer::decode(cut, cut.len() as u64, "pack").is_err());
    }

    #[test]
    fn garbage_is_no_footer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Footer::decode(&bytes, bytes.len() as u64, "pack").is_err());
    }
}
