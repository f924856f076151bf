use super::Location;
use crate::error::ErrorKind;

#[test]
fn the_usual_urls_are_understood_and_printed_again() {
    for url in [
        "file:///srv/backup",
        "s3://bucket",
        "s3://bucket/prefix",
        "s3://bucket/some/prefix",
    ] {
        assert_eq!(url.parse::<Location>().unwrap().to_string(), url);
    }
    assert_eq!(
        "s3://bucket/prefix/".parse::<Location>().unwrap().to_string(),
        "s3://bucket/prefix"
    );
    assert_eq!(
        "file:///srv/a%20b".parse::<Location>().unwrap(),
        Location::files("/srv/a b")
    );
}

#[test]
fn what_can_not_be_used_is_said_and_is_a_usage_error() {
    for (url, says) in [
        ("/srv/backup", "file:///path"),
        ("file://host/srv", "absolute path"),
        ("file:///", "root"),
        ("s3:///prefix", "no bucket"),
        ("s3://bucket:9000/prefix", "AWS_ENDPOINT_URL"),
        ("s3://key:secret@bucket", "credentials"),
        ("s3://bucket/a//b", "empty part"),
        ("s3://bucket/a%20b", "letters"),
        ("s3://bucket?x=y", "'?'"),
        ("gs://bucket", "this build"),
        ("ftp://host/dir", "expected"),
    ] {
        let error = url.parse::<Location>().unwrap_err();
        assert!(error.to_string().contains(says), "{url}: {error}");
        assert!(error.to_string().contains(url), "{error}");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}
