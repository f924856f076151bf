//! The wish to stop, seen by every part of the agent.

use tokio::sync::watch;

/// Whether the agent is to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

/// Says that the agent is to stop; so does dropping it.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<bool>);

impl Stop {
    /// With the one who says so.
    pub(crate) fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Self(receiver))
    }

    /// Whether it is.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until the agent is to stop.
    pub(crate) async fn requested(&self) {
        // An error means that the stopper is gone, which says the same.
        let _ = self.0.clone().wait_for(|stop| *stop).await;
    }
}

impl Stopper {
    /// Says so.
    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }
}
