//! The session with the coordinator: dialled, kept, dialled again; every question that comes down it is answered here.

mod connect;
mod hello;
mod inbox;
mod phase;
mod sealing;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use maxbrod_proto::agent as wire;
use maxbrod_repository::Random;
use tokio::sync::{mpsc, watch};
use tonic::{Code, Status, Streaming};

use crate::config::Config;
use crate::error::AgentError;
use crate::link::Link;
use crate::log_dir::{Catalog, Watch};
use crate::node::Node;
use crate::pack::Packer;
use crate::pin::Pins;
use crate::records::Followers;
use crate::ship::Shipper;
use crate::state::State;
use crate::stop::Stop;
use inbox::Inbox;
use sealing::SealingKeys;

/// Messages that wait to be sent up; each is below a mebibyte.
const UP: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A coordinator that lost sight of this agent's last process says "another one is there" until it notices.
const OTHER_AGENT_PATIENCE: Duration = Duration::from_secs(60);

/// What the session works with.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) node: Arc<Node>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) followers: Followers,
    pub(crate) pins: Arc<Pins>,
    pub(crate) packer: Arc<Packer>,
    pub(crate) state: Arc<State>,
    pub(crate) shipper: Arc<Shipper>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) incarnation: [u8; 16],
}

/// How a session ended.
enum End {
    /// The connection broke, or the coordinator went away.
    Broken(String),
    /// The agent stops.
    Stopped,
}

/// Keeps a session until the agent stops, or the coordinator will never have it.
pub(crate) async fn keep(
    context: Arc<Context>,
    links: watch::Sender<Option<Arc<Link>>>,
    stop: Stop,
) -> Result<(), AgentError> {
    let mut pause = FIRST_PAUSE;
    let mut had_session = false;
    let mut keys = SealingKeys::default();
    let started = Instant::now();
    loop {
        let attempt = async {
            let opened = open(&context).await?;
            had_session = true;
            pause = FIRST_PAUSE;
            converse(&context, opened, &links, &mut keys, &stop).await
        };
        let result = tokio::select! {
            () = stop.requested() => return Ok(()),
            result = attempt => result,
        };
        links.send_replace(None);
        match result {
            Ok(End::Stopped) => return Ok(()),
            Ok(End::Broken(reason)) => {
                tracing::warn!(coordinator = context.config.coordinator, reason, "the session is over");
            }
            Err(Trouble::Fatal(error)) => return Err(error),
            Err(Trouble::Refused(status)) => {
                if let Some(error) = refusal(&context.config.coordinator, &status, had_session, started.elapsed()) {
                    return Err(error);
                }
                tracing::warn!(
                    coordinator = context.config.coordinator, code = ?status.code(), reason = status.message(),
                    "no session; trying again"
                );
            }
        }
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = tokio::time::sleep(with_jitter(pause, context.random.as_ref())) => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why there is no session.
enum Trouble {
    Refused(Status),
    Fatal(AgentError),
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<AgentError> for Trouble {
    fn from(error: AgentError) -> Self {
        Self::Fatal(error)
    }
}

/// A session that the coordinator has accepted.
struct Opened {
    link: connect::Connected,
    welcome: wire::Welcome,
    down: Streaming<wire::ToAgent>,
    up: mpsc::Sender<wire::FromAgent>,
}

async fn open(context: &Context) -> Result<Opened, Trouble> {
    let mut connected = connect::connect(&context.config).await?;
    let (up, receiver) = mpsc::channel(UP);
    let hello = hello::hello(context);
    let hello = wire::FromAgent {
        message: Some(wire::from_agent::Message::Hello(hello)),
    };
    // The receiver is in this scope: this cannot fail.
    let _ = up.send(hello).await;
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    let mut down = connected.client.session(stream).await?.into_inner();
    let first = down.message().await?;
    match first.and_then(|message| message.message) {
        Some(wire::to_agent::Message::Welcome(welcome)) => Ok(Opened {
            link: connected,
            welcome,
            down,
            up,
        }),
        _ => Err(Trouble::Refused(Status::unavailable(
            "the session ended before the welcome",
        ))),
    }
}

async fn converse(
    context: &Arc<Context>,
    opened: Opened,
    links: &watch::Sender<Option<Arc<Link>>>,
    keys: &mut SealingKeys,
    stop: &Stop,
) -> Result<End, Trouble> {
    let Opened {
        link: connected,
        welcome,
        mut down,
        up,
    } = opened;
    let contract = |reason: String| AgentError::Contract {
        coordinator: context.config.coordinator.clone(),
        reason,
    };
    let owner = format!(
        "{} {} {}",
        welcome.repository_id, context.node.cluster_id, context.node.node_id
    );
    context.state.belong_to(&owner).map_err(AgentError::from)?;
    let sealing = keys
        .sealing(&welcome, &context.state, context.random.as_ref())
        .map_err(contract)?;
    let link = Arc::new(Link {
        client: connected.client,
        session: welcome.session,
        open_run: welcome.open_run.into(),
        sealing,
        up,
    });
    tracing::info!(
        coordinator = context.config.coordinator,
        session = welcome.session,
        run = welcome.open_run,
        epoch = welcome.epoch,
        "the session is open"
    );
    inbox::enter_run(context, welcome.open_run).await;
    context.shipper.session_began(welcome.open_run);
    links.send_replace(Some(Arc::clone(&link)));
    let mut inbox = Inbox::new(Arc::clone(context), Arc::clone(&link));
    let mut ticks = tokio::time::interval(status::INTERVAL);
    loop {
        tokio::select! {
            () = stop.requested() => return Ok(End::Stopped),
            _ = ticks.tick() => link.send(status::status(context, &link)).await,
            message = down.message() => match message {
                Ok(Some(message)) => {
                    if let Some(end) = inbox.take(message).await {
                        return Ok(End::Broken(end));
                    }
                }
                Ok(None) => return Ok(End::Broken("the coordinator closed it".to_owned())),
                Err(status) => return Ok(End::Broken(status.message().to_owned())),
            },
        }
    }
}

/// Whether a refusal is for good. Once there was a session, everything is waited out.
fn refusal(coordinator: &str, status: &Status, had_session: bool, since: Duration) -> Option<AgentError> {
    let remedy = match status.code() {
        Code::FailedPrecondition | Code::InvalidArgument if !had_session => "",
        Code::AlreadyExists if !had_session && since > OTHER_AGENT_PATIENCE => {
            "; stop the other agent, or correct this one's node id"
        }
        _ => return None,
    };
    Some(AgentError::Refused {
        coordinator: coordinator.to_owned(),
        reason: status.message().to_owned(),
        remedy,
    })
}

/// Between half and one and a half times the pause: agents that lost one coordinator don't all come back at once.
fn with_jitter(pause: Duration, random: &dyn Random) -> Duration {
    let mut byte = [0];
    random.fill(&mut byte);
    let [byte] = byte;
    pause.mul_f64(0.5 + f64::from(byte) / 255.0)
}
