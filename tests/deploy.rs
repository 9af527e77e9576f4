//! The policies that a user deploys: a function reaches the records of its own prefix, and its token is sealed.

use std::collections::BTreeSet;

use funcify::CircuitPolicy;
use funcify_core::engine::metrics::METRICS;
use serde_json::{Value, json};

const DYNAMODB: &str = include_str!("../deploy/dynamodb.json");
const SSM: &str = include_str!("../deploy/ssm.json");
const REDIS: &str = include_str!("../deploy/redis.acl");
const TEMPLATE: &str = include_str!("../deploy/template.yaml");

fn statement(policy: &str) -> Value {
    serde_json::from_str::<Value>(policy).unwrap()["Statement"][0].clone()
}

#[test]
fn each_policy_reaches_the_records_of_one_prefix_only() {
    let dynamodb = statement(DYNAMODB);
    assert_eq!(dynamodb["Action"], json!(["dynamodb:GetItem", "dynamodb:PutItem"]));
    // `ForAllValues` alone is true of a request without keys.
    let condition = json!({
        "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["PREFIX:*"] },
        "Null": { "dynamodb:LeadingKeys": "false" },
    });
    assert_eq!(dynamodb["Condition"], condition);

    let ssm = statement(SSM);
    assert_eq!(ssm["Action"], json!(["ssm:GetParameter", "ssm:PutParameter"]));
    assert_eq!(ssm["Resource"], "arn:aws:ssm:REGION:ACCOUNT:parameter/PATH/*");

    let words: Vec<_> = REDIS.split_whitespace().collect();
    let keys: Vec<_> = words.iter().filter(|word| word.starts_with(['~', '%'])).collect();
    assert_eq!(keys, [&"~PREFIX:*"]);
    assert!(words.contains(&"resetkeys") && words.contains(&"-@all"), "{REDIS}");
}

#[test]
fn an_operator_may_list_in_addition_to_what_a_function_may_do_and_delete_nothing() {
    for (function, operator, lists) in [
        (DYNAMODB, include_str!("../deploy/operator-dynamodb.json"), "dynamodb:Scan"),
        (SSM, include_str!("../deploy/operator-ssm.json"), "ssm:GetParametersByPath"),
    ] {
        let operator = serde_json::from_str::<Value>(operator).unwrap();
        let function = serde_json::from_str::<Value>(function).unwrap();
        let statements = operator["Statement"].as_array().unwrap();
        for statement in function["Statement"].as_array().unwrap() {
            assert!(statements.contains(statement), "{statement}");
        }
        let actions =
            statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
        let actions: Vec<_> = actions.map(|action| action.as_str().unwrap()).collect();
        assert!(actions.contains(&lists), "{actions:?}");
        assert!(!actions.iter().any(|action| action.contains("Delete") || action.contains('*')));
    }
    let words = |acl: &'static str| acl.split_whitespace().skip(2).collect::<Vec<_>>();
    let operator = words(include_str!("../deploy/operator-redis.acl"));
    assert!(words(REDIS).iter().all(|word| operator.contains(word)), "{operator:?}");
    assert!(operator.contains(&"+scan") && operator.contains(&"+cluster|slots"), "{operator:?}");
}

/// The lines of the template that begin so, each once.
fn lines(start: &str) -> BTreeSet<&'static str> {
    TEMPLATE.lines().map(str::trim).filter(|line| line.starts_with(start)).collect()
}

#[test]
fn the_template_seals_the_token_and_names_one_prefix_in_the_url_and_in_the_policies() {
    let prefixes: BTreeSet<_> =
        TEMPLATE.split("prefix=").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(prefixes.len(), 1, "{prefixes:?}");
    let prefix = prefixes.first().unwrap();
    let expected = format!(r#"dynamodb:LeadingKeys: ["{prefix}:*"]"#);
    assert_eq!(lines("dynamodb:LeadingKeys: ["), BTreeSet::from([expected.as_str()]));
    let expected = r#"dynamodb:LeadingKeys: "false""#;
    assert_eq!(lines("dynamodb:LeadingKeys: \""), BTreeSet::from([expected]));
    for start in ["dynamodb:LeadingKeys: [", "dynamodb:LeadingKeys: \""] {
        let count = TEMPLATE.lines().filter(|line| line.trim().starts_with(start)).count();
        assert_eq!(count, 2, "of the function and of the operator: {start}");
    }
    assert!(TEMPLATE.contains("FUNCIFY_SEAL_KEYS: !Sub \"{{resolve:secretsmanager:"));
    assert!(TEMPLATE.contains("FUNCIFY_CLIENT_SECRET: !Sub \"secretsmanager://"));
}

#[test]
fn each_alarm_looks_at_a_metric_that_is_written_and_names_a_paragraph_that_is_there() {
    let page = include_str!("../docs/operations.md");
    for line in lines("MetricName: funcify.") {
        let name = line.trim_start_matches("MetricName: ");
        let is_known = METRICS.iter().any(|metric| {
            // What happened is a part of the name in the lines for CloudWatch.
            name == metric.name || name.starts_with(&format!("{}.", metric.name))
        });
        assert!(is_known, "{name}");
    }
    let alarms = TEMPLATE.matches("Type: AWS::CloudWatch::Alarm").count();
    let named: Vec<_> = TEMPLATE.split("docs/operations.md, \"").skip(1).collect();
    assert_eq!(named.len(), alarms, "each alarm names its paragraph");
    for paragraph in named {
        let paragraph = paragraph.split('"').next().unwrap();
        assert!(page.contains(&format!("\n## {paragraph}")), "{paragraph}");
    }
}

/// An open circuit makes messages fail, and each time counts.
#[test]
fn a_message_outlives_the_longest_open_duration_of_the_examples_circuits() {
    let number = |start: &str| -> u64 {
        let lines: Vec<_> = lines(start).into_iter().collect();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].trim_start_matches(start).trim().parse().unwrap()
    };
    let open = CircuitPolicy::for_token_endpoint().max_open_duration.as_secs();
    let lives = number("maxReceiveCount:") * number("VisibilityTimeout:");
    assert!(lives >= 2 * open, "{lives} s and {open} s");
    assert!(number("VisibilityTimeout:") >= 6 * number("Timeout:"));
}
