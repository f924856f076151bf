//! Granted uploads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use maxbrod_repository::testing::{Fault, Operation, S3TestServer};
use maxbrod_repository::{
    Accepted, Clock, Confirmation, Environment, Granter as _, LocalUploads, Rejection, SigningGranter, Store,
    UploadOutcome, Uploader, confirm,
};
use sha2::{Digest as _, Sha256};

use crate::backend::Backend;
use crate::sample::environment;

struct Spool {
    _folder: tempfile::TempDir,
    path: PathBuf,
    bytes: Vec<u8>,
    sha256: [u8; 32],
}

fn spool(length: usize) -> Spool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pack");
    let bytes: Vec<u8> = (0..length).map(|place| (place * 31 % 251) as u8).collect();
    std::fs::write(&path, &bytes).unwrap();
    let sha256 = Sha256::digest(&bytes).into();
    Spool {
        _folder: folder,
        path,
        bytes,
        sha256,
    }
}

async fn a_granted_upload_arrives_once(store: Store) {
    let granter = SigningGranter::new(&store).unwrap();
    let uploader = Uploader::new().unwrap();
    let spool = spool(3 << 20);
    let length = spool.bytes.len() as u64;
    let name = "clusters/c/packs/1/1-0";
    assert_eq!(confirm(&store, name, length).await.unwrap(), Confirmation::Absent);
    let grant = granter.grant(name, length, &spool.sha256).await.unwrap();
    assert_eq!(
        uploader.upload(&grant, &spool.path).await.unwrap(),
        UploadOutcome::Stored
    );
    assert_eq!(store.get(name).await.unwrap(), spool.bytes);
    assert_eq!(confirm(&store, name, length).await.unwrap(), Confirmation::Stored);
    assert_eq!(
        confirm(&store, name, length + 1).await.unwrap(),
        Confirmation::Different { length }
    );
    // A store may answer before it has read the body, which breaks the connection: then it is asked.
    let again = uploader.upload(&grant, &spool.path).await.unwrap();
    assert!(
        matches!(again, UploadOutcome::AlreadyThere | UploadOutcome::Unknown { .. }),
        "{again:?}"
    );
    assert_eq!(store.get(name).await.unwrap(), spool.bytes);

    // The grant is for one content, and only to create it.
    let spool = self::spool(2000);
    let length = spool.bytes.len() as u64;
    let name = "clusters/c/packs/1/1-1";
    let grant = granter.grant(name, length, &spool.sha256).await.unwrap();
    std::fs::write(&spool.path, vec![0; spool.bytes.len()]).unwrap();
    let refused = uploader.upload(&grant, &spool.path).await.unwrap();
    assert!(
        matches!(refused, UploadOutcome::Refused { status: 400, .. }),
        "{refused:?}"
    );
    for header in ["if-none-match", "x-amz-checksum-sha256"] {
        let mut grant = grant.clone();
        grant.headers.remove(header).unwrap();
        std::fs::write(&spool.path, &spool.bytes).unwrap();
        let refused = uploader.upload(&grant, &spool.path).await.unwrap();
        assert!(
            matches!(refused, UploadOutcome::Refused { status: 400 | 403, .. }),
            "{header}: {refused:?}"
        );
    }
    let mut elsewhere = grant.clone();
    elsewhere.url = elsewhere.url.replace("1-1", "1-2");
    let refused = uploader.upload(&elsewhere, &spool.path).await.unwrap();
    assert!(
        matches!(refused, UploadOutcome::Refused { status: 403, .. }),
        "{refused:?}"
    );
    assert_eq!(
        store.list("clusters/c/packs").await.unwrap().len(),
        1,
        "nothing else was stored"
    );
}

#[tokio::test]
async fn a_granted_upload_arrives_once_on_s3() {
    a_granted_upload_arrives_once(Backend::server().await.store().await).await;
}

#[tokio::test]
#[ignore = "needs the program that MAXBROD_VERSITYGW names"]
async fn a_granted_upload_arrives_once_on_versitygw() {
    let backend = Backend::gateway().await;
    a_granted_upload_arrives_once(backend.store().await).await;
}

