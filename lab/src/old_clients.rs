//! Clients that know nothing of KIP-890: their transactions are of version 0 or 1.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{self as std_process, Command};
use std::time::Duration;

use crate::distribution::copy_jars;
use crate::error::{LabError, Result};
use crate::process;
use crate::workload::{LoadSpec, TransactionalSpec};

/// The last version of Java's client before KIP-890's second part (4.0).
const JAVA_CLIENT: &str = "3.9.1";
const SOURCES: &[(&str, &str)] = &[
    ("sha256.h", include_str!("../c/sha256.h")),
    ("teller.c", include_str!("../c/teller.c")),
];
const COMPILING: Duration = Duration::from_secs(120);

/// What old clients run from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldClients {
    pub(crate) teller: PathBuf,
    pub(crate) java: PathBuf,
}

/// An old client's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OldClient {
    /// The executable made of lab/c.
    Librdkafka(PathBuf),
    /// The jars of Java's client, which run lab/java.
    Java(PathBuf),
}

/// Transactional producers of one old client.
#[derive(Clone, Debug, PartialEq)]
pub struct OldTellers {
    /// The client.
    pub client: OldClient,
    /// What each writes.
    pub tellers: Vec<TransactionalSpec>,
    /// Records per second that they write together.
    pub records_per_second: u32,
    /// How many partitions the topics have.
    pub partitions: BTreeMap<String, i32>,
}

impl OldClients {
    /// Compiles lab/c against librdkafka into `<target_dir>/kafka/librdkafka-…` and fetches the jars through Maven into
    /// `<target_dir>/kafka/clients-3.9.1`, unless they are there already.
    ///
    /// # Errors
    ///
    /// A C compiler, librdkafka's headers or Maven is missing, or a directory cannot be written.
    pub fn obtain(target_dir: &Path) -> Result<Self> {
        let target_dir =
            std::path::absolute(target_dir).map_err(|error| LabError::io("resolving", target_dir, error))?;
        let kafka = target_dir.join("kafka");
        let directory = kafka.join(format!("clients-{JAVA_CLIENT}"));
        let java = directory.join("libs");
        copy_jars(
            &directory,
            &java,
            &[("org.apache.kafka", "kafka-clients", JAVA_CLIENT)],
            &format!("Kafka's client {JAVA_CLIENT}"),
        )?;
        let mut hasher = DefaultHasher::new();
        SOURCES.hash(&mut hasher);
        let directory = kafka.join(format!("librdkafka-{:016x}", hasher.finish()));
        let teller = directory.join("teller");
        if !teller.is_file() {
            compile(&directory, &teller)?;
        }
        Ok(Self { teller, java })
    }
}

impl OldTellers {
    /// A load of these tellers only, with acknowledgements beside those of `load`.
    pub(crate) fn as_load(&self, name: &str, load: &LoadSpec) -> LoadSpec {
        LoadSpec {
            records_per_second: self.records_per_second,
            transactional_records_per_second: None,
            acknowledged: beside(&load.acknowledged, name),
            transactional: self.tellers.clone(),
            seconds: None,
            value_bytes: load.value_bytes,
            chains: Vec::new(),
            plain: Vec::new(),
            compacted: Vec::new(),
            groups: Vec::new(),
            schemas: Vec::new(),
            shares: Vec::new(),
            delete_records: Vec::new(),
            old: Vec::new(),
        }
    }

    /// One of them as a process of lab/c.
    pub(crate) fn librdkafka(
        &self,
        program: &Path,
        teller: &TransactionalSpec,
        bootstrap: &str,
        load: &LoadSpec,
    ) -> Command {
        let share = self.records_per_second / u32::try_from(self.tellers.len()).unwrap_or(1).max(1);
        let mut command = Command::new(program);
        command
            .arg(bootstrap)
            .arg(&teller.id)
            .arg(beside(&load.acknowledged, &teller.id))
            .args([teller.records, teller.abort_percent].map(|number| number.to_string()))
            .arg(teller.codec.name())
            .args([share.max(1), load.value_bytes].map(|number| number.to_string()));
        command.args(teller.topics.iter().map(|topic| {
            let partitions = self.partitions.get(topic).copied().unwrap_or(1);
            format!("{topic}:{partitions}")
        }));
        command
    }
}

/// A file of its own for each process; [`Acknowledged::read`](crate::Acknowledged::read) finds them.
fn beside(acknowledged: &Path, name: &str) -> PathBuf {
    let mut path = acknowledged.as_os_str().to_owned();
    path.push(".");
    path.push(name);
    path.into()
}

/// Compiles into `directory`, where the executable appears complete or not at all.
fn compile(directory: &Path, teller: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| LabError::io("creating", directory, error))?;
    for (name, text) in SOURCES {
        let path = directory.join(name);
        fs::write(&path, text).map_err(|error| LabError::io("writing", path, error))?;
    }
    let arriving = directory.join(format!("teller.{}.arriving", std_process::id()));
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-D_GNU_SOURCE", "-O1", "-o"])
        .arg(&arriving)
        .arg(directory.join("teller.c"))
        .arg("-lrdkafka");
    process::run(&mut cc, "compiling lab/c", "", COMPILING).map_err(|error| match error {
        LabError::ProcessFailed { output, .. } if output.contains("rdkafka") => LabError::ProgramMissing {
            program: "librdkafka".into(),
            remedy: format!("install librdkafka-dev (apt-get install -y librdkafka-dev):\n{output}"),
        },
        other => other,
    })?;
    fs::rename(&arriving, teller).map_err(|error| LabError::io("renaming", arriving, error))
}
