//! `maxbrod init`, `repository` and `audit`: what is there is used, what is not there is never taken for empty.

use std::fs;

use crate::backup::{Backup, CLUSTER};
use crate::program::{Ended, maxbrod};

fn init(url: &str) -> Ended {
    maxbrod(&["init", "--json", "--no-encryption", "--repository", url])
}

#[test]
fn a_repository_is_made_once_and_then_passes_its_check() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/new", folder.path().display());
    let made = init(&url).assert_done().json();
    assert_eq!(
        (&made["location"], &made["encrypted"]),
        (&url.as_str().into(), &false.into())
    );
    let checked = maxbrod(&["repository", "check", "--json", "--repository", &url])
        .assert_done()
        .json();
    assert_eq!(checked["repository_id"], made["repository_id"]);
    assert!(checked["races"].as_u64().unwrap() > 0, "{checked}");
    assert!(
        !folder.path().join("new").join("check").exists(),
        "a check leaves nothing behind"
    );
    init(&url).assert_failed(2, "repository-exists", made["repository_id"].as_str().unwrap());
}

#[test]
fn no_encryption_is_never_a_slip_and_said_aloud() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/new", folder.path().display());
    maxbrod(&["init", "--json", "--repository", &url]).assert_failed(2, "usage", "--recipient");
    let both = [
        "init",
        "--json",
        "--repository",
        &url,
        "--no-encryption",
        "--recipient",
        "age1",
    ];
    maxbrod(&both).assert_failed(2, "usage", "--no-encryption");
    maxbrod(&["init", "--json", "--repository", &url, "--recipient", "bob"]).assert_failed(2, "recipient", "bob");
    assert!(!folder.path().join("new").join("config").exists());
    let made = maxbrod(&["init", "--repository", &url, "--no-encryption"]);
    assert!(made.assert_done().stdout.contains("NOT ENCRYPTED"), "{made:?}");
}

#[test]
fn a_place_without_a_repository_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let list = |url: &str| maxbrod(&["snapshot", "list", "--json", "--repository", url]);
    list(&format!("file://{path}")).assert_failed(1, "repository-not-mounted", &path);
    list("gs://bucket/x").assert_failed(2, "repository-location", "gs://bucket/x");
    list("/backup").assert_failed(2, "repository-location", "file://");
    list("s3://").assert_failed(2, "repository-location", "bucket");
    maxbrod(&["snapshot", "list", "--json"]).assert_failed(2, "usage", "MAXBROD_REPOSITORY");
}

#[test]
fn a_format_from_the_future_and_a_damaged_config_are_refused() {
    let backup = Backup::make();
    let config = backup.object("config");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"format_version\":1", "\"format_version\":7")).unwrap();
    backup
        .run(&["snapshot", "list"])
        .assert_failed(4, "object-damaged", "config");
    fs::remove_file(&config).unwrap();
    backup
        .run(&["snapshot", "list"])
        .assert_failed(2, "no-repository", "maxbrod init");
}

#[test]
fn a_cluster_that_was_never_backed_up_is_no_empty_backup() {
    let backup = Backup::make();
    for command in [
        &["snapshot", "list"][..],
        &["audit", "verify"],
        &["audit", "show"],
        &["repository", "gc"],
    ] {
        let mut arguments = command.to_vec();
        arguments.extend(["--cluster", "anotherCluster"]);
        backup.run(&arguments).assert_failed(3, "no-such-cluster", CLUSTER);
    }
    backup
        .run(&["snapshot", "list", "--cluster", "../x"])
        .assert_failed(2, "malformed-name", "../x");
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().display());
    init(&url).assert_done();
    maxbrod(&["snapshot", "list", "--json", "--repository", &url]).assert_failed(3, "no-cluster", "coordinator");
}

#[test]
fn the_journal_is_the_audit_trail() {
    let backup = Backup::make();
    let entries = backup.run(&["audit", "show"]).assert_done().json();
    let kinds: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["event"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["epoch", "run-opened", "committed"]);
    let verified = backup.run(&["audit", "verify"]).assert_done().json();
    assert_eq!(
        (&verified["entries"], &verified["findings"]),
        (&3.into(), &serde_json::json!([]))
    );
}

#[test]
fn a_tampered_a_torn_and_a_lost_journal_are_found() {
    let backup = Backup::make();
    let entry = |n: u64| backup.object(&format!("clusters/{CLUSTER}/journal/{n:020}"));
    let intact = fs::read(entry(1)).unwrap();
    let mut tampered = intact.clone();
    tampered[10] ^= 1;
    fs::write(entry(1), tampered).unwrap();
    let verified = backup.run(&["audit", "verify"]);
    assert_eq!(
        (verified.code, &verified.json()["findings"][0]["entry"]),
        (4, &1.into()),
        "{verified:?}"
    );
    backup
        .run(&["snapshot", "list"])
        .assert_failed(4, "object-damaged", &format!("{:020}", 1));

    fs::remove_file(entry(1)).unwrap();
    let verified = backup.run(&["audit", "verify"]);
    assert_eq!(
        (verified.code, &verified.json()["findings"][0]["entry"]),
        (3, &1.into()),
        "{verified:?}"
    );
    backup
        .run(&["snapshot", "list"])
        .assert_failed(3, "object-missing", &format!("{:020}", 1));

    fs::write(entry(1), intact).unwrap();
    backup.run(&["audit", "verify"]).assert_done();
    for n in 0..3 {
        fs::remove_file(entry(n)).unwrap();
    }
    assert_eq!(backup.run(&["audit", "verify"]).code, 3);
    backup
        .run(&["snapshot", "list"])
        .assert_failed(3, "no-journal", CLUSTER);
}

#[test]
fn garbage_collection_only_plans_and_notices_a_missing_pack() {
    let backup = Backup::make();
    let plan = backup.run(&["repository", "gc"]).assert_done().json();
    assert_eq!(
        (&plan["unreferenced"], &plan["kept_packs"]),
        (&serde_json::json!([]), &1.into())
    );
    assert!(backup.pack().exists());
    fs::remove_file(backup.pack()).unwrap();
    let plan = backup.run(&["repository", "gc"]);
    assert_eq!(plan.code, 3, "{plan:?}");
    assert_eq!(plan.json()["missing"].as_array().unwrap().len(), 1);
}
