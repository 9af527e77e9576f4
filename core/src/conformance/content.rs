//! L1: any content is read back as it was written.

use serde_json::{Map, Value, json};

use super::{
    check::checks,
    client::body,
    trial::Trial,
    verdict::{Shortfall, Verdict, ensure},
};
use crate::register::Body;

checks! { L1:
    an_empty_body_is_a_record,
    text_of_every_script_comes_back,
    double_braces_come_back,
    control_characters_come_back,
    every_ascii_character_comes_back,
    quotes_and_backslashes_come_back,
    text_that_looks_like_json_comes_back_as_text,
    empty_text_comes_back,
    integers_to_the_ends_of_64_bits_come_back,
    fractions_keep_their_value,
    booleans_and_null_come_back,
    lists_and_objects_come_back,
    nested_objects_come_back,
    odd_names_of_members_come_back,
    members_named_as_stores_name_theirs_come_back,
    a_body_of_one_kilobyte_comes_back,
    a_body_of_three_kilobytes_comes_back,
    a_body_of_a_hundred_members_comes_back,
    a_body_that_shrinks_comes_back,
}

async fn an_empty_body_is_a_record(trial: &Trial<'_>) -> Verdict {
    let key = trial.circuit()?;
    let version = trial.client.write(&key, None, &Body::default()).await?;
    trial.client.shows(&key, version, &Body::default()).await?;
    trial.client.refused(&key, None, &body(1)).await?;
    trial.client.write(&key, Some(version), &body(2)).await.map(drop)
}

async fn text_of_every_script_comes_back(trial: &Trial<'_>) -> Verdict {
    comes_back(trial, json!({"a": "zażółć Ελλάδα русский 日本語 العربية हिन्दी 🦀👩‍👩‍👧 e\u{301} \u{200b}\u{feff}\u{10ffff}"})).await
}

async fn double_braces_come_back(trial: &Trial<'_>) -> Verdict {
    let text = "{{ssm:name}} {{ }} {{{{ }}}} { } }{ }}{{";
    comes_back(trial, json!({"a": text, "list": [text, {"b": text}], "{{name}}": 1})).await
}

async fn control_characters_come_back(trial: &Trial<'_>) -> Verdict {
    let controls: String = (0..0x20_u8).chain([0x7f]).map(char::from).collect();
    comes_back(trial, json!({"a": controls, "b": "\u{0}", "c": "line\r\nline\u{2028}\u{85}"})).await
}

async fn every_ascii_character_comes_back(trial: &Trial<'_>) -> Verdict {
    let ascii: String = (0x20..0x7f_u8).map(char::from).collect();
    comes_back(trial, json!({"a": ascii})).await
}

async fn quotes_and_backslashes_come_back(trial: &Trial<'_>) -> Verdict {
    comes_back(trial, json!({"a": "\"'`\\\\\" \\u007b \\n $1 %s %7B &lt; ${a} #{b}", "b": "\\"}))
        .await
}

async fn text_that_looks_like_json_comes_back_as_text(trial: &Trial<'_>) -> Verdict {
    let text = json!({"a": "1", "b": "null", "c": "true", "d": "{\"e\":[1,2]}", "f": "1e3"});
    comes_back(trial, text).await
}

async fn empty_text_comes_back(trial: &Trial<'_>) -> Verdict {
    comes_back(trial, json!({"a": "", "b": [""], "c": {"d": ""}, "e": " "})).await
}

async fn integers_to_the_ends_of_64_bits_come_back(trial: &Trial<'_>) -> Verdict {
    let ends = [0, 1, -1, i64::MAX, i64::MIN, 9_007_199_254_740_993, 1_700_000_000_000];
    comes_back(trial, json!({"list": ends, "most": u64::MAX, "least": i64::MIN, "zero": 0})).await
}

