use std::path::Path;

use proptest::prelude::*;

use super::{ByteSize, Config, ConfigError, MinFree};

const MINIMAL: &str = r#"
coordinator = "http://127.0.0.1:7420"
state_dir = "/var/lib/maxbrod-agent"
insecure = true
[kafka]
server_properties = "/etc/kafka/server.properties"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/maxbrod/agent.toml"))
}

fn refusal(text: &str) -> String {
    parse(text).expect_err("must be refused").to_string()
}

#[test]
fn a_minimal_file_has_gentle_limits() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.limits.min_free, MinFree::Percent(15));
    assert_eq!(config.limits.read_bytes_per_second, None);
    assert_eq!(config.limits.ship_threads, 2);
}

#[test]
fn sizes_are_written_with_units() {
    let config = parse(&format!(
        "{MINIMAL}\n[limits]\nread_bytes_per_second = \"100MiB\"\nmin_free = \"5GB\"\n"
    ))
    .unwrap();
    assert_eq!(config.limits.read_bytes_per_second, Some(ByteSize(100 << 20)));
    assert_eq!(config.limits.min_free, MinFree::Bytes(ByteSize(5_000_000_000)));
}

#[test]
fn a_misspelt_setting_is_named() {
    let message = refusal(&format!("{MINIMAL}\n[limits]\nread_bytes_per_sec = \"1MiB\"\n"));
    assert!(
        message.contains("/etc/maxbrod/agent.toml, line 9: ") && message.contains("read_bytes_per_sec"),
        "{message}"
    );
}

#[test]
fn plain_text_is_refused_beyond_loopback() {
    let message = refusal(&MINIMAL.replace("127.0.0.1", "kafka-1.example"));
    assert!(
        message.contains("insecure") && message.contains("kafka-1.example") && message.contains("https"),
        "{message}"
    );
    assert!(parse(&MINIMAL.replace("127.0.0.1", "[::1]")).is_ok());
    assert!(parse(&MINIMAL.replace("127.0.0.1", "localhost")).is_ok());
}

#[test]
fn plain_text_must_be_asked_for() {
    let message = refusal(&MINIMAL.replace("insecure = true", ""));
    assert!(message.contains("https://"), "{message}");
}

#[test]
fn tls_needs_a_certificate() {
    let message = refusal(&MINIMAL.replace("insecure = true", "").replace("http://", "https://"));
    assert!(
        message.contains("tls") && message.contains("ca, cert and key"),
        "{message}"
    );
}

#[test]
fn a_node_must_be_named_somehow() {
    let message = refusal(&MINIMAL.replace("server_properties = \"/etc/kafka/server.properties\"", "node_id = 1"));
    assert!(
        message.contains("server_properties") && message.contains("log_dirs"),
        "{message}"
    );
}

proptest! {
    #[test]
    fn sizes_survive_being_written(bytes: u64) {
        let size = ByteSize(bytes);
        prop_assert_eq!(size.to_string().parse::<ByteSize>().unwrap(), size);
    }

    #[test]
    fn no_text_breaks_the_parsers(text in ".{0,40}") {
        let _ = text.parse::<ByteSize>();
        let _ = text.parse::<MinFree>();
        let _ = parse(&text);
    }
}
