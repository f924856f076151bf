//! What every store must do.

use bytes::Bytes;
use futures::future::join_all;
use maxbrod_repository::{Created, ErrorKind, Location, Store, check_store};

use crate::backend::{Backend, on_every_store};
use crate::sample::environment;

on_every_store!(
    a_name_is_given_once,
    a_race_has_one_winner,
    ranges_are_exact_and_short_objects_are_noticed,
    a_listing_of_thousands_is_whole,
    a_store_that_holds_its_word_passes_the_check,
    names_lie_in_folders,
);

async fn a_name_is_given_once(backend: Backend) {
    let store = backend.store().await;
    let body = Bytes::from_static(b"first");
    assert_eq!(store.create("a/b", body.clone()).await.unwrap(), Created::Stored);
    assert_eq!(
        store.create("a/b", body.clone()).await.unwrap(),
        Created::Stored,
        "the same again is no conflict"
    );
    let other = store.create("a/b", Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(other, Created::Taken(body.clone()));
    assert_eq!(
        store
            .create_new("a/b", Bytes::from_static(b"x"))
            .await
            .unwrap_err()
            .code(),
        "name-taken"
    );
    assert_eq!(store.get("a/b").await.unwrap(), body);
    assert_eq!(store.head("a/b").await.unwrap().unwrap().length, 5);
    assert_eq!(store.find("a/c").await.unwrap(), None);
    assert_eq!(store.head("a/c").await.unwrap(), None);
    let error = store.get("a/c").await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("object-missing", ErrorKind::Missing));
    assert!(error.to_string().contains("a/c"));
}

async fn a_race_has_one_winner(backend: Backend) {
    let store = backend.store().await;
    for round in 0..10 {
        let name = format!("race/{round}");
        let bodies: Vec<_> = (0..16).map(|writer| Bytes::from(format!("writer {writer}"))).collect();
        let answers = join_all(bodies.iter().map(|body| store.create(&name, body.clone()))).await;
        let stored = store.get(&name).await.unwrap();
        let mut winners = 0;
        for (body, answer) in bodies.iter().zip(answers) {
            match answer.unwrap() {
                Created::Stored => {
                    winners += 1;
                    assert_eq!(stored, *body);
                }
                Created::Taken(there) => assert_eq!(there, stored),
            }
        }
        assert_eq!(winners, 1);
    }
}

async fn ranges_are_exact_and_short_objects_are_noticed(backend: Backend) {
    let store = backend.store().await;
    store
        .create_new("object", Bytes::from_static(b"0123456789"))
        .await
        .unwrap();
    assert_eq!(store.get_range("object", 2..5).await.unwrap().as_ref(), b"234");
    assert_eq!(store.get_range("object", 9..10).await.unwrap().as_ref(), b"9");
    assert_eq!(store.get_range("object", 4..4).await.unwrap().as_ref(), b"");
    assert_eq!(store.get_up_to("object", 8..20).await.unwrap().as_ref(), b"89");
    for range in [8..11, 10..11, 20..30] {
        let error = store.get_range("object", range.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Integrity, "{range:?}: {error}");
        assert!(error.to_string().contains("ends at byte"), "{error}");
    }
    assert_eq!(
        store.get_range("nothing", 0..1).await.unwrap_err().kind(),
        ErrorKind::Missing
    );
}

async fn a_listing_of_thousands_is_whole(backend: Backend) {
    let store = backend.store().await;
    let mut expected: Vec<_> = (0..2100).map(|n| format!("many/{n:05}")).collect();
    for group in expected.chunks(64) {
        let bodies = group
            .iter()
            .map(|name| store.create_new(name, Bytes::from(name.clone())));
        for result in join_all(bodies).await {
            result.unwrap();
        }
    }
    store.create_new("other/x", Bytes::new()).await.unwrap();
    expected.sort();
    let listed = store.list("many").await.unwrap();
    assert_eq!(
        listed.iter().map(|info| info.name.clone()).collect::<Vec<_>>(),
        expected
    );
    assert!(listed.iter().all(|info| info.length == 10));
    assert!(store.list("none").await.unwrap().is_empty());
}

async fn a_store_that_holds_its_word_passes_the_check(backend: Backend) {
    let store = backend.store().await;
    let check = check_store(&store, &environment(3)).await.unwrap();
    assert!(check.races > 10 && check.writers > 10, "{check:?}");
    assert_eq!(store.list("check").await.unwrap().len(), check.left_behind);
}

async fn names_lie_in_folders(backend: Backend) {
    let store = backend.store().await;
    for name in [
        "clusters/a/journal/0",
        "clusters/b/journal/0",
        "clusters/b/journal/1",
        "config",
    ] {
        store.create_new(name, Bytes::from_static(b"x")).await.unwrap();
    }
    assert_eq!(store.folders("clusters").await.unwrap(), ["a", "b"]);
    assert!(store.folders("keys").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_folder_where_nothing_is_mounted_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mount");
    let location = Location::files(&path);
    let error = Store::open(&location).await.unwrap_err();
    assert_eq!(error.code(), "repository-not-mounted");
    assert!(error.to_string().contains("mounted"), "{error}");
    let store = Store::prepare(&location).await.unwrap();
    store.create_new("config", Bytes::from_static(b"x")).await.unwrap();
    // The mount goes away under a running coordinator.
    std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = store.create_new("pack", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!(error.code(), "repository-not-mounted");
    assert_eq!(
        std::fs::read_dir(&path).unwrap().count(),
        0,
        "nothing was written into the mount point"
    );
}

#[tokio::test]
async fn a_folder_with_other_things_in_it_is_not_made_a_repository() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "").unwrap();
    let error = Store::prepare(&Location::files(folder.path())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("thesis.tex"), "{error}");
}

#[tokio::test]
async fn what_a_crash_left_behind_is_swept_and_what_is_being_written_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::files(folder.path().join("repository"));
    Store::prepare(&location).await.unwrap();
    let staging = folder.path().join("repository/.staging");
    std::fs::create_dir_all(&staging).unwrap();
    for name in ["old", "new"] {
        std::fs::write(staging.join(name), "half a pack").unwrap();
    }
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 60 * 60);
    std::fs::File::options()
        .write(true)
        .open(staging.join("old"))
        .unwrap()
        .set_modified(yesterday)
        .unwrap();
    let store = Store::open(&location).await.unwrap();
    let left = || {
        std::fs::read_dir(&staging)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect::<Vec<_>>()
    };
    assert_eq!(left(), ["new"]);
    store.create_new("a", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(left(), ["new"], "a finished write leaves nothing");
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused() {
    let location: Location = "s3://bucket".parse().unwrap();
    let variables = |endpoint: &str| [("AWS_ENDPOINT_URL".to_owned(), endpoint.to_owned())].into();
    let error = Store::open_with(&location, &variables("http://backup.example:9000"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("plain HTTP"), "{error}");
    assert!(
        Store::open_with(&location, &variables("https://backup.example:9000"))
            .await
            .is_ok()
    );
    assert!(
        Store::open_with(&location, &variables("http://[::1]:9000"))
            .await
            .is_ok()
    );
}
