//! An agent's side of an upload.

use std::path::Path;
use std::time::Duration;

use reqwest::{Body, Client, Method, StatusCode};
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::{GRANT_VALIDITY, Grant};
use crate::error::{Error, Result, with_causes};
use crate::tls;

/// Read from the spool at once.
const BUFFER: usize = 256 << 10;
/// Tries of an upload that the store asks to repeat.
const TRIES: u32 = 4;
const ERROR_TEXT: usize = 500;

/// Sends granted uploads. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Uploader {
    client: Client,
}

/// What became of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UploadOutcome {
    /// The store took it.
    Stored,
    /// The store has an object of that name: very likely this one, from a try whose reply was lost. Ask.
    AlreadyThere,
    /// The store does not take it (grant expired, checksum wrong). Ask, and if it is absent get another grant.
    Refused {
        /// HTTP status.
        status: u16,
        /// What the store said.
        message: String,
    },
    /// No usable answer. Ask.
    Unknown {
        /// What happened.
        reason: String,
    },
}

impl Uploader {
    /// With its own connections.
    pub fn new() -> Result<Self> {
        tls::install();
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(10))
            // A read timeout would run while the body is being sent; a dead peer is noticed by TCP.
            .timeout(GRANT_VALIDITY)
            .tcp_keepalive(Duration::from_secs(15))
            .tcp_user_timeout(Duration::from_secs(60))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| Error::store("preparing", "uploads", source))?;
        Ok(Self { client })
    }

    /// Streams a file to where the grant says. An error is one of the local file; everything else is an outcome.
    ///
    /// A store that is busy (429, 5xx) or that has another create of the name under way (409) is asked again some times;
    /// whatever stays unclear is left to the coordinator, who can look.
    pub async fn upload(&self, grant: &Grant, path: &Path) -> Result<UploadOutcome> {
        let mut pause = Duration::from_millis(200);
        let mut outcome = UploadOutcome::Unknown {
            reason: "it was not tried".to_owned(),
        };
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(pause).await;
                pause *= 3;
            }
            let (now, again) = self.try_once(grant, path).await?;
            outcome = now;
            if !again {
                break;
            }
        }
        Ok(outcome)
    }

    async fn try_once(&self, grant: &Grant, path: &Path) -> Result<(UploadOutcome, bool)> {
        let failed = |source| Error::store("reading the spool file", path.display(), source);
        let file = File::open(path).await.map_err(failed)?;
        let length = file.metadata().await.map_err(failed)?.len();
        let body = Body::wrap_stream(ReaderStream::with_capacity(file, BUFFER));
        self.send(grant, body, length, &path.display().to_string()).await
    }

    /// Sends one request; says whether it should be repeated.
    pub(crate) async fn send(
        &self,
        grant: &Grant,
        body: Body,
        length: u64,
        object: &str,
    ) -> Result<(UploadOutcome, bool)> {
        let unusable = |source: &dyn std::fmt::Display| Error::UploadRefused {
            object: object.to_owned(),
            reason: format!("its grant can't be used: {source}"),
        };
        let method = Method::from_bytes(grant.method.as_bytes()).map_err(|source| unusable(&source))?;
        let mut request = self.client.request(method, &grant.url);
        for (name, value) in &grant.headers {
            request = request.header(name, value);
        }
        let request = request
            .header("content-length", length)
            .body(body)
            .build()
            .map_err(|source| unusable(&source))?;
        let answer = match self.client.execute(request).await {
            Ok(answer) => answer,
            Err(source) => {
                let again = source.is_connect();
                // Without the URL: it is a secret as long as it is valid.
                let reason = with_causes(&source.without_url());
                return Ok((UploadOutcome::Unknown { reason }, again));
            }
        };
        let status = answer.status();
        Ok(match status {
            _ if status.is_success() => (UploadOutcome::Stored, false),
            StatusCode::PRECONDITION_FAILED => (UploadOutcome::AlreadyThere, false),
            _ => {
                let message: String = answer
                    .text()
                    .await
                    .unwrap_or_default()
                    .chars()
                    .take(ERROR_TEXT)
                    .collect();
                let busy =
                    status.is_server_error() || matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS);
                if busy {
                    (
                        UploadOutcome::Unknown {
                            reason: format!("the store answered {status}: {message}"),
                        },
                        true,
                    )
                } else {
                    (
                        UploadOutcome::Refused {
                            status: status.as_u16(),
                            message,
                        },
                        false,
                    )
                }
            }
        })
    }
}
