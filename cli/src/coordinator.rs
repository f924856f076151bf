//! The connection to a running coordinator.

use std::path::Path;
use std::time::Duration;

use maxbrod_proto::operator::operator_client::OperatorClient;
use maxbrod_repository::with_causes;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};

use crate::args::Global;
use crate::exit::{Failure, Kind, Result};

/// A host that does not answer is not waited for longer.
const CONNECT: Duration = Duration::from_secs(10);
/// While a snapshot is waited for, a coordinator that is gone is noticed within twice this time.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Connects to the coordinator that the options name.
pub async fn connect(global: &Global) -> Result<OperatorClient<Channel>> {
    let Some(url) = &global.coordinator else {
        return Err(Failure::usage("no coordinator given").remedy("give --coordinator URL or set MAXBROD_COORDINATOR"));
    };
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::usage(format!("{url} is not a coordinator's URL: {reason}")).remedy("it looks like https://host:7420")
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(wrong(&"it begins with neither https:// nor http://"));
    }
    let mut endpoint = Endpoint::from_shared(url.clone())
        .map_err(|error| wrong(&error))?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    if url.starts_with("https:") {
        // Without a CA no certificate would be accepted: the system's authorities don't sign coordinators.
        let Some(ca) = &global.tls_ca else {
            return Err(
                Failure::usage("no CA given that the coordinator's certificate could be checked against")
                    .remedy("give --tls-ca, --tls-cert and --tls-key, or set MAXBROD_TLS_CA, _CERT and _KEY"),
            );
        };
        let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?));
        if let (Some(cert), Some(key)) = (&global.tls_cert, &global.tls_key) {
            tls = tls.identity(Identity::from_pem(read(cert)?, read(key)?));
        }
        endpoint = endpoint.tls_config(tls).map_err(|error| {
            Failure::usage(format!("setting up TLS: {}", with_causes(&error))).remedy(
                "give PEM files: --tls-ca the authority's certificate, --tls-cert and --tls-key this operator's",
            )
        })?;
    }
    let channel = endpoint.connect().await.map_err(|error| {
        Failure::new(
            Kind::Failed,
            "coordinator-unreachable",
            format!("connecting to the coordinator at {url}: {}", with_causes(&error)),
        )
        .remedy("check that maxbrod-coordinator runs there, and the URL's scheme (http only with `insecure`)")
    })?;
    Ok(OperatorClient::new(channel))
}

/// What a refused call tells the operator.
pub fn refused(status: &Status) -> Failure {
    let (kind, code) = match status.code() {
        Code::InvalidArgument => (Kind::Usage, "invalid-argument"),
        Code::Unavailable => (Kind::Failed, "coordinator-unavailable"),
        _ => (Kind::Failed, "coordinator-refused"),
    };
    // Its own code says more than gRPC's.
    let said = |name: &str| status.metadata().get(name).and_then(|value| value.to_str().ok());
    let own = said("maxbrod-code");
    let failure = Failure::new(
        kind,
        own.unwrap_or(code),
        format!("the coordinator says: {}", status.message()),
    );
    failure
        .remedy(said("maxbrod-remedy").unwrap_or("its log tells more; `maxbrod cluster status` tells whether it works"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        Failure::usage(format!("reading {}: {error}", path.display())).remedy("correct the --tls-… options")
    })
}
