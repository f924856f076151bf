//! How a change merges into a broker's registration, after Kafka's `BrokerRegistration.cloneWith`.

use super::*;
use crate::metadata::record::BrokerRegistrationChangeRecord;

impl RegisterBrokerRecord {
    /// Marks the broker as fenced or not; nothing else changes.
    pub fn set_fenced(&mut self, fenced: bool) {
        self.fenced = fenced;
    }

    /// Marks the broker as shutting down in order or not.
    pub fn set_in_controlled_shutdown(&mut self, in_controlled_shutdown: bool) {
        if in_controlled_shutdown {
            self.version = self.version.max(1);
        }
        self.in_controlled_shutdown = in_controlled_shutdown;
    }

    pub(super) fn merge(&mut self, change: BrokerRegistrationChangeRecord) -> Result<(), ReplayReason> {
        match change.fenced {
            0 => {}
            1 => self.set_fenced(true),
            -1 => self.set_fenced(false),
            value => {
                return Err(ReplayReason::BadValue {
                    field: "fenced",
                    value: value.into(),
                });
            }
        }
        match change.in_controlled_shutdown {
            0 => {}
            1 => self.set_in_controlled_shutdown(true),
            value => {
                return Err(ReplayReason::BadValue {
                    field: "in_controlled_shutdown",
                    value: value.into(),
                });
            }
        }
        // An empty list means no change (KIP-858); the cordoned ones have null for that (KIP-1066).
        if !change.log_dirs.is_empty() {
            self.version = self.version.max(3);
            self.log_dirs = change.log_dirs;
        }
        if let Some(cordoned) = change.cordoned_log_dirs {
            self.version = self.version.max(4);
            self.cordoned_log_dirs = Some(cordoned);
        }
        Ok(())
    }
}
