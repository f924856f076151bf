use proptest::prelude::*;

use super::*;

#[test]
fn properties_are_read_as_java_reads_them() {
    let text = "# comment\n! another\n\nplain=value\n spaced : two words \nbare\nlong=a,\\\n    b\npath=C:\\\\kafka\nu\\u0041=\\tx\nkey\\ with\\=signs=1\nplain=later\n";
    let properties = Properties::parse(text);
    let get = |key| properties.get(key);
    assert_eq!(get("plain"), Some("later"));
    assert_eq!(get("spaced"), Some("two words "));
    assert_eq!(get("bare"), Some(""));
    assert_eq!(get("long"), Some("a,b"));
    assert_eq!(get("path"), Some("C:\\kafka"));
    assert_eq!(get("uA"), Some("\tx"));
    assert_eq!(get("key with=signs"), Some("1"));
}

#[test]
fn a_servers_settings_have_kafkas_defaults() {
    let text = "process.roles=broker, controller\nnode.id=3\nlog.dirs= /a , /b\ncontroller.quorum.voters=3@h:1\n";
    let server = ServerProperties::parse(text).unwrap();
    assert_eq!(
        (server.node_id, server.roles.as_slice()),
        (NodeId(3), [Role::Broker, Role::Controller].as_slice())
    );
    assert_eq!(
        (server.log_dirs, server.metadata_log_dir),
        (vec!["/a".to_owned(), "/b".to_owned()], "/a".to_owned())
    );
    assert_eq!((server.segment_bytes, server.index_interval_bytes), (1 << 30, 4_096));
}

#[test]
fn what_is_missing_is_named() {
    let error = |text| ServerProperties::parse(text).unwrap_err().to_string();
    assert_eq!(error("process.roles=broker\nnode.id=1\n"), "log.dirs is not set");
    assert_eq!(error("process.roles=broker\nlog.dirs=/a\n"), "node.id is not set");
    assert_eq!(
        error("process.roles=broker\nnode.id=1\nlog.dirs= , \n"),
        "log.dirs is not set"
    );
    assert_eq!(error("node.id=1\nlog.dirs=/a\n"), "process.roles is not set");
    assert_eq!(
        error("process.roles=broker\nnode.id=-1\nlog.dirs=/a\n"),
        "node.id is \"-1\", which is not a node's id: those are not negative"
    );
    assert_eq!(
        error("process.roles=broker\nnode.id=1\nlog.dirs=/a\nlog.segment.bytes=1GiB\n"),
        "log.segment.bytes is \"1GiB\", which is not a number that is not negative"
    );
    assert_eq!(
        error("process.roles=zookeeper\nnode.id=1\nlog.dirs=/a\n"),
        "process.roles is \"zookeeper\", which is not broker or controller"
    );
    assert_eq!(
        error("process.roles=broker\nnode.id=one\nlog.dirs=/a\n"),
        "node.id is \"one\", which is not a number"
    );
    let error = |text| MetaProperties::parse(text).unwrap_err().to_string();
    assert_eq!(error("version=0\nbroker.id=1\n"), "version is \"0\", which is not 1");
    assert_eq!(error("version=1\nnode.id=1\n"), "cluster.id is not set");
    assert_eq!(error("version=1\ncluster.id=c\n"), "node.id is not set");
    assert_eq!(
        error("version=1\ncluster.id=c\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n"),
        "directory.id is \"AAAAAAAAAAAAAAAAAAAAAQ\", which is not the Kafka UUID of a log dir"
    );
}

#[test]
fn lines_end_as_java_ends_them() {
    let properties = Properties::parse("a=1\r\nb=2\rc=long\\\r\n   er\n# no \\\nd=4\\");
    let settings: Vec<_> = properties.iter().collect();
    assert_eq!(settings, [("a", "1"), ("b", "2"), ("c", "longer"), ("d", "4")]);
}

#[test]
fn bytes_that_are_no_utf8_are_latin_1() {
    let properties = Properties::from_bytes(b"# caf\xe9\nlog.dirs=/donn\xe9es\n");
    assert_eq!(properties.get("log.dirs"), Some("/données"));
}

#[test]
fn settings_are_written_as_java_reads_them() {
    let settings = [
        (" a key", " two  words "),
        ("path", "C:\\x"),
        ("smile", "é😀"),
        ("#", "a=b\n"),
    ];
    let text = Properties::from_iter(settings).render();
    let expected = "\\ a\\ key=\\ two  words \n\\#=a\\=b\\n\npath=C\\:\\\\x\nsmile=\\u00E9\\uD83D\\uDE00\n";
    assert_eq!(text, expected);
}

#[test]
fn all_settings_of_a_server_are_read() {
    let server = ServerProperties::parse(
        "process.roles=controller\nbroker.id=7\nlog.dir=/a\nmetadata.log.dir=/m\nlog.segment.bytes=1048576\n\
         log.index.interval.bytes=300\nlog.index.size.max.bytes=80\nlog.preallocate=True\n\
         controller.quorum.voters=1@a:9093, 2@b:9093\ncontroller.quorum.bootstrap.servers=a:9093,b:9093\n",
    )
    .unwrap();
    let expected = ServerProperties {
        node_id: NodeId(7),
        roles: vec![Role::Controller],
        log_dirs: vec!["/a".to_owned()],
        metadata_log_dir: "/m".to_owned(),
        controller_quorum_voters: "1@a:9093, 2@b:9093".to_owned(),
        controller_quorum_bootstrap_servers: vec!["a:9093".to_owned(), "b:9093".to_owned()],
        segment_bytes: 1 << 20,
        index_interval_bytes: 300,
        segment_index_bytes: 80,
        preallocate: true,
    };
    assert_eq!(server.static_voters(), Ok(vec![NodeId(1), NodeId(2)]));
    assert_eq!(server, expected);
}

#[test]
fn a_value_from_elsewhere_is_not_taken_for_a_path() {
    let text = "process.roles=broker\nnode.id=1\nlog.dirs=${env:LOG_DIRS}\n";
    assert_eq!(ServerProperties::parse(text).unwrap().log_dirs, ["${env:LOG_DIRS}"]);
    let error = ServerProperties::parse(&format!("{text}config.providers=env\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "log.dirs is \"${env:LOG_DIRS}\", which is not a plain value: Kafka's config providers are not asked"
    );
}

#[test]
fn a_cluster_id_cannot_add_settings_to_meta_properties() {
    let meta = MetaProperties {
        cluster_id: ClusterId("a\\b\nnode.id=9".to_owned()),
        node_id: NodeId(1),
        directory_id: None,
    };
    assert_eq!(MetaProperties::parse(&meta.render()), Ok(meta));
}

proptest! {
    #[test]
    fn settings_read_back_as_written(settings: std::collections::BTreeMap<String, String>) {
        let properties = Properties::from_iter(settings);
        prop_assert_eq!(Properties::parse(&properties.render()), properties);
    }

    #[test]
    fn meta_properties_read_back_as_written(cluster in "[^\\s](.*[^\\s])?", node in 0i32.., directory: Option<[u8; 16]>) {
        let meta = MetaProperties {
            cluster_id: ClusterId(cluster),
            node_id: NodeId(node),
            directory_id: directory.map(|bytes| DirectoryId(crate::ids::Uuid(bytes))),
        };
        prop_assert_eq!(MetaProperties::parse(&meta.render()), Ok(meta));
    }

    #[test]
    fn garbage_never_panics(text: String) {
        let _ = (Properties::parse(&text), MetaProperties::parse(&text), ServerProperties::parse(&text));
    }
}
