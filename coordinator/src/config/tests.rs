use super::*;

fn read(text: &str) -> Result<Config, String> {
    let config = Config::parse(text, Path::new("coordinator.toml")).map_err(|error| error.to_string())?;
    config.check().map_err(|error| error.code().to_owned())?;
    Ok(config)
}

const LEAST: &str = "repository = \"file:///backup\"\nstate_dir = \"/var/lib/c\"\n";

#[test]
fn the_least_configuration_is_refused_without_tls() {
    assert_eq!(read(LEAST).unwrap_err(), "config-no-tls");
}

#[test]
fn plain_text_is_for_loopback_only() {
    assert_eq!(
        read(&format!("{LEAST}insecure = true\n")).unwrap_err(),
        "config-insecure-beyond-loopback"
    );
    let config = read(&format!("{LEAST}insecure = true\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    assert_eq!(config.snapshot.require, Require::All);
    assert_eq!(config.snapshot.every, None);
    let wide = format!("{LEAST}insecure = true\nlisten = \"127.0.0.1:0\"\nhttp_listen = \"0.0.0.0:7421\"\n");
    assert_eq!(read(&wide).unwrap_err(), "config-insecure-beyond-loopback");
}

#[test]
fn every_documented_setting_is_read() {
    let config = read(
        r#"
        listen = "0.0.0.0:7420"
        http_listen = "127.0.0.1:7421"
        repository = "s3://bucket/prefix"
        state_dir = "/var/lib/maxbrod-coordinator"
        cluster_id = "4L6g3nShT-eMCtK--X86sw"
        identity = "/etc/maxbrod/coordinator.key"
        [snapshot]
        every = "15m"
        require = "one-replica"
        [retention]
        last = 10
        hourly = 24
        daily = 7
        monthly = 12
        [tls]
        ca = "ca.pem"
        cert = "cert.pem"
        key = "key.pem"
        "#,
    )
    .unwrap();
    assert_eq!(config.snapshot.every, Some(Duration::from_secs(900)));
    assert_eq!(config.snapshot.require, Require::OneReplica);
    assert_eq!(config.retention.last, Some(10));
    assert!(config.tls.is_some());
}

#[test]
fn unknown_settings_and_bad_durations_are_named() {
    let unknown = read(&format!("{LEAST}snapshots = 3\n")).unwrap_err();
    assert!(
        unknown.contains("snapshots") && unknown.contains("coordinator.toml, line 3: "),
        "{unknown}"
    );
    for bad in ["15", "m", "0s", "-1m", "15 m", "99999999999999999999d"] {
        let error = read(&format!("{LEAST}[snapshot]\nevery = {bad:?}\n")).unwrap_err();
        assert!(error.contains("no duration"), "{bad}: {error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Config::load(Path::new("/nonexistent/coordinator.toml")).unwrap_err();
    assert_eq!(error.code(), "config-unreadable");
    assert!(error.to_string().contains("/nonexistent/coordinator.toml"));
}
