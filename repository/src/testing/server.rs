//! Serving the objects on loopback.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::bucket::{Bucket, Stored};
use super::fault::{Fault, Lie, Operation, Rule};
use crate::error::Result;
use crate::location::Location;
use crate::store::Store;

const ACCESS_KEY: &str = "test-access-key";
const SECRET_KEY: &str = "test-secret-key";
const BUCKET: &str = "test-bucket";

/// An S3 server with one bucket. It ends when it is dropped.
#[derive(Debug)]
pub struct S3TestServer {
    address: SocketAddr,
    bucket: Bucket,
    task: JoinHandle<()>,
}

impl S3TestServer {
    /// Starts an honest one on a free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let bucket = Bucket::default();
        let mut builder = S3ServiceBuilder::new(bucket.clone());
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let task = tokio::spawn(serve(listener, builder.build(), bucket.clone()));
        Ok(Self { address, bucket, task })
    }

    /// Where a repository lies in it.
    pub fn location(&self, prefix: &str) -> Location {
        Location::S3 {
            bucket: BUCKET.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// The `AWS_…` variables for programs that use it.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let variables = [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ];
        variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// A store in it.
    pub async fn store(&self, prefix: &str) -> Result<Store> {
        Store::open_with(&self.location(prefix), &self.variables()).await
    }

    /// Makes the next `times` matching requests go wrong. Faults of several rules happen in the order of the rules.
    pub fn inject(&self, operation: Operation, key_contains: &str, times: u32, fault: Fault) {
        let key_contains = key_contains.to_owned();
        self.bucket.lock().rules.push(Rule {
            operation,
            key_contains,
            remaining: times,
            fault,
        });
    }

    /// Makes it dishonest about conditional creates.
    pub fn lie(&self, lie: Option<Lie>) {
        self.bucket.lock().lie = lie;
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.bucket.lock().objects.keys().cloned().collect()
    }

    /// An object's bytes.
    pub fn object(&self, key: &str) -> Option<Bytes> {
        self.bucket.lock().objects.get(key).map(|object| object.bytes.clone())
    }

    /// Puts an object there, behind everybody's back.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        self.bucket
            .lock()
            .objects
            .insert(key.to_owned(), Stored::new(bytes.into()));
    }

    /// Takes an object away. Returns whether it was there.
    pub fn remove(&self, key: &str) -> bool {
        self.bucket.lock().objects.remove(key).is_some()
    }

    /// How many requests of each kind it answered: "PUT", "GET", "HEAD", "LIST", "OTHER".
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.bucket.lock().requests.clone()
    }
}

impl Drop for S3TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, s3: S3Service, bucket: Bucket) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (s3, bucket) = (s3.clone(), bucket.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(s3.clone(), bucket.clone(), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that goes away, or a reply that was lost on purpose.
            let _ = connection.await;
        });
    }
}

async fn answer(s3: S3Service, bucket: Bucket, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let key = request
        .uri()
        .path()
        .trim_start_matches('/')
        .split_once('/')
        .map_or("", |(_, key)| key)
        .to_owned();
    let (operation, name) = match *request.method() {
        Method::PUT => (Operation::Put, "PUT"),
        Method::HEAD => (Operation::Head, "HEAD"),
        Method::GET if key.is_empty() => (Operation::List, "LIST"),
        Method::GET => (Operation::Get, "GET"),
        _ => (Operation::Any, "OTHER"),
    };
    let fault = {
        let mut state = bucket.lock();
        *state.requests.entry(name).or_default() += 1;
        state.fault(operation, &key, |fault| !matches!(fault, Fault::Truncate(_)))
    };
    match fault {
        Some(Fault::Refuse(code)) => return Ok(status(code)),
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let response = s3
        .call(request.map(Body::from))
        .await
        .map_err(|error| io::Error::other(format!("{error:?}")))?;
    match fault {
        Some(Fault::DoneBut(code)) => Ok(status(code)),
        Some(Fault::LoseReply) => Err(io::Error::other("the reply is lost")),
        _ => Ok(response),
    }
}

fn status(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::from("<Error><Code>Injected</Code></Error>".to_owned()));
    *response.status_mut() = hyper::StatusCode::from_u16(code).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response
}
