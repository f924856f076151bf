//! The README's tour, from the README's own text.
//!
//! Every `sh` line of the section is typed and every `toml` block saved, in their order; a command that fails fails the test.
//! What a reader replaces is replaced (paths, addresses), and where the cluster is destroyed, it is.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use maxbrod_lab::{ClusterSpec, LabError, Setup, TopicSpec};
use maxbrod_tests::tour::{Step, Terminal, replace, steps};
use maxbrod_tests::{READY, Scene, identity_differences, log_problems, profile_dir};

const SECTION: &str = "## Five minutes by hand";
const DESTROYED: &str = "the cluster is destroyed";
/// Programs that stay, and what they say when they are ready.
const DAEMONS: [(&str, &str); 2] = [
    ("maxbrod-coordinator ", "listening"),
    ("maxbrod-agent ", "the session is open"),
];
const START: Duration = Duration::from_secs(30);

/// Replaced in the README's text: what is the reader's own.
fn own(home: &Path, server_properties: &Path) -> Vec<(&'static str, String)> {
    // Both ports are taken at once, or they might be the same.
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    let [grpc, http] = listeners.map(|listener| listener.local_addr().unwrap().to_string());
    let path = |name: &str| home.join(name).display().to_string();
    vec![
        ("/backup/kafka", path("repository")),
        ("/var/lib/maxbrod-coordinator", path("coordinator")),
        ("/var/lib/maxbrod-agent", path("agent")),
        ("/etc/kafka/server.properties", server_properties.display().to_string()),
        ("127.0.0.1:7420", grpc),
        ("127.0.0.1:7421", http),
    ]
}

#[test]
fn the_readme_s_tour_holds() -> Result<(), LabError> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let mut steps = steps(&readme, SECTION).unwrap();
    let scene = Scene::new()?;
    let mut cluster = scene.boot(ClusterSpec::combined(1))?;
    let client = cluster.client();
    client.create(&Setup {
        topics: vec![TopicSpec::new("orders", 3, 1)],
        ..Setup::default()
    })?;
    client.smoke(&["orders".to_owned()], 1)?;
    let home = scene.path().join("home");
    fs::create_dir(&home).unwrap();
    replace(&mut steps, &own(&home, &cluster.node(1)?.server_properties)).unwrap();

    let mut terminal = Terminal::open(&home, &profile_dir()).unwrap();
    let (mut before, mut commands) = (None, 0);
    for step in steps {
        match step {
            Step::Save { name, text } => fs::write(home.join(name), text).unwrap(),
            Step::Type(command) => {
                commands += 1;
                match DAEMONS.iter().find(|(program, _)| command.starts_with(program)) {
                    Some((_, ready)) => terminal
                        .keep(&command, ready, START)
                        .unwrap_or_else(|said| panic!("{said}")),
                    None => {
                        terminal.run(&command).unwrap_or_else(|said| panic!("{said}"));
                    }
                }
            }
            Step::Happens(event) if event == DESTROYED => {
                before = Some((client.describe()?, client.dump(&scene.path().join("before"), None)?));
                terminal.close_others();
                cluster.kill();
                cluster.wipe()?;
            }
            Step::Happens(event) => panic!("nobody knows how to do this: {event}"),
        }
    }
    assert!(commands >= 10, "a tour of {commands} commands is none");

    let (description, dump) = before.expect("the tour destroys the cluster");
    cluster.mark_logs();
    cluster.start_and_wait(READY)?;
    assert_eq!(log_problems(&cluster)?, Vec::<String>::new());
    assert_eq!(
        identity_differences(&description, &client.describe()?),
        Vec::<String>::new()
    );
    let restored = client.dump(&scene.path().join("after"), None)?;
    let orders = |dump: &maxbrod_lab::Dump| -> Vec<_> {
        let partitions = dump.partitions.iter();
        partitions
            .filter(|(name, _)| name.to_string().starts_with("orders-"))
            .map(|(name, partition)| (name.clone(), partition.records.clone()))
            .collect()
    };
    let records: usize = orders(&dump).iter().map(|(_, records)| records.len()).sum();
    assert!(records >= 5, "a comparison of {records} records proves nothing");
    assert_eq!(orders(&dump), orders(&restored));
    Ok(())
}
