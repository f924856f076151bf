use super::*;

#[test]
fn a_brokers_changes_add_up() {
    let mut image = replay([broker(1).into()]);
    assert!(image.broker(NodeId(1)).unwrap().fenced, "until it is unfenced");
    more(
        &mut image,
        [BrokerRegistrationChangeRecord {
            fenced: -1,
            ..broker_change()
        }
        .into()],
    );
    more(
        &mut image,
        [BrokerRegistrationChangeRecord {
            in_controlled_shutdown: 1,
            ..broker_change()
        }
        .into()],
    );
    let here = image.broker(NodeId(1)).unwrap();
    assert_eq!(
        (here.fenced, here.in_controlled_shutdown, here.version),
        (false, true, 1)
    );
    more(
        &mut image,
        [BrokerRegistrationChangeRecord {
            log_dirs: vec![ROOM],
            ..broker_change()
        }
        .into()],
    );
    more(
        &mut image,
        [BrokerRegistrationChangeRecord {
            cordoned_log_dirs: Some(vec![]),
            ..broker_change()
        }
        .into()],
    );
    let here = image.broker(NodeId(1)).unwrap();
    assert_eq!(
        (&here.log_dirs[..], here.cordoned_log_dirs.as_deref(), here.version),
        (&[ROOM][..], Some(&[][..]), 4)
    );
}

#[test]
fn fencing_needs_the_epoch_of_the_registration() {
    let mut image = replay([broker(1).into()]);
    let unfence = |epoch| UnfenceBrokerRecord {
        id: NodeId(1),
        epoch: BrokerEpoch(epoch),
        ..Default::default()
    };
    more(&mut image, [unfence(40).into()]);
    assert!(!image.broker(NodeId(1)).unwrap().fenced);
    assert_eq!(refuse(&mut image, unfence(41)).code(), "metadata-broker-epoch");
    let fence = FenceBrokerRecord {
        id: NodeId(1),
        epoch: BrokerEpoch(40),
        ..Default::default()
    };
    more(&mut image, [fence.clone().into()]);
    assert!(image.broker(NodeId(1)).unwrap().fenced);
    let gone = UnregisterBrokerRecord {
        broker_id: NodeId(1),
        ..Default::default()
    };
    more(&mut image, [gone.into()]);
    assert_eq!(refuse(&mut image, fence).code(), "metadata-no-broker");
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let mut image = replay([broker(1).into()]);
    assert_eq!(
        refuse(
            &mut image,
            BrokerRegistrationChangeRecord {
                fenced: 2,
                ..broker_change()
            }
        )
        .code(),
        "metadata-bad-value"
    );
    let mut image = orders();
    assert_eq!(
        refuse(
            &mut image,
            PartitionChangeRecord {
                leader_recovery_state: 5,
                ..change()
            }
        )
        .code(),
        "metadata-bad-value"
    );
}

#[test]
fn a_feature_at_level_0_is_gone() {
    let mut image = replay([
        feature(METADATA_VERSION, 30),
        feature("group.version", 1),
        feature("share.version", 1),
    ]);
    more(&mut image, [feature("group.version", 0)]);
    assert_eq!(
        image.features().collect::<Vec<_>>(),
        [("metadata.version", 30), ("share.version", 1)]
    );
}

#[test]
fn quotas_are_kept_by_target_and_key() {
    let quota = |user: Option<&str>, key: &str, value: f64, remove| ClientQuotaRecord {
        entity: vec![QuotaEntity {
            entity_type: "user".into(),
            entity_name: user.map(Into::into),
            ..Default::default()
        }],
        key: key.into(),
        value,
        remove,
        ..ClientQuotaRecord::default()
    };
    let mut image = replay([
        quota(Some("max"), "producer_byte_rate", 10.0, false).into(),
        quota(Some("max"), "consumer_byte_rate", 20.0, false).into(),
        quota(None, "producer_byte_rate", 30.0, false).into(),
        quota(Some("max"), "producer_byte_rate", 40.0, false).into(),
    ]);
    assert_eq!(
        image.quotas().map(|quota| quota.value).collect::<Vec<_>>(),
        [30.0, 20.0, 40.0]
    );
    more(&mut image, [quota(Some("max"), "consumer_byte_rate", 0.0, true).into()]);
    more(&mut image, [quota(Some("max"), "producer_byte_rate", 0.0, true).into()]);
    assert_eq!((image.quotas().count(), image.quotas.len()), (1, 1));
}

#[test]
fn credentials_acls_and_tokens_come_and_go() {
    let acl = AccessControlEntryRecord {
        id: Uuid([5; 16]),
        ..Default::default()
    };
    let scram = UserScramCredentialRecord {
        name: "max".into(),
        mechanism: 1,
        ..Default::default()
    };
    let token = DelegationTokenRecord {
        token_id: "t".into(),
        ..Default::default()
    };
    let mut image = replay([acl.into(), scram.into(), token.into()]);
    let there = |image: &MetadataImage| {
        (
            image.acls().count(),
            image.scram_credentials().count(),
            image.delegation_tokens().count(),
        )
    };
    assert_eq!(there(&image), (1, 1, 1));
    let no_acl = RemoveAccessControlEntryRecord {
        id: Uuid([5; 16]),
        ..Default::default()
    };
    let other_mechanism = RemoveUserScramCredentialRecord {
        name: "max".into(),
        mechanism: 2,
        ..Default::default()
    };
    let no_token = RemoveDelegationTokenRecord {
        token_id: "t".into(),
        ..Default::default()
    };
    more(
        &mut image,
        [no_acl.clone().into(), other_mechanism.into(), no_token.into()],
    );
    assert_eq!(there(&image), (0, 1, 0));
    assert_eq!(refuse(&mut image, no_acl).code(), "metadata-no-acl");
}

#[test]
fn a_snapshot_does_not_say_who_got_the_last_producer_ids() {
    let block = ProducerIdsRecord {
        broker_id: NodeId(2),
        broker_epoch: BrokerEpoch(7),
        next_producer_id: ProducerId(3000),
        ..Default::default()
    };
    let mut image = replay([block.into()]);
    image.raise_next_producer_id(ProducerId(2000));
    assert_eq!(image.next_producer_id(), Some(ProducerId(3000)));
    image.raise_next_producer_id(ProducerId(5000));
    let [MetadataRecord::ProducerIds(written)] = &image.to_records().collect::<Vec<_>>()[..] else {
        panic!()
    };
    assert_eq!(
        (written.broker_id, written.broker_epoch, written.next_producer_id),
        (NodeId(-1), BrokerEpoch(-1), ProducerId(5000))
    );
}
