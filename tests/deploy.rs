//! The policies that a user deploys: a function reaches the records of its own prefix, and its token is sealed.

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

#[test]
fn the_template_seals_the_token_and_names_one_prefix_in_the_url_and_in_the_policy() {
    let line = |start: &str| {
        let lines: Vec<_> =
            TEMPLATE.lines().map(str::trim).filter(|line| line.starts_with(start)).collect();
        assert_eq!(lines.len(), 1, "{start}: {lines:?}");
        lines[0].to_owned()
    };
    let url = line("FUNCIFY_BACKEND:");
    let prefix = url.split_once("prefix=").unwrap().1.trim_end_matches('"');
    assert_eq!(line("dynamodb:LeadingKeys: ["), format!(r#"dynamodb:LeadingKeys: ["{prefix}:*"]"#));
    assert_eq!(line("dynamodb:LeadingKeys: \""), r#"dynamodb:LeadingKeys: "false""#);
    assert!(line("FUNCIFY_SEAL_KEYS:").contains("{{resolve:secretsmanager:"));
}
