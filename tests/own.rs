// Included by the build script and by the tests of the support: which servers are the caller's own.

/// What `FUNCIFY_TEST_OWN` may name, and the `cfg` under which the tests that need a server of ours are ignored.
const OWN_SERVERS: [(&str, &str); 4] = [
    ("redis-tls-without-ca", "own_redis_tls"),
    ("redis-cluster", "own_redis_cluster"),
    ("dynamodb", "own_dynamodb"),
    ("ssm", "own_ssm"),
];

/// The `cfg`s of the servers that are named, with spaces between them.
fn own_cfgs(named: &str) -> Result<Vec<&'static str>, String> {
    let cfg = |name: &str| {
        let known = OWN_SERVERS.iter().find(|(known, _)| *known == name);
        known.map(|(_, cfg)| *cfg).ok_or_else(|| format!("FUNCIFY_TEST_OWN names {name:?}"))
    };
    named.split_whitespace().map(cfg).collect()
}
