//! The whole: opens the repository, binds the ports, serves until told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use maxbrod_proto::agent::agents_server::AgentsServer;
use maxbrod_proto::operator::operator_server::OperatorServer;
use maxbrod_repository::{Environment, Granter, Identities, LocalUploads, Location, Repository, SigningGranter, Store};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::server::Router;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tracing::{error, info, warn};

use crate::agents_service::AgentsService;
use crate::cache::{Cache, CacheError};
use crate::conductor::Input;
use crate::config::{Config, ConfigError, Tls};
use crate::house::{House, Parts};
use crate::http;
use crate::operator_service::OperatorService;
use crate::sequencer::Timing;

/// A connection without a sign of life for twice as long is dropped.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// How long connections may take to close at the end.
const GRACE: Duration = Duration::from_secs(5);

/// Why the coordinator cannot work.
#[derive(Debug, Error)]
pub enum CoordinatorError {
    /// Its configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its state directory.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The repository. [`maxbrod_repository::Error::Fenced`]: a newer coordinator has taken over.
    #[error(transparent)]
    Repository(#[from] maxbrod_repository::Error),
    /// A port that cannot be had.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A certificate or key that cannot be read.
    #[error("read {path}, named in [tls]: {source}")]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A server that failed.
    #[error("serve on {address}: {source}")]
    Serve {
        /// Its address.
        address: SocketAddr,
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A store into which no upload can be granted.
    #[error("grant uploads into {location}: its store can neither sign them nor is it a file system")]
    NoGranter {
        /// The repository.
        location: String,
    },
}

impl CoordinatorError {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Config(error) => error.code(),
            Self::Cache(error) => error.code(),
            Self::Repository(error) => error.code(),
            Self::Listen { .. } => "listen-failed",
            Self::TlsFile { .. } => "tls-file-unreadable",
            Self::Serve { .. } => "serve-failed",
            Self::NoGranter { .. } => "no-granter",
        }
    }
}

/// A coordinator that has its ports and its repository, ready to serve.
#[derive(Debug)]
pub struct Coordinator {
    house: Arc<House>,
    ended: mpsc::Receiver<Result<(), maxbrod_repository::Error>>,
    grpc: TcpListener,
    listen: SocketAddr,
    http: TcpListener,
    http_listen: SocketAddr,
    tls: Option<ServerTlsConfig>,
}

/// Runs a coordinator until `shutdown` is done, or until it must stop.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), CoordinatorError> {
    Coordinator::bind(config).await?.serve(shutdown).await
}

impl Coordinator {
    /// Opens the repository and binds both ports. With port 0 the system chooses; see [`Coordinator::listen`].
    pub async fn bind(config: Config) -> Result<Self, CoordinatorError> {
        Self::bind_with(config, Timing::default()).await
    }

    /// The same with other patience, for tests.
    pub async fn bind_with(config: Config, timing: Timing) -> Result<Self, CoordinatorError> {
        config.check()?;
        let tls = config.tls.as_ref().map(server_tls).transpose()?;
        let cache = Arc::new(Cache::open(&config.state_dir)?);
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let holder = format!(
            "maxbrod-coordinator on {} (process {})",
            host.trim(),
            std::process::id()
        );
        let environment = Environment::system(holder.clone());
        let location: Location = config.repository.parse()?;
        let store = Store::open(&location).await?;
        let identities = match &config.identity {
            Some(path) => Identities::from_file(path)?,
            None => Identities::none(),
        };
        let repository = Repository::open(store.clone(), identities, environment.clone()).await?;
        // Said now rather than to the first agent.
        repository.id_key()?;
        if !repository.config().is_encrypted() {
            warn!(
                location = store.location(),
                "the repository is NOT encrypted: whoever can read it can read all data"
            );
        }
        if config.retention.is_set() {
            warn!("[retention] is not applied yet: every snapshot is kept");
        }
        let (grpc, listen) = self::listen(config.listen).await?;
        let (http, http_listen) = self::listen(config.http_listen).await?;
        let url = config
            .http_url
            .clone()
            .unwrap_or_else(|| format!("http://{http_listen}"));
        let uploads = LocalUploads::new(
            &store,
            &format!("{}{}", url.trim_end_matches('/'), http::UPLOADS),
            environment,
        );
        let uploads = uploads.map(Arc::new);
        let granter: Arc<dyn Granter> = match (&uploads, SigningGranter::new(&store)) {
            (Some(uploads), _) => Arc::clone(uploads) as Arc<dyn Granter>,
            (None, Some(signing)) => Arc::new(signing),
            (None, None) => {
                return Err(CoordinatorError::NoGranter {
                    location: store.location().to_owned(),
                });
            }
        };
        let (ended_sender, ended) = mpsc::channel(1);
        let house = Arc::new(House::new(Parts {
            repository,
            granter,
            uploads,
            cache,
            snapshot: config.snapshot,
            hooks: config.hooks,
            timing,
            holder,
            cluster_id: config.cluster_id,
            ended: ended_sender,
        }));
        Ok(Self {
            house,
            ended,
            grpc,
            listen,
            http,
            http_listen,
            tls,
        })
    }

