use proptest::prelude::*;

use super::{Compression, Expected, MAX_BODY, Opener, Role, Sealer, open};
use crate::environment::SystemRandom;
use crate::error::ErrorKind;
use crate::id::ContentId;
use crate::key::{IdKey, SealingKey};

fn expected(role: Role, id: ContentId) -> Expected<'static> {
    Expected {
        role,
        id,
        limit: MAX_BODY,
        object: "blob",
    }
}

fn sealed(role: Role, body: &[u8], compression: Compression, key: Option<&SealingKey>) -> (IdKey, ContentId, Vec<u8>) {
    let id_key = IdKey::random(&SystemRandom);
    let mut sealer = Sealer::new(id_key.clone(), key.cloned());
    let mut out = vec![0xEE; 3];
    let (id, length) = sealer.seal(role, body, compression, &SystemRandom, &mut out).unwrap();
    assert_eq!(length as usize, out.len() - 3, "it is appended");
    let blob = out.split_off(3);
    sealer.check(&mut Opener::new(), role, id, body, &blob).unwrap();
    (id_key, id, blob)
}

#[test]
fn equal_bodies_have_one_id_and_different_sealed_bytes() {
    let id_key = IdKey::random(&SystemRandom);
    let mut sealer = Sealer::new(id_key.clone(), Some(SealingKey::generate(&SystemRandom)));
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let (first, _) = sealer
        .seal(Role::Chunk, b"records", Compression::None, &SystemRandom, &mut one)
        .unwrap();
    let (second, _) = sealer
        .seal(Role::Chunk, b"records", Compression::None, &SystemRandom, &mut two)
        .unwrap();
    assert_eq!(first, second);
    assert_ne!(one, two);
    assert_ne!(
        first,
        IdKey::random(&SystemRandom).id_of(b"records"),
        "another repository's ids tell nothing"
    );
}

#[test]
fn a_blob_cannot_stand_in_for_another_one() {
    let key = SealingKey::generate(&SystemRandom);
    let (id_key, id, blob) = sealed(Role::Chunk, b"records", Compression::None, Some(&key));
    let error = open(expected(Role::Node, id), &blob, &id_key, Some(&key)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(
        open(
            expected(Role::Chunk, id_key.id_of(b"others")),
            &blob,
            &id_key,
            Some(&key)
        )
        .is_err()
    );
    assert!(
        open(
            expected(Role::Chunk, id),
            &blob,
            &id_key,
            Some(&SealingKey::generate(&SystemRandom))
        )
        .is_err()
    );
    assert!(open(expected(Role::Chunk, id), &blob, &id_key, None).is_err());
}

#[test]
fn a_plain_blob_where_a_sealed_one_is_expected_is_refused() {
    let (id_key, id, blob) = sealed(Role::Chunk, b"records", Compression::None, None);
    assert!(open(expected(Role::Chunk, id), &blob, &id_key, None).is_ok());
    assert!(
        open(
            expected(Role::Chunk, id),
            &blob,
            &id_key,
            Some(&SealingKey::generate(&SystemRandom))
        )
        .is_err()
    );
}

#[test]
fn a_body_is_not_decompressed_beyond_what_its_reference_says() {
    let body = vec![0; 1 << 20];
    let (id_key, id, blob) = sealed(Role::Chunk, &body, Compression::Zstd(3), None);
    assert!(blob.len() < 1000, "it compresses well");
    let limit = body.len() as u64 - 1;
    let error = open(
        Expected {
            limit,
            ..expected(Role::Chunk, id)
        },
        &blob,
        &id_key,
        None,
    )
    .unwrap_err();
    assert!(error.to_string().contains("longer than its reference says"), "{error}");
}

#[test]
fn what_does_not_compress_is_kept_as_it_is() {
    let mut body = vec![0; 100_000];
    crate::environment::Random::fill(&SystemRandom, &mut body);
    let (id_key, id, blob) = sealed(Role::Chunk, &body, Compression::Zstd(3), None);
    assert_eq!(blob.len(), body.len() + 2);
    assert_eq!(open(expected(Role::Chunk, id), &blob, &id_key, None).unwrap(), body);
}

#[test]
fn a_blob_that_was_sealed_wrongly_is_noticed_before_it_leaves() {
    let mut sealer = Sealer::new(IdKey::random(&SystemRandom), Some(SealingKey::generate(&SystemRandom)));
    let mut blob = Vec::new();
    let (id, _) = sealer
        .seal(Role::Chunk, b"records", Compression::None, &SystemRandom, &mut blob)
        .unwrap();
    blob[30] ^= 1;
    let error = sealer
        .check(&mut Opener::new(), Role::Chunk, id, b"records", &blob)
        .unwrap_err();
    assert_eq!(
        (error.code(), error.kind()),
        ("sealing-unfaithful", ErrorKind::Integrity)
    );
}

#[test]
fn one_sealer_and_one_opener_do_for_many_bodies() {
    let mut sealer = Sealer::new(IdKey::random(&SystemRandom), Some(SealingKey::generate(&SystemRandom)));
    let mut opener = Opener::new();
    for (number, length) in [70_000, 10, 0, 50_000, 90_000].into_iter().enumerate() {
        let mut body = vec![7; length];
        if number % 2 == 0 {
            crate::environment::Random::fill(&SystemRandom, &mut body);
        }
        for compression in [Compression::Zstd(3), Compression::None] {
            let mut blob = Vec::new();
            let (id, _) = sealer
                .seal(Role::Chunk, &body, compression, &SystemRandom, &mut blob)
                .unwrap();
            sealer.check(&mut opener, Role::Chunk, id, &body, &blob).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_sealed_opens(body in prop::collection::vec(any::<u8>(), 0..5000), encrypted: bool, level in prop::option::of(1..6)) {
        let key = encrypted.then(|| SealingKey::generate(&SystemRandom));
        let compression = level.map_or(Compression::None, Compression::Zstd);
        let (id_key, id, blob) = sealed(Role::Node, &body, compression, key.as_ref());
        prop_assert_eq!(open(expected(Role::Node, id), &blob, &id_key, key.as_ref()).unwrap(), body);
    }

    #[test]
    fn a_flipped_bit_is_noticed(
        body in prop::collection::vec(0u8..4, 0..2000),
        encrypted: bool,
        compressed: bool,
        place in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let key = encrypted.then(|| SealingKey::generate(&SystemRandom));
        let compression = if compressed { Compression::Zstd(3) } else { Compression::None };
        let (id_key, id, mut blob) = sealed(Role::Chunk, &body, compression, key.as_ref());
        let at = place.index(blob.len());
        blob[at] ^= 1 << bit;
        // zstd's own header has bits without meaning; then the body is still the right one.
        match open(expected(Role::Chunk, id), &blob, &id_key, key.as_ref()) {
            Ok(opened) => prop_assert!(compressed && !encrypted && opened == body),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Integrity),
        }
        prop_assert!(open(expected(Role::Chunk, id), &blob[..at], &id_key, key.as_ref()).is_err());
    }

    #[test]
    fn garbage_is_no_blob(blob in prop::collection::vec(any::<u8>(), 0..300), encrypted: bool) {
        let key = encrypted.then(|| SealingKey::generate(&SystemRandom));
        let id_key = IdKey::random(&SystemRandom);
        prop_assert!(open(expected(Role::Chunk, ContentId([0; 32])), &blob, &id_key, key.as_ref()).is_err());
    }
}
