//! Damage and loss: each gives one clear error that names the object.

use maxbrod_repository::{
    Cluster, Error, ErrorKind, Journal, Level, Repository, RootRef, Snapshot, Tree, VerifyReport, verify_snapshot,
};

use crate::backend::{Backend, on_every_store};
use crate::sample::{Keys, cluster, environment, plain, snapshot};

on_every_store!(
    a_missing_pack_is_named,
    a_damaged_pack_is_named,
    a_cut_off_pack_is_named,
    a_missing_or_damaged_tree_is_named,
    a_missing_or_damaged_root_is_named,
);

async fn prepared(backend: &Backend) -> (Cluster, Snapshot) {
    let repository = plain(backend.store().await).await;
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    snapshot(&cluster, &mut journal).await;
    let second = snapshot(&cluster, &mut journal).await;
    (cluster, second)
}

async fn verify(cluster: &Cluster, snapshot: &Snapshot, level: Level) -> VerifyReport {
    verify_snapshot(cluster, snapshot, level, &|_| {}).await.unwrap()
}

fn only_finding<'a>(report: &'a VerifyReport, name: &str) -> &'a Error {
    assert_eq!(report.findings.len(), 1, "{report:?}");
    let finding = &report.findings[0];
    assert!(finding.error.to_string().contains(name), "{}", finding.error);
    assert!(!finding.remedy.is_empty() && !finding.concerns.is_empty());
    &finding.error
}

async fn first_pack(cluster: &Cluster) -> String {
    cluster
        .store()
        .list(&cluster.names().packs())
        .await
        .unwrap()
        .remove(0)
        .name
}

async fn a_missing_pack_is_named(backend: Backend) {
    let (cluster, snapshot) = prepared(&backend).await;
    let pack = first_pack(&cluster).await;
    backend.remove(&pack);
    assert!(verify(&cluster, &snapshot, Level::Structure).await.findings.is_empty());
    for level in [Level::Presence, Level::Full] {
        let report = verify(&cluster, &snapshot, level).await;
        assert_eq!(only_finding(&report, &pack).kind(), ErrorKind::Missing);
        assert_eq!(report.findings[0].concerns, "topic-1-0");
        assert_eq!(report.kind(), Some(ErrorKind::Missing));
    }
}

async fn a_damaged_pack_is_named(backend: Backend) {
    let (cluster, snapshot) = prepared(&backend).await;
    let pack = first_pack(&cluster).await;
    backend.change(&pack, |bytes| bytes[10] ^= 4);
    assert!(verify(&cluster, &snapshot, Level::Presence).await.findings.is_empty());
    let report = verify(&cluster, &snapshot, Level::Full).await;
    assert_eq!(only_finding(&report, &pack).kind(), ErrorKind::Integrity);
    assert_eq!(report.kind(), Some(ErrorKind::Integrity));
}

async fn a_cut_off_pack_is_named(backend: Backend) {
    let (cluster, snapshot) = prepared(&backend).await;
    let packs = cluster.store().list(&cluster.names().packs()).await.unwrap();
    let own = &packs
        .iter()
        .rev()
        .find(|info| info.name.contains(&format!("/{}/", snapshot.committed.run)))
        .unwrap()
        .name;
    backend.change(own, |bytes| bytes.truncate(bytes.len() - 1));
    let report = verify(&cluster, &snapshot, Level::Presence).await;
    assert_eq!(only_finding(&report, own).kind(), ErrorKind::Integrity);
}

async fn a_missing_or_damaged_tree_is_named(backend: Backend) {
    let (cluster, snapshot) = prepared(&backend).await;
    let folder = format!("{}/{}", cluster.names().trees(), snapshot.committed.run);
    let tree = cluster.store().list(&folder).await.unwrap().remove(0).name;
    backend.change(&tree, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    let report = verify(&cluster, &snapshot, Level::Structure).await;
    let error = only_finding(&report, &tree);
    assert_eq!(error.kind(), ErrorKind::Integrity);
    assert!(error.to_string().contains("node at byte"), "{error}");
    backend.remove(&tree);
    let report = verify(&cluster, &snapshot, Level::Structure).await;
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.error.kind() == ErrorKind::Missing)
    );
    assert!(report.findings[0].error.to_string().contains(&tree));
}

async fn a_missing_or_damaged_root_is_named(backend: Backend) {
    let (cluster, snapshot) = prepared(&backend).await;
    let root = cluster.names().root(snapshot.committed.root.name);
    backend.change(&root, |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert_eq!(
        only_finding(&verify(&cluster, &snapshot, Level::Structure).await, &root).kind(),
        ErrorKind::Integrity
    );
    backend.change(&root, |bytes| bytes.push(0));
    assert_eq!(
        only_finding(&verify(&cluster, &snapshot, Level::Structure).await, &root).kind(),
        ErrorKind::Integrity
    );
    backend.remove(&root);
    assert_eq!(
        only_finding(&verify(&cluster, &snapshot, Level::Structure).await, &root).kind(),
        ErrorKind::Missing
    );
}

/// Every byte of every object, one bit at a time: nothing passes a full verification unnoticed.
#[tokio::test]
async fn a_flipped_bit_anywhere_is_noticed() {
    let backend = Backend::server().await;
    let keys = Keys::new();
    let repository = Repository::init(backend.store().await, keys.options.clone(), environment(8))
        .await
        .unwrap();
    let cluster = cluster(&repository);
    let mut journal = Journal::load(&cluster).await.unwrap();
    let snapshot = snapshot(&cluster, &mut journal).await;
    let mut objects = cluster.store().list("clusters").await.unwrap();
    objects.extend(cluster.store().list("keys").await.unwrap());
    objects.extend(
        cluster
            .store()
            .list("")
            .await
            .unwrap()
            .into_iter()
            .filter(|info| info.name == "config"),
    );
    assert!(objects.iter().any(|info| info.name == "config"));
    let mut flips = 0;
    for info in objects {
        let places = (0..info.length as usize).step_by((info.length as usize / 8).max(1));
        for place in places {
            let bit = 1 << (place % 8);
            backend.change(&info.name, |bytes| bytes[place] ^= bit);
            let noticed = everything_is_well(&backend, &keys, &snapshot.committed.root)
                .await
                .is_err();
            assert!(noticed, "bit {bit:#x} of byte {place} of {}", info.name);
            backend.change(&info.name, |bytes| bytes[place] ^= bit);
            flips += 1;
        }
    }
    assert!(flips > 60, "{flips}");
    everything_is_well(&backend, &keys, &snapshot.committed.root)
        .await
        .unwrap();
}

async fn everything_is_well(backend: &Backend, keys: &Keys, root: &RootRef) -> Result<(), String> {
    let text = |error: Error| error.to_string();
    let identities = keys.identity("operator");
    let repository = Repository::open(backend.store().await, identities, environment(9))
        .await
        .map_err(text)?;
    let cluster = cluster(&repository);
    let report = maxbrod_repository::verify_journal(&cluster).await.map_err(text)?;
    if let Some(finding) = report.findings.first() {
        return Err(finding.error.to_string());
    }
    let journal = Journal::load(&cluster).await.map_err(text)?;
    let snapshot = journal.snapshot("latest").map_err(text)?;
    if snapshot.committed.root != *root || journal.state().next != 3 {
        return Err("another snapshot".to_owned());
    }
    Tree::open(&cluster, root).await.map_err(text)?;
    let report = verify_snapshot(&cluster, snapshot, Level::Full, &|_| {})
        .await
        .map_err(text)?;
    match report.findings.first() {
        Some(finding) => Err(finding.error.to_string()),
        None => Ok(()),
    }
}