    /// Where agents and operators connect.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where the HTTP server is.
    pub fn http_listen(&self) -> SocketAddr {
        self.http_listen
    }

    /// Serves until `shutdown` is done, or until it must stop: a newer coordinator has taken over, say.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), CoordinatorError> {
        let Self {
            house,
            mut ended,
            grpc,
            listen,
            http,
            http_listen,
            tls,
        } = self;
        info!(%listen, %http_listen, "listening");
        if let Some(cluster_id) = house.known_cluster() {
            // Whether it can take over is known before the first agent comes, and an operator who comes first finds a cluster.
            house.term_for(&cluster_id).await?;
        }
        let (stop, stopped) = watch::channel(false);
        let mut grpc_server = tokio::spawn(serve_grpc(grpc, listen, tls, Arc::clone(&house), stopped.clone()));
        let mut http_server = tokio::spawn(serve_http(http, http_listen, Arc::clone(&house), stopped));
        tokio::pin!(shutdown);
        let result = tokio::select! {
            () = &mut shutdown => {
                info!("shutting down");
                match house.term() {
                    Some(term) if term.inputs.send(Input::Shutdown).await.is_ok() => ended.recv().await.unwrap_or(Ok(())),
                    _ => Ok(()),
                }
                .map_err(CoordinatorError::from)
            }
            result = ended.recv() => result.unwrap_or(Ok(())).map_err(CoordinatorError::from),
            result = &mut grpc_server => flatten(result, listen),
            result = &mut http_server => flatten(result, http_listen),
        };
        if let Err(error) = &result {
            error!(code = error.code(), %error, "stopping");
        }
        // The servers wait for open connections; those that linger are cut.
        let _ = stop.send(true);
        for server in [&mut grpc_server, &mut http_server] {
            if !server.is_finished() && tokio::time::timeout(GRACE, &mut *server).await.is_err() {
                server.abort();
            }
        }
        result
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), CoordinatorError> {
    let failed = |source| CoordinatorError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn serve_grpc(
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<ServerTlsConfig>,
    house: Arc<House>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), CoordinatorError> {
    let failed = |source: tonic::transport::Error| CoordinatorError::Serve {
        address,
        source: Box::new(source),
    };
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .tcp_nodelay(true);
    if let Some(tls) = tls {
        server = server.tls_config(tls).map_err(failed)?;
    }
    let router: Router = server
        .add_service(
            AgentsServer::new(AgentsService::new(Arc::clone(&house)))
                .max_decoding_message_size(maxbrod_proto::LARGEST_MESSAGE),
        )
        .add_service(OperatorServer::new(OperatorService::new(house)));
    let stop = async move {
        // A sender that is gone means the same.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    router
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop)
        .await
        .map_err(failed)
}

async fn serve_http(
    listener: TcpListener,
    address: SocketAddr,
    house: Arc<House>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), CoordinatorError> {
    let stop = async move {
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    let served = axum::serve(listener, http::router(house))
        .with_graceful_shutdown(stop)
        .await;
    served.map_err(|source| CoordinatorError::Serve {
        address,
        source: Box::new(source),
    })
}

fn flatten(
    result: Result<Result<(), CoordinatorError>, tokio::task::JoinError>,
    address: SocketAddr,
) -> Result<(), CoordinatorError> {
    result.unwrap_or_else(|source| {
        Err(CoordinatorError::Serve {
            address,
            source: Box::new(source),
        })
    })
}

/// Mutual TLS: whoever has no certificate of the authority is not talked to.
fn server_tls(tls: &Tls) -> Result<ServerTlsConfig, CoordinatorError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| CoordinatorError::TlsFile {
            path: path.to_owned(),
            source,
        })
    };
    let identity = Identity::from_pem(read(&tls.cert)?, read(&tls.key)?);
    Ok(ServerTlsConfig::new()
        .identity(identity)
        .client_ca_root(Certificate::from_pem(read(&tls.ca)?)))
}
