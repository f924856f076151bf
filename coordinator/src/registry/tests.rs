use bytes::Bytes;

use super::*;

fn hello(node: i32, incarnation: u8) -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        cluster_id: "cluster".to_owned(),
        node_id: node,
        roles: vec![Role::Broker.into(), Role::Controller.into()],
        incarnation: Bytes::from(vec![incarnation; 16]),
        ..Hello::default()
    }
}

#[test]
fn two_live_agents_with_one_node_id_are_told_apart() {
    let mut registry = Registry::new(7);
    let first = registry.admit("cluster", hello(1, 1), 0).unwrap();
    let refused = registry.admit("cluster", hello(1, 2), 0).unwrap_err();
    assert_eq!(refused, Refusal::TwoAgents { node: NodeId(1) });
    assert!(registry.session(first).is_some());
    assert!(registry.end(first, 5));
    assert!(registry.admit("cluster", hello(1, 2), 6).is_ok());
}

#[test]
fn an_agent_that_reconnects_takes_its_own_session_over() {
    let mut registry = Registry::new(7);
    let first = registry.admit("cluster", hello(1, 1), 0).unwrap();
    let second = registry.admit("cluster", hello(1, 1), 1).unwrap();
    assert!(registry.session(first).is_none());
    assert!(
        !registry.end(first, 2),
        "the end of the old connection must not end the new session"
    );
    assert!(registry.session(second).is_some());
}

#[test]
fn foreign_clusters_and_protocols_are_refused_with_a_remedy() {
    let mut registry = Registry::new(7);
    let foreign = registry.admit("another", hello(1, 1), 0).unwrap_err();
    assert_eq!(foreign.code(), "agent-foreign-cluster");
    assert!(
        foreign.to_string().contains("point it to that cluster's coordinator"),
        "{foreign}"
    );
    let newer = Hello {
        protocol_version: PROTOCOL_VERSION + 1,
        ..hello(1, 1)
    };
    assert_eq!(
        registry.admit("cluster", newer, 0).unwrap_err().code(),
        "agent-protocol-version"
    );
    let nameless = Hello {
        incarnation: Bytes::new(),
        ..hello(1, 1)
    };
    assert_eq!(
        registry.admit("cluster", nameless, 0).unwrap_err().code(),
        "agent-hello-malformed"
    );
}

#[test]
fn sessions_of_another_term_have_other_numbers() {
    let old = Registry::new(1).admit("cluster", hello(1, 1), 0).unwrap();
    let new = Registry::new(2).admit("cluster", hello(1, 1), 0).unwrap();
    assert_ne!(old, new);
}
