//! The keys of this process: the id key as the coordinator gives it, and a data key of the agent's own, wrapped for the
//! operators alone. Both are in memory only; the wrapped copy is what the database keeps.

use std::sync::Arc;

use maxbrod_proto::agent as wire;
use maxbrod_repository::{IdKey, Random, Recipient, SealingKey};

use crate::link::Sealing;
use crate::state::State;

/// Remembers across sessions what to seal with.
#[derive(Debug, Default)]
pub(super) struct SealingKeys {
    current: Option<(Arc<Sealing>, Vec<String>)>,
}

impl SealingKeys {
    /// What to seal with in a session: as before, unless the repository's id key, recipients or level changed.
    pub(super) fn sealing(
        &mut self,
        welcome: &wire::Welcome,
        state: &State,
        random: &dyn Random,
    ) -> Result<Arc<Sealing>, String> {
        let id_key = IdKey::from_slice(&welcome.id_key)
            .ok_or_else(|| format!("its id key has {} bytes instead of 32", welcome.id_key.len()))?;
        if let Some((sealing, recipients)) = &self.current
            && sealing.id_key.as_bytes() == id_key.as_bytes()
            && sealing.zstd_level == welcome.zstd_level
            && *recipients == welcome.recipients
        {
            return Ok(Arc::clone(sealing));
        }
        let recipients = welcome
            .recipients
            .iter()
            .map(|text| text.parse())
            .collect::<Result<Vec<Recipient>, _>>();
        let recipients = recipients.map_err(|error| error.to_string())?;
        let key = match recipients.as_slice() {
            [] => None,
            recipients => {
                let key = SealingKey::generate(random);
                let wrapped = key.wrap(recipients).map_err(|error| error.to_string())?;
                state
                    .add_key(&key.id().0, &wrapped)
                    .map_err(|error| error.to_string())?;
                Some(key)
            }
        };
        let sealing = Arc::new(Sealing {
            id_key,
            key,
            zstd_level: welcome.zstd_level,
        });
        self.current = Some((Arc::clone(&sealing), welcome.recipients.clone()));
        Ok(sealing)
    }
}
