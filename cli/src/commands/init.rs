//! `maxbrod init`: makes a repository.

use std::process::ExitCode;

use maxbrod_repository::{InitOptions, Recipient, Repository, Store};

use crate::args::{Global, Init};
use crate::exit::Result;
use crate::output::Output;
use crate::repository;

pub async fn run(options: Init, global: &Global, output: Output) -> Result<ExitCode> {
    let location = repository::location(global)?;
    let init = if options.no_encryption {
        InitOptions::NotEncrypted
    } else {
        InitOptions::Encrypted {
            recipients: recipients(&options.recipient)?,
            coordinator_recipients: recipients(&options.coordinator_recipient)?,
        }
    };
    let without_coordinator = !options.no_encryption && options.coordinator_recipient.is_empty();
    let store = Store::prepare(&location).await?;
    let made = Repository::init(store, init, repository::environment()).await?;
    let document = serde_json::json!({
        "repository_id": made.id().to_string(),
        "location": made.store().location(),
        "encrypted": made.config().is_encrypted(),
    });
    output.print(&document, || {
        let mut text = format!("made repository {} at {}\n", made.id(), made.store().location());
        if options.no_encryption {
            text.push_str("NOT ENCRYPTED: whoever can read the store can read every record in every backup.\n");
        }
        if without_coordinator {
            text.push_str("No coordinator can work with it yet: it would need an operator's identity (see --coordinator-recipient).\n");
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

fn recipients(texts: &[String]) -> Result<Vec<Recipient>> {
    texts.iter().map(|text| Ok(text.parse::<Recipient>()?)).collect()
}
