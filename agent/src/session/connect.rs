//! Dialling out.

use std::path::Path;
use std::time::Duration;

use maxbrod_proto::agent::agents_client::AgentsClient;
use maxbrod_repository::with_causes;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::Trouble;
use crate::config::{Config, ConfigError, Tls};
use crate::error::AgentError;

const CONNECT: Duration = Duration::from_secs(10);
/// Both sides notice within this time, twice, that the other one is gone.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A connection.
pub(super) struct Connected {
    pub(super) client: AgentsClient<Channel>,
}

/// Connects, with TLS unless the configuration says otherwise. The files are read each time: certificates get renewed.
pub(super) async fn connect(config: &Config) -> Result<Connected, Trouble> {
    let contract = |reason: String| AgentError::Contract {
        coordinator: config.coordinator.clone(),
        reason,
    };
    let endpoint = Endpoint::from_shared(config.coordinator.clone()).map_err(|error| contract(error.to_string()))?;
    let mut endpoint = endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    if let Some(tls) = config.tls.as_ref().filter(|_| !config.insecure) {
        endpoint = endpoint
            .tls_config(tls_config(tls)?)
            .map_err(|error| contract(with_causes(&error)))?;
    }
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| tonic::Status::unavailable(with_causes(&error)))?;
    let client = AgentsClient::new(channel).max_decoding_message_size(maxbrod_proto::LARGEST_MESSAGE);
    Ok(Connected { client })
}

fn tls_config(tls: &Tls) -> Result<ClientTlsConfig, AgentError> {
    let (ca, cert, key) = (read(&tls.ca)?, read(&tls.cert)?, read(&tls.key)?);
    Ok(ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .identity(Identity::from_pem(cert, key)))
}

fn read(path: &Path) -> Result<Vec<u8>, AgentError> {
    let failed = |reason| {
        AgentError::Config(ConfigError::Read {
            path: path.to_owned(),
            reason,
        })
    };
    std::fs::read(path).map_err(failed)
}
