use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Config, Encryption, PlainKey};
use crate::document;
use crate::environment::SystemRandom;
use crate::id::RepositoryId;

fn plain() -> Config {
    let encryption = Encryption::None {
        id_key: PlainKey::new([7; 32]),
    };
    Config::new(
        RepositoryId::random(&SystemRandom),
        "2025-01-02T03:04:05Z".parse().unwrap(),
        encryption,
    )
}

fn changed(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::to_value(plain()).unwrap();
    change(&mut value);
    document::encode(&value, "config").unwrap().to_vec()
}

#[test]
fn it_reads_back_as_it_was_written() {
    let config = plain();
    assert_eq!(Config::decode(&config.encode().unwrap()).unwrap(), config);
}

#[test]
fn a_newer_format_is_refused_whatever_else_is_in_it() {
    let bytes = changed(|value| *value = json!({"format": "maxbrod-repository", "format_version": 2, "other": []}));
    let error = Config::decode(&bytes).unwrap_err();
    assert_eq!(error.code(), "newer-format");
    assert!(error.to_string().contains("format version 2"), "{error}");
}

#[test]
fn a_feature_that_is_not_known_is_refused_by_name() {
    let bytes = changed(|value| value["required_features"] = json!(["tape-library"]));
    let error = Config::decode(&bytes).unwrap_err();
    assert_eq!(error.code(), "unknown-features");
    assert!(error.to_string().contains("tape-library"), "{error}");
}

#[test]
fn a_field_that_is_not_known_is_passed_over() {
    assert!(Config::decode(&changed(|value| value["remark"] = json!("hello"))).is_ok());
}

#[test]
fn something_else_is_no_config() {
    for bytes in [
        b"".to_vec(),
        b"{}".to_vec(),
        changed(|value| value["format"] = json!("restic")),
    ] {
        assert_eq!(Config::decode(&bytes).unwrap_err().code(), "object-damaged");
    }
}

proptest! {
    #[test]
    fn a_cut_or_changed_config_is_noticed(place in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = plain().encode().unwrap().to_vec();
        let at = place.index(bytes.len());
        prop_assert!(Config::decode(&bytes[..at]).is_err());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert_eq!(Config::decode(&bytes).unwrap_err().code(), "object-damaged");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,60}") {
        prop_assert!(Config::decode(&document::frame(text.into_bytes())).is_err());
    }
}
