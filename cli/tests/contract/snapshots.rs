//! `maxbrod snapshot list | show | verify`.

use std::fs;

use crate::backup::Backup;

#[test]
fn snapshots_are_listed_with_what_they_hold_even_without_the_identity() {
    let backup = Backup::make();
    let listed = crate::program::maxbrod(&["snapshot", "list", "--json", "--repository", &backup.url()]);
    let rows = listed.assert_done().json();
    let row = &rows[0];
    assert_eq!(rows.as_array().unwrap().len(), 1);
    assert_eq!(row["id"], backup.snapshot.as_str());
    assert_eq!(
        (&row["label"], &row["consistency"]),
        (&"nightly".into(), &"crash-consistent".into())
    );
    assert_eq!(
        (&row["topics"], &row["partitions"], &row["gaps"]),
        (&1.into(), &2.into(), &0.into())
    );
    assert_eq!(
        (&row["freeze_ms"], &row["base"], &row["held"]),
        (&1.into(), &().into(), &().into())
    );
    assert!(row["new_bytes"].as_u64().unwrap() > 0 && row["logical_bytes"].as_u64().unwrap() > 0);

    let text = crate::program::maxbrod(&["snapshot", "list", "--repository", &backup.url()]);
    assert!(text.assert_done().stdout.contains(&backup.snapshot), "{text:?}");
}

#[test]
fn a_snapshot_is_shown_by_its_id_and_as_the_latest_with_its_cuts() {
    let backup = Backup::make();
    let shown = backup.run(&["snapshot", "show", "latest"]).assert_done().json();
    assert_eq!(
        shown,
        backup.run(&["snapshot", "show", &backup.snapshot]).assert_done().json()
    );
    assert_eq!(
        (&shown["id"], &shown["chunks"]),
        (&backup.snapshot.as_str().into(), &2.into())
    );
    assert!(shown.get("partition_list").is_none());

    let shown = backup
        .run(&["snapshot", "show", "latest", "--partitions"])
        .assert_done()
        .json();
    let cuts: Vec<_> = shown["partition_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["topic"], &row["cut"]))
        .collect();
    assert_eq!(cuts, [(&"orders".into(), &20.into()), (&"orders".into(), &0.into())]);
}

#[test]
fn a_whole_snapshot_verifies_at_every_level() {
    let backup = Backup::make();
    for (level, opened) in [("structure", 0), ("presence", 0), ("full", 2)] {
        let verified = backup
            .run(&["snapshot", "verify", "latest", "--level", level])
            .assert_done()
            .json();
        assert_eq!(verified["findings"], serde_json::json!([]), "{level}");
        assert_eq!(
            (&verified["partitions"], &verified["chunks"]),
            (&2.into(), &2.into()),
            "{level}"
        );
        assert_eq!(verified["chunks_opened"], opened, "{level}");
    }
}

#[test]
fn a_missing_pack_is_incomplete_and_a_damaged_one_an_integrity_failure() {
    let backup = Backup::make();
    let intact = fs::read(backup.pack()).unwrap();
    let mut damaged = intact.clone();
    damaged[10] ^= 1;
    fs::write(backup.pack(), damaged).unwrap();
    let verified = backup.run(&["snapshot", "verify", "latest", "--level", "full"]);
    assert_eq!(verified.code, 4, "{verified:?}");
    let finding = &verified.json()["findings"][0];
    assert_eq!(finding["code"], "object-damaged");
    assert!(
        finding["message"].as_str().unwrap().contains("packs/1/1-0"),
        "{finding}"
    );
    assert!(!finding["concerns"].as_str().unwrap().is_empty() && !finding["remedy"].as_str().unwrap().is_empty());

    fs::remove_file(backup.pack()).unwrap();
    let verified = backup.run(&["snapshot", "verify", "latest"]);
    assert_eq!(verified.code, 3, "{verified:?}");
    assert_eq!(verified.json()["findings"][0]["code"], "object-missing");
    // Only what is asked for is looked at.
    backup
        .run(&["snapshot", "verify", "latest", "--level", "structure"])
        .assert_done();

    fs::write(backup.pack(), intact).unwrap();
    backup
        .run(&["snapshot", "verify", "latest", "--level", "full"])
        .assert_done();
}

#[test]
fn a_snapshot_that_is_not_there_is_wrong_usage() {
    let backup = Backup::make();
    for command in ["show", "verify"] {
        backup
            .run(&["snapshot", command, "20200101T000000Z-9"])
            .assert_failed(2, "no-such-snapshot", "snapshot list");
        backup
            .run(&["snapshot", command, "yesterday"])
            .assert_failed(2, "malformed-name", "yesterday");
    }
}

#[test]
fn who_cannot_decrypt_is_told_who_can() {
    let backup = Backup::make();
    backup
        .run_as("stranger.key", &["snapshot", "show", "latest"])
        .assert_failed(1, "wrong-identity", "age1");
    backup
        .run_as("no.key", &["snapshot", "show", "latest"])
        .assert_failed(2, "identity-file", "no.key");
    let show = ["snapshot", "show", "latest", "--json", "--repository", &backup.url()];
    crate::program::maxbrod(&show).assert_failed(2, "identity-needed", "--identity");
}
