//! What lies in a repository.

use maxbrod_repository::{
    ContentId, Expected, Hash, IdKey, KeyId, Location, PackName, Role, RootName, SealingKey, SnapshotId, SystemRandom,
    TreeName, fuzzing, open,
};

pub fn repository_config(data: &[u8]) {
    fuzzing::config(data);
}

pub fn repository_key(data: &[u8]) {
    fuzzing::key_object(data);
}

pub fn repository_journal(data: &[u8]) {
    fuzzing::journal(data);
}

pub fn repository_pack(data: &[u8]) {
    fuzzing::pack_footer(data);
}

pub fn repository_nodes(data: &[u8]) {
    fuzzing::nodes(data);
}

pub fn repository_seal(data: &[u8]) {
    let id_key = IdKey::from_slice(&[7; 32]).expect("32 bytes");
    let expected = Expected {
        role: Role::Chunk,
        id: ContentId([0; 32]),
        limit: 1 << 20,
        object: "a blob",
    };
    let _ = open(expected, data, &id_key, None);
    let _ = open(expected, data, &id_key, Some(&SealingKey::generate(&SystemRandom)));
}

pub(crate) fn names(name: &str) {
    fn both_ways<T: std::str::FromStr + ToString + PartialEq>(name: &str) {
        if let Ok(parsed) = name.parse::<T>() {
            assert!(parsed.to_string().parse::<T>().is_ok_and(|again| again == parsed));
        }
    }
    both_ways::<PackName>(name);
    both_ways::<TreeName>(name);
    both_ways::<RootName>(name);
    both_ways::<SnapshotId>(name);
    both_ways::<KeyId>(name);
    both_ways::<Hash>(name);
    let _ = name.parse::<Location>();
}
