//! The connection to a running coordinator.

use std::path::Path;

use maxbrod_proto::operator::operator_client::OperatorClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

use crate::args::Global;
use crate::exit::{Failure, Kind, Result};

/// Connects to the coordinator that the options name.
pub async fn connect(global: &Global) -> Result<OperatorClient<Channel>> {
    let Some(url) = &global.coordinator else {
        return Err(Failure::usage("no coordinator given").remedy("give --coordinator URL or set MAXBROD_COORDINATOR"));
    };
    let mut endpoint = Endpoint::from_shared(url.clone()).map_err(|error| {
        Failure::usage(format!("{url} is not a coordinator's URL: {error}")).remedy("it looks like https://host:7420")
    })?;
    if url.starts_with("https:") {
        let mut tls = ClientTlsConfig::new();
        if let Some(ca) = &global.tls_ca {
            tls = tls.ca_certificate(Certificate::from_pem(read(ca)?));
        }
        if let (Some(cert), Some(key)) = (&global.tls_cert, &global.tls_key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        endpoint = endpoint
            .tls_config(tls)
            .map_err(|error| Failure::usage(format!("setting up TLS: {error}")))?;
    }
    let channel = endpoint.connect().await.map_err(|error| {
        Failure::new(
            Kind::Failed,
            "coordinator-unreachable",
            format!("connecting to the coordinator at {url}: {}", chain(&error)),
        )
        .remedy("check that maxbrod-coordinator runs there, and the URL's scheme (http only with `insecure`)")
    })?;
    Ok(OperatorClient::new(channel))
}

/// What a refused call tells the operator.
pub fn refused(status: &Status) -> Failure {
    let (kind, code) = match status.code() {
        Code::InvalidArgument => (Kind::Usage, "invalid-argument"),
        Code::AlreadyExists => (Kind::Failed, "snapshot-running"),
        Code::Unavailable => (Kind::Failed, "coordinator-unavailable"),
        _ => (Kind::Failed, "coordinator-refused"),
    };
    Failure::new(kind, code, format!("the coordinator says: {}", status.message()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::usage(format!("reading {}: {error}", path.display())))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
