//! The advice for each failure.

use funcify::{StoreError, StoreErrorKind, error_chain};

/// The advice: for a store, a text that the error contains, and what to do. The first row that matches
/// counts. `RIGHT` is replaced by the right that was tried, and `BACKEND` by the name of the store.
const TABLE: &[(&str, &str, &str)] = &[
    // Redis.
    (
        "redis",
        "WRONGPASS",
        "User or password is wrong: check both in the URL, with %-escapes for special characters.",
    ),
    ("redis", "NOAUTH", "The server needs a password: redis://user:password@host."),
    (
        "redis",
        "without any password configured",
        "The server has no password: take it out of the URL.",
    ),
    (
        "redis",
        "No permissions to access a key",
        "The user may not touch keys of this prefix: add ~PREFIX:* to its ACL, or set the option prefix to the one it has.",
    ),
    (
        "redis",
        "no permissions to access one of the keys",
        "The user may not touch keys of this prefix: add ~PREFIX:* to its ACL, or set the option prefix to the one it has.",
    ),
    (
        "redis",
        "NOPERM",
        "The user lacks a right: ACL SETUSER name RIGHT. deploy/redis.acl has those of a function, deploy/operator-redis.acl those of an operator.",
    ),
    (
        "redis",
        "user executing the script can't",
        "The user lacks a right that the script needs: see deploy/redis.acl.",
    ),
    (
        "redis",
        "DB index is out of range",
        "There is no database of this number: take the path out of the URL, or use a smaller one.",
    ),
    (
        "redis",
        "SELECT is not allowed in cluster mode",
        "A cluster has only database 0: take the path out of the URL.",
    ),
    (
        "redis",
        "MOVED",
        "This is a node of a cluster: use redis-cluster:// (with TLS rediss-cluster://).",
    ),
    (
        "redis",
        "cluster support disabled",
        "This is a single node: functions work with it, but say redis:// instead of redis-cluster://.",
    ),
    (
        "redis",
        "READONLY",
        "This is a replica: name the primary, or the primary endpoint of the cache.",
    ),
    (
        "redis",
        "UnknownIssuer",
        "The certificate is signed by an authority that is not trusted: add ca=PATH with its PEM file to the URL.",
    ),
    ("redis", "NotValidForName", "The certificate is for another name: use the host name in it."),
    ("redis", "Expired", "The certificate has expired, or the clock of this machine is wrong."),
    (
        "redis",
        "InvalidContentType",
        "The server does not speak TLS at this port: use redis://, or the port for TLS.",
    ),
    (
        "redis",
        "CertificateRequired",
        "The server wants a certificate of the client: add cert=PATH and key=PATH.",
    ),
    (
        "redis",
        "Connection refused",
        "Nothing listens there: check host and port, and that the server runs.",
    ),
    (
        "redis",
        "failed to lookup address",
        "There is no such host: check its name, and whether this network can resolve it.",
    ),
    (
        "redis",
        "no connection was opened within",
        "The host does not answer: check address, security group and subnet. If the server does not speak TLS at this port, use redis:// instead of rediss://. If it is far away, raise the option timeout.",
    ),
    (
        "redis",
        "connection ended before the response",
        "The server hung up: if it expects TLS, use rediss:// instead of redis://.",
    ),
    (
        "redis",
        "Connection reset by peer",
        "The server hung up: if it expects TLS, use rediss:// instead of redis://.",
    ),
    (
        "redis",
        "no response arrived within",
        "The server does not answer at this port: if it expects TLS, use rediss://; if it is far away, raise the option timeout.",
    ),
    // Both AWS stores. These come before the rows of a single store.
    (
        "aws",
        "no credentials found in chain",
        "There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
    ),
    (
        "aws",
        "CredentialsNotLoaded",
        "There are no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role.",
    ),
    (
        "aws",
        "ExpiredToken",
        "The AWS credentials have expired: sign in again (aws sso login) or renew them.",
    ),
    (
        "aws",
        "UnrecognizedClientException",
        "AWS does not know these credentials: check the access key, and the account and region it belongs to.",
    ),
    (
        "aws",
        "InvalidClientTokenId",
        "AWS does not know these credentials: check the access key, and the account and region it belongs to.",
    ),
    (
        "aws",
        "Signature expired",
        "The clock of this machine is wrong: set it (NTP). AWS accepts five minutes.",
    ),
    (
        "aws",
        "Signature not yet current",
        "The clock of this machine is wrong: set it (NTP). AWS accepts five minutes.",
    ),
    (
        "aws",
        "InvalidSignatureException",
        "The secret access key does not belong to the access key: check both.",
    ),
    (
        "aws",
        "kms:",
        "The identity may not use the KMS key: allow kms:Encrypt, kms:Decrypt and for the advanced tier kms:GenerateDataKey on it, in its policy and in the key's.",
    ),
    (
        "aws",
        "InvalidKeyId",
        "There is no such KMS key in this region, or it is disabled: check the option kms_key.",
    ),
    (
        "aws",
        "AccessDenied",
        "The identity lacks RIGHT: allow it as in deploy/BACKEND.json, or for an operator deploy/operator-BACKEND.json.",
    ),
    (
        "dynamodb",
        "there is no table",
        "Create the table with `funcify doctor --create`, or check its name and the region.",
    ),
    (
        "dynamodb",
        "must have the string partition key",
        "The table has another key: name it in the URL (pk, sk and sk_value), or use a table of its own.",
    ),
    (
        "dynamodb",
        "does not expire items",
        "Turn time to live on for the attribute ttl: `funcify doctor --create` does it.",
    ),
    (
        "ssm",
        "HierarchyLevelLimitExceeded",
        "The path has too many levels: 15 at most with the kind and the name.",
    ),
    (
        "ssm",
        "ParameterLimitExceeded",
        "The account has too many parameters: delete some, or use the advanced tier.",
    ),
    (
        "aws",
        "dispatch failure",
        "AWS cannot be reached: check the region, the endpoint and the network (VPC endpoint, NAT).",
    ),
    (
        "aws",
        "no readable response",
        "AWS cannot be reached: check the region, the endpoint and the network (VPC endpoint, NAT).",
    ),
    (
        "aws",
        "not sent",
        "AWS cannot be reached: check the region, the endpoint and the network (VPC endpoint, NAT).",
    ),
    (
        "aws",
        "no response arrived within",
        "AWS does not answer in time: check the network. If the region is far away, raise the option timeout.",
    ),
];

pub(super) fn of(backend: &str, right: &str, error: &StoreError) -> String {
    let chain = error_chain(error);
    let is_aws = matches!(backend, "dynamodb" | "ssm");
    let fits = |(store, part, _): &&(&str, &str, &str)| {
        (*store == backend || (*store == "aws" && is_aws)) && chain.contains(part)
    };
    let found = TABLE.iter().find(fits).map(|(_, _, to_do)| *to_do);
    found
        .unwrap_or_else(|| general(error.kind()))
        .replace("RIGHT", right)
        .replace("BACKEND", backend)
}

fn general(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::Denied => "The identity lacks RIGHT: see deploy/ in the repository.",
        StoreErrorKind::Throttled => {
            "The store has too many requests: wait some seconds and try again."
        }
        StoreErrorKind::Invalid => {
            "The store cannot accept this: check the name of the table, path or database."
        }
        _ => "The store cannot be reached: check host, port and network.",
    }
}
