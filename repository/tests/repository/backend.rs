//! The stores that the suite runs on.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use maxbrod_repository::testing::S3TestServer;
use maxbrod_repository::{Location, Store};
use tempfile::TempDir;

pub enum Backend {
    Folder(TempDir),
    Server(S3TestServer),
    Gateway(Gateway),
}

/// versitygw over a folder.
pub struct Gateway {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PREFIX: &str = "some/prefix";
const BUCKET: &str = "test-bucket";

impl Backend {
    pub fn folder() -> Self {
        Self::Folder(tempfile::tempdir().unwrap())
    }

    pub async fn server() -> Self {
        Self::Server(S3TestServer::start().await.unwrap())
    }

    /// The program is named by MAXBROD_VERSITYGW.
    pub async fn gateway() -> Self {
        let program = std::env::var("MAXBROD_VERSITYGW").expect("MAXBROD_VERSITYGW names the program versitygw");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .args(["--access", "test-access-key", "--secret", "test-secret-key", "--quiet"])
            .args(["--port", &format!("127.0.0.1:{port}"), "posix"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let gateway = Gateway { child, folder, port };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Self::Gateway(gateway);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("versitygw does not listen");
    }

    pub fn location(&self) -> Location {
        match self {
            Self::Folder(folder) => Location::files(folder.path().join("repository")),
            Self::Server(server) => server.location(PREFIX),
            Self::Gateway(_) => Location::S3 {
                bucket: BUCKET.to_owned(),
                prefix: PREFIX.to_owned(),
            },
        }
    }

    fn variables(&self) -> BTreeMap<String, String> {
        match self {
            Self::Folder(_) => BTreeMap::new(),
            Self::Server(server) => server.variables(),
            Self::Gateway(gateway) => BTreeMap::from([
                (
                    "AWS_ENDPOINT_URL".to_owned(),
                    format!("http://127.0.0.1:{}", gateway.port),
                ),
                ("AWS_ACCESS_KEY_ID".to_owned(), "test-access-key".to_owned()),
                ("AWS_SECRET_ACCESS_KEY".to_owned(), "test-secret-key".to_owned()),
                ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
            ]),
        }
    }

    pub async fn store(&self) -> Store {
        Store::prepare_with(&self.location(), &self.variables()).await.unwrap()
    }

    /// The file of an object, where objects are files.
    fn file(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.path().join("repository").join(name)),
            Self::Gateway(gateway) => Some(gateway.folder.path().join(BUCKET).join(PREFIX).join(name)),
            Self::Server(_) => None,
        }
    }

    /// Changes an object behind the repository's back.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        match (self.file(name), self) {
            (Some(file), _) => {
                let mut bytes = std::fs::read(&file).unwrap();
                change(&mut bytes);
                std::fs::write(file, bytes).unwrap();
            }
            (None, Self::Server(server)) => {
                let key = format!("{PREFIX}/{name}");
                let mut bytes = server.object(&key).unwrap().to_vec();
                change(&mut bytes);
                server.put(&key, bytes);
            }
            _ => unreachable!(),
        }
    }

    /// Removes an object behind the repository's back.
    pub fn remove(&self, name: &str) {
        match (self.file(name), self) {
            (Some(file), _) => std::fs::remove_file(file).unwrap(),
            (None, Self::Server(server)) => assert!(server.remove(&format!("{PREFIX}/{name}"))),
            _ => unreachable!(),
        }
    }
}

/// Makes one test per store of an async function that takes a backend.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::backend::Backend;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_a_folder() {
                super::$name(Backend::folder()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_s3() {
                super::$name(Backend::server().await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "needs the program that MAXBROD_VERSITYGW names"]
            async fn on_versitygw() {
                super::$name(Backend::gateway().await).await;
            }
        }
    )*};
}
pub(crate) use on_every_store;
