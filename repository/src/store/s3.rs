//! Opens a bucket.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::{ClientOptions, RetryConfig};
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::location::Location;
use crate::tls;

const CONNECT: Duration = Duration::from_secs(10);
const REQUEST: Duration = Duration::from_secs(300);

/// A bucket, with the variables that AWS's own tools read. Plain HTTP only to this machine.
pub(super) fn bucket(name: &str, variables: &BTreeMap<String, String>, location: &Location) -> Result<AmazonS3> {
    tls::install();
    let error = |reason: String| Error::Location {
        location: location.to_string(),
        reason,
    };
    // The checksum makes the store compare what arrived with what was sent. A 5xx to a create is repeated by the
    // library, so "exists already" may be our own object: `Store::create` reads it back.
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_checksum_algorithm(Checksum::SHA256)
        // The library's 30 seconds are too few for 64 MiB over a slow line.
        .with_client_options(ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST))
        .with_retry(RetryConfig {
            max_retries: 6,
            retry_timeout: Duration::from_secs(60),
            ..RetryConfig::default()
        });
    for (variable, value) in variables {
        if let Ok(key) = variable.to_ascii_lowercase().parse() {
            builder = builder.with_config(key, value);
        }
    }
    if let Some(endpoint) = variables
        .get("AWS_ENDPOINT_URL_S3")
        .or_else(|| variables.get("AWS_ENDPOINT_URL"))
    {
        let url = Url::parse(endpoint).map_err(|source| error(format!("AWS_ENDPOINT_URL {endpoint:?}: {source}")))?;
        if url.scheme() == "http" {
            let loopback = match url.host() {
                Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
                Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
                Some(Host::Domain(domain)) => domain == "localhost",
                None => false,
            };
            if !loopback && variables.get("AWS_ALLOW_HTTP").is_none_or(|allow| allow != "true") {
                return Err(error(format!("{endpoint} is plain HTTP to another machine; use https")));
            }
            builder = builder.with_allow_http(true);
        }
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().map_err(|source| error(source.to_string()))
}