/// The values are compared as numbers, because a store may return 2.0 as 2.
async fn fractions_keep_their_value(trial: &Trial<'_>) -> Verdict {
    let fractions = [0.5, -0.25, 0.1, 1.0 / 3.0, 1e-7, 123_456.789, 2.0, 1e15];
    let key = trial.token()?;
    let members: Map<String, Value> = fractions
        .iter()
        .enumerate()
        .map(|(place, number)| (format!("n{place}"), json!(number)))
        .collect();
    trial.client.write(&key, None, &Body::from(members)).await?;
    let found = trial.client.read_until(&key, |found| found.is_some()).await?;
    let found = found.map(|found| found.value).unwrap_or_default();
    for (place, number) in fractions.iter().enumerate() {
        let read = found.as_ref().get(&format!("n{place}")).and_then(|read| read.as_f64());
        ensure!(read == Some(*number), "wrote {number}, read {read:?}");
    }
    Ok(())
}

async fn booleans_and_null_come_back(trial: &Trial<'_>) -> Verdict {
    comes_back(trial, json!({"a": true, "b": false, "c": null, "d": [null, true, false]})).await
}

async fn lists_and_objects_come_back(trial: &Trial<'_>) -> Verdict {
    let mixed = json!({"a": [], "b": {}, "c": [[]], "d": [1, "1", [1], {"1": 1}], "e": {"f": []}});
    comes_back(trial, mixed).await
}

async fn nested_objects_come_back(trial: &Trial<'_>) -> Verdict {
    let deep = (0..12).fold(json!("deep"), |inner, level| {
        if level % 2 == 0 { json!({ "in": inner }) } else { json!([inner, level]) }
    });
    comes_back(trial, json!({ "a": deep })).await
}

async fn odd_names_of_members_come_back(trial: &Trial<'_>) -> Verdict {
    comes_back(
        trial,
        json!({"a b": 1, "a.b": 2, "a-b": 3, "#n": 4, ":v": 5, "$ref": 6, "ключ": 7, "a\"b": 8,
               "a[0]": 9, "A": 10, "a": 11, "0": 12, "__proto__": 13, "a/b": 14, "size": 15}),
    )
    .await
}

async fn members_named_as_stores_name_theirs_come_back(trial: &Trial<'_>) -> Verdict {
    comes_back(
        trial,
        json!({"id": "i", "rec": {"a": 1}, "keep": 2, "f": 1, "base": [3, "b"], "version": 4,
               "key": "k", "name": "n", "value": "v", "state": "open", "Item": {}, "S": "s"}),
    )
    .await
}

async fn a_body_of_one_kilobyte_comes_back(trial: &Trial<'_>) -> Verdict {
    comes_back(trial, json!({"a": "x".repeat(1_000)})).await
}

async fn a_body_of_three_kilobytes_comes_back(trial: &Trial<'_>) -> Verdict {
    let token: String = ('a'..='z').cycle().take(3_000).collect();
    comes_back(trial, json!({"token": token, "scope": "orders:read"})).await
}

async fn a_body_of_a_hundred_members_comes_back(trial: &Trial<'_>) -> Verdict {
    let members = (0..100).map(|place| (format!("member{place}"), json!(place))).collect();
    comes_back(trial, Value::Object(members)).await
}

async fn a_body_that_shrinks_comes_back(trial: &Trial<'_>) -> Verdict {
    let key = trial.token()?;
    let wide = trial.client.write(&key, None, &body("x".repeat(2_000))).await?;
    let narrow = trial.client.write(&key, Some(wide), &body("x")).await?;
    trial.client.shows(&key, narrow, &body("x")).await
}

/// Checks the content as the first write of a token and as the second write of a circuit.
async fn comes_back(trial: &Trial<'_>, content: Value) -> Verdict {
    let Value::Object(members) = content else {
        return Err(Shortfall::Broken("the check has no object".to_owned()));
    };
    let content = Body::from(members);
    let token = trial.token()?;
    let version = trial.client.write(&token, None, &content).await?;
    trial.client.shows(&token, version, &content).await?;
    let circuit = trial.circuit()?;
    let first = trial.client.write(&circuit, None, &body(1)).await?;
    let version = trial.client.write(&circuit, Some(first), &content).await?;
    trial.client.shows(&circuit, version, &content).await
}
