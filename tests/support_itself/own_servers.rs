use std::collections::BTreeSet;
use std::process::Command;

include!("../own.rs");

/// The tests that need a server of ours or version 0.1, each under its `cfg`.
const IGNORED: [(bool, &[&str]); 5] = [
    (
        cfg!(not(old_version)),
        &[
            "sharing::versions::circuit::f25_two_versions_share_their_circuit_on_dynamodb",
            "sharing::versions::circuit::f25_two_versions_share_their_circuit_on_redis",
            "sharing::versions::circuit::f25_two_versions_share_their_circuit_on_ssm",
            "sharing::versions::token::f25_two_versions_share_their_token_on_dynamodb",
            "sharing::versions::token::f25_two_versions_share_their_token_on_redis",
            "sharing::versions::token::f25_two_versions_share_their_token_on_ssm",
        ],
    ),
    (
        cfg!(own_redis_tls),
        &[
            "redis::rights::a_server_with_an_untrusted_certificate_gets_no_command",
            "servers::redis_with_tls_gives_its_user_the_tests_prefix_only",
        ],
    ),
    (
        cfg!(own_redis_cluster),
        &[
            "redis::cluster::a_node_that_redirects_is_used_once_a_key_over_one_connection",
            "redis::cluster::a_record_is_found_while_its_slot_is_moved",
            "redis::cluster::if_the_first_node_is_down_the_next_one_is_used",
            "redis::cluster::without_cluster_in_the_url_a_redirection_is_a_refusal",
            "servers::the_cluster_is_complete",
        ],
    ),
    (
        cfg!(own_dynamodb),
        &[
            "dynamodb::faults::f01_a_lost_response_is_ambiguous_and_the_same_write_sent_again_is_applied",
            "dynamodb::table::a_table_with_another_key_is_named_with_the_expected_key",
            "dynamodb::table::create_table_creates_the_table_and_accepts_an_existing_one",
            "servers::dynamodb_is_ready",
            "stores::faults::f01_f02_a_lost_response_and_a_lost_request_are_sent_again_on_dynamodb",
            "stores::faults::f06_a_store_that_is_down_is_unavailable_at_once_and_never_ambiguous_on_dynamodb",
            "stores::faults::f07_f08_a_store_that_hangs_or_trickles_runs_into_the_time_limit_on_dynamodb",
            "stores::faults::f10_a_connection_closed_during_a_freeze_costs_no_error_on_dynamodb",
            "token::throttled::f22_a_cold_fleet_on_a_throttled_dynamodb_needs_three_grants_at_most",
        ],
    ),
    (
        cfg!(own_ssm),
        &[
            "servers::ssm_and_kms_are_ready",
            "stores::faults::f01_f02_a_lost_response_and_a_lost_request_are_sent_again_on_ssm",
            "stores::faults::f06_a_store_that_is_down_is_unavailable_at_once_and_never_ambiguous_on_ssm",
            "stores::faults::f07_f08_a_store_that_hangs_or_trickles_runs_into_the_time_limit_on_ssm",
            "stores::faults::f10_a_connection_closed_during_a_freeze_costs_no_error_on_ssm",
            "stores::sealed::on_ssm_each_version_is_a_secure_string_with_the_configured_key",
            "token::throttled::f22_a_cold_fleet_on_a_throttled_ssm_needs_three_grants_at_most",
            "token::throttled::f22_a_fleet_that_starts_over_a_minute_on_a_throttled_ssm_needs_one_grant",
        ],
    ),
];

#[test]
fn exactly_the_tests_that_need_what_is_not_there_are_ignored() {
    let this = std::env::current_exe().unwrap();
    let listed = Command::new(this).args(["--list", "--ignored", "--format", "terse"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let ignored: BTreeSet<_> =
        listed.lines().filter_map(|line| line.strip_suffix(": test")).collect();

    let own = IGNORED.iter().filter(|(is_own, _)| *is_own);
    assert_eq!(ignored, own.flat_map(|(_, tests)| tests.iter().copied()).collect());
}

#[test]
fn a_server_that_nobody_knows_fails_the_build() {
    assert_eq!(own_cfgs(""), Ok(vec![]));
    assert_eq!(own_cfgs("ssm  redis-cluster"), Ok(vec!["own_ssm", "own_redis_cluster"]));
    assert_eq!(own_cfgs("ssm mongodb").unwrap_err(), r#"FUNCIFY_TEST_OWN names "mongodb""#);
}

#[test]
fn tests_run_names_the_servers_that_the_caller_has_named() {
    let names = |servers: &[(&str, &str)]| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/run.d/own.sh");
        let mut bash = Command::new("bash");
        bash.args(["-c", "source \"$1\" && own_servers", "bash", script]);
        bash.env_clear().envs(servers.iter().copied());
        bash.env("PATH", std::env::var_os("PATH").unwrap());
        let names = String::from_utf8(bash.output().unwrap().stdout).unwrap();
        assert_eq!(own_cfgs(&names).unwrap().len(), names.split_whitespace().count());
        names
    };
    assert_eq!(names(&[]), "");
    // Nothing that a test does harms a plain Redis, or one whose authority is known.
    assert_eq!(names(&[("FUNCIFY_TEST_REDIS", "redis://redis")]), "");
    assert_eq!(names(&[("FUNCIFY_TEST_REDIS_TLS", "rediss://redis?prefix=a&ca=ca.pem")]), "");
    let all = [
        ("FUNCIFY_TEST_REDIS_TLS", "rediss://redis"),
        ("FUNCIFY_TEST_REDIS_CLUSTER", "redis-cluster://redis"),
        ("FUNCIFY_TEST_DYNAMODB", "dynamodb://fleet"),
        ("FUNCIFY_TEST_SSM", "ssm:///fleet"),
    ];
    assert_eq!(names(&all), "redis-tls-without-ca redis-cluster dynamodb ssm");
}