#[tokio::test]
async fn what_the_store_says_about_an_upload_is_passed_on() {
    let server = S3TestServer::start().await.unwrap();
    let store = server.store("p").await.unwrap();
    let granter = SigningGranter::new(&store).unwrap();
    let uploader = Uploader::new().unwrap();
    let spool = spool(1000);
    let upload = async |name: &str| {
        let grant = granter.grant(name, 1000, &spool.sha256).await.unwrap();
        uploader.upload(&grant, &spool.path).await.unwrap()
    };
    server.inject(Operation::Put, "lost", 1, Fault::LoseReply);
    let lost = upload("lost").await;
    assert!(matches!(lost, UploadOutcome::Unknown { .. }), "{lost:?}");
    assert_eq!(confirm(&store, "lost", 1000).await.unwrap(), Confirmation::Stored);
    assert_eq!(upload("lost").await, UploadOutcome::AlreadyThere);

    server.inject(Operation::Put, "busy", 2, Fault::Refuse(503));
    assert_eq!(upload("busy").await, UploadOutcome::Stored);

    server.inject(Operation::Put, "broken", 99, Fault::Refuse(500));
    let broken = upload("broken").await;
    assert!(matches!(broken, UploadOutcome::Unknown { .. }), "{broken:?}");
    assert_eq!(confirm(&store, "broken", 1000).await.unwrap(), Confirmation::Absent);

    // A store that cuts off what it stores is caught before the commit.
    server.inject(Operation::Put, "short", 1, Fault::Truncate(10));
    assert_eq!(upload("short").await, UploadOutcome::Stored);
    assert_eq!(
        confirm(&store, "short", 1000).await.unwrap(),
        Confirmation::Different { length: 10 }
    );

    drop(server);
    let gone = upload("gone").await;
    assert!(
        matches!(&gone, UploadOutcome::Unknown { reason } if !reason.contains("X-Amz-Signature")),
        "{gone:?}"
    );
}

struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct Later(std::sync::atomic::AtomicI64);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(std::sync::atomic::Ordering::Relaxed)).unwrap()
    }
}

fn pieces(bytes: &[u8]) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
    let pieces: Vec<_> = bytes
        .chunks(100)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    futures::stream::iter(pieces)
}

fn token(grant: &maxbrod_repository::Grant) -> String {
    grant.url.rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_folder_takes_what_was_granted_and_nothing_else() {
    let backend = Backend::folder();
    let store = backend.store().await;
    let clock = Arc::new(Later(1_700_000_000.into()));
    let environment = Environment {
        clock: clock.clone(),
        ..environment(1)
    };
    let uploads = LocalUploads::new(&store, "http://127.0.0.1:7421/uploads/", environment).unwrap();
    let spool = spool(12_345);
    let grant = async |name: &str| uploads.grant(name, 12_345, &spool.sha256).await.unwrap();

    let first = grant("packs/1").await;
    assert!(first.url.starts_with("http://127.0.0.1:7421/uploads/"), "{}", first.url);
    assert_eq!(
        uploads.accept(&token(&first), pieces(&spool.bytes)).await.unwrap(),
        Accepted::Stored
    );
    assert_eq!(store.get("packs/1").await.unwrap(), spool.bytes);
    let used_up = uploads.accept(&token(&first), pieces(&spool.bytes)).await.unwrap_err();
    assert_eq!((used_up.code(), used_up.status()), ("upload-not-granted", 403));
    let again = grant("packs/1").await;
    assert_eq!(
        uploads.accept(&token(&again), pieces(&spool.bytes)).await.unwrap(),
        Accepted::AlreadyThere
    );

    let other = grant("packs/2").await;
    let mut changed = spool.bytes.clone();
    changed[5] ^= 1;
    let mut longer = spool.bytes.clone();
    longer.push(0);
    for (body, says) in [
        (&changed[..], "SHA-256"),
        (&longer[..], "length"),
        (&spool.bytes[..100], "length"),
    ] {
        let rejection = uploads.accept(&token(&other), pieces(body)).await.unwrap_err();
        assert_eq!(rejection.status(), 400);
        assert!(
            rejection.to_string().contains(says) && rejection.to_string().contains("packs/2"),
            "{rejection}"
        );
    }
    let broken = futures::stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("reset"))]);
    assert!(matches!(
        uploads.accept(&token(&other), broken).await.unwrap_err(),
        Rejection::CutOff { .. }
    ));
    assert_eq!(store.find("packs/2").await.unwrap(), None);
    let staging = std::fs::read_dir(match &backend {
        Backend::Folder(folder) => folder.path().join("repository/.staging"),
        _ => unreachable!(),
    });
    assert_eq!(staging.unwrap().count(), 0, "what was refused leaves nothing");
    assert_eq!(
        uploads.accept(&token(&other), pieces(&spool.bytes)).await.unwrap(),
        Accepted::Stored
    );

    let late = grant("packs/3").await;
    clock.0.fetch_add(15 * 60 + 1, std::sync::atomic::Ordering::Relaxed);
    let rejection = uploads.accept(&token(&late), pieces(&spool.bytes)).await.unwrap_err();
    assert_eq!((rejection.code(), rejection.status()), ("upload-expired", 403));
    assert!(
        LocalUploads::new(
            &S3TestServer::start().await.unwrap().store("p").await.unwrap(),
            "x",
            crate::sample::environment(1)
        )
        .is_none()
    );
}

#[tokio::test]
async fn a_grant_ends_after_a_quarter_of_an_hour() {
    let backend = Backend::folder();
    let store = backend.store().await;
    let clock = Arc::new(At(Timestamp::UNIX_EPOCH));
    let uploads = LocalUploads::new(
        &store,
        "http://x",
        Environment {
            clock,
            ..environment(1)
        },
    )
    .unwrap();
    let grant = uploads.grant("packs/1", 1, &[0; 32]).await.unwrap();
    assert_eq!(grant.expires_in, Duration::from_secs(900));
}
