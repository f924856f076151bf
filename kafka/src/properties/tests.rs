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
        error("process.roles=broker\nnode.id=one\nlog.dirs=/a\n"),
        "node.id is \"one\", which is not a number"
    );
    let error = |text| MetaProperties::parse(text).unwrap_err().to_string();
    assert_eq!(error("version=0\nbroker.id=1\n"), "version is \"0\", which is not 1");
    assert_eq!(error("version=1\nnode.id=1\n"), "cluster.id is not set");
}

proptest! {
    #[test]
    fn meta_properties_read_back_as_written(cluster in "[a-zA-Z0-9_-]{22}", node in 0i32.., directory: Option<[u8; 16]>) {
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
