//! `maxbrod restore`: what is refused before anything is written.

use crate::backup::Backup;
use crate::program::maxbrod;

#[test]
fn a_snapshot_without_metadata_cannot_be_planned() {
    let backup = Backup::make();
    backup
        .run(&["restore", "plan", "--snapshot", "latest"])
        .assert_failed(3, "no-metadata", &backup.snapshot);
}

#[test]
fn what_is_asked_for_wrongly_is_wrong_usage() {
    let backup = Backup::make();
    let plan = |map: &str| backup.run(&["restore", "plan", "--snapshot", "latest", "--map", map]);
    plan("1:/a").assert_failed(2, "directory-map", "1:/old/dir=/new/dir");
    plan("1:a=/b").assert_failed(2, "directory-map", "absolute");
    maxbrod(&["restore", "plan", "--json"]).assert_failed(2, "usage", "--snapshot");
    maxbrod(&["restore", "apply", "--json", "--node", "1"]).assert_failed(2, "usage", "--plan");
    let owner = [
        "restore",
        "apply",
        "--node",
        "1",
        "--snapshot",
        "latest",
        "--owner",
        "kafka",
    ];
    backup.run(&owner).assert_failed(2, "usage", "--owner 1000");
}

#[test]
fn a_file_that_is_no_plan_is_refused() {
    let backup = Backup::make();
    let apply =
        |plan: &std::path::Path| backup.run(&["restore", "apply", "--node", "1", "--plan", plan.to_str().unwrap()]);
    let file = backup.object("plan.json");
    apply(&file).assert_failed(2, "usage", "plan.json");
    std::fs::write(&file, "{\"version\":1}").unwrap();
    apply(&file).assert_failed(2, "plan-unusable", "restore plan --out");
}
