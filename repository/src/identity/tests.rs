use super::{Identities, Recipient, Unwrapped, wrap};
use crate::error::ErrorKind;

#[test]
fn a_generated_identity_file_unwraps_what_was_wrapped_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("identity");
    let recipient = Identities::generate_file(&path).unwrap();
    assert!(
        Identities::generate_file(&path).is_err(),
        "an identity is never overwritten"
    );
    let identities = Identities::from_file(&path).unwrap();
    assert_eq!(identities.recipients(), vec![recipient.clone()]);
    let wrapped = wrap(b"secret", &[recipient]).unwrap();
    match identities.unwrap(&wrapped) {
        Unwrapped::Secret(secret) => assert_eq!(secret.as_slice(), b"secret"),
        other => panic!("{other:?}"),
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_file_of_age_keygen_is_read() {
    let text = "# created: 2024-05-01T12:00:00Z\n# public key: age1…\n\
                AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n";
    let identities = Identities::parse(text, "file").unwrap();
    assert_eq!(
        identities.recipients()[0].to_string(),
        "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"
    );
}

#[test]
fn others_do_not_unwrap_and_damage_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let mine = Identities::generate_file(&folder.path().join("mine")).unwrap();
    Identities::generate_file(&folder.path().join("other")).unwrap();
    let other = Identities::from_file(&folder.path().join("other")).unwrap();
    let mut wrapped = wrap(b"secret", &[mine]).unwrap();
    assert!(matches!(other.unwrap(&wrapped), Unwrapped::NoMatch));
    let mine = Identities::from_file(&folder.path().join("mine")).unwrap();
    *wrapped.last_mut().unwrap() ^= 1;
    assert!(matches!(mine.unwrap(&wrapped), Unwrapped::Damaged(_)));
    assert!(matches!(mine.unwrap(b"no age file"), Unwrapped::Damaged(_)));
}

#[test]
fn a_file_without_an_identity_is_an_error_that_names_it() {
    for text in ["", "# nothing\n", "AGE-SECRET-KEY-1NONSENSE\n", "age1qqq\n"] {
        let error = Identities::parse(text, "/etc/key").unwrap_err();
        assert!(error.to_string().contains("/etc/key"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
    assert_eq!("age1nonsense".parse::<Recipient>().unwrap_err().code(), "recipient");
}
