//! ACLs, SCRAM credentials and delegation tokens.

use bytes::Bytes;

use crate::ids::Uuid;

message! {
    /// An ACL was created.
    pub struct AccessControlEntryRecord: versions 0..=0, flexible 0 {
        /// Its id.
        id: Uuid;
        /// The code of the resource's type.
        resource_type: i8;
        /// The resource.
        resource_name: String;
        /// 3 literal, 4 prefixed.
        pattern_type: i8;
        /// Who.
        principal: String;
        /// From where; `*` for anywhere.
        host: String;
        /// The code of the operation.
        operation: i8;
        /// 2 deny, 3 allow.
        permission_type: i8;
    }

    /// An ACL was removed.
    pub struct RemoveAccessControlEntryRecord: versions 0..=0, flexible 0 {
        /// Its id.
        id: Uuid;
    }

    /// A user's SCRAM credential was set.
    pub struct UserScramCredentialRecord: versions 0..=0, flexible 0 {
        /// The user.
        name: String;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8;
        /// Random, chosen by the client.
        salt: Bytes;
        /// What the server checks the client with.
        stored_key: Bytes;
        /// What the client checks the server with.
        server_key: Bytes;
        /// Iterations of the hash.
        iterations: i32;
    }

    /// A user's SCRAM credential was removed.
    pub struct RemoveUserScramCredentialRecord: versions 0..=0, flexible 0 {
        /// The user.
        name: String;
        /// 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
        mechanism: i8;
    }

    /// A delegation token was created or renewed.
    pub struct DelegationTokenRecord: versions 0..=0, flexible 0 {
        /// The principal that owns it.
        owner: String;
        /// The principal that asked for it.
        requester: String;
        /// The principals that may renew it.
        renewers: Vec<String>;
        /// Milliseconds since the epoch.
        issue_timestamp: i64;
        /// Renewals end here, milliseconds since the epoch.
        max_timestamp: i64;
        /// Unless renewed it ends here, milliseconds since the epoch.
        expiration_timestamp: i64;
        /// Its id.
        token_id: String;
    }

    /// A delegation token was removed.
    pub struct RemoveDelegationTokenRecord: versions 0..=0, flexible 0 {
        /// Its id.
        token_id: String;
    }
}
