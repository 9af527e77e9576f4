//! `funcify idempotency …`.

mod forget;
mod read;
mod text;

use std::process::ExitCode;

use funcify::Operated;
use funcify_core::{idempotency::IdempotencyProvider, register::RecordName};
use serde_json::Value;

use self::read::{answer, missing, stored};
use crate::{
    arguments::{IdempotencyCommand, IdempotencyKey},
    error::Failed,
    output::Output,
    stores, time,
};

pub(crate) async fn run(
    command: IdempotencyCommand,
    backend: Option<&str>,
    output: Output,
) -> Result<ExitCode, Failed> {
    let opened = stores::open(backend).await?;
    let store = stores::shared(&opened.idempotency)?;
    if let Some(why) = IdempotencyProvider::poll_policy(&store.register).no_idempotency {
        return Err(Failed::usage(format!(
            "this store keeps no idempotency keys, so there is nothing to look at: {why}"
        )));
    }
    match command {
        IdempotencyCommand::Show { key, output: with_answer } => {
            let name = name(&key)?;
            let found = stored(&opened, &name).await?.ok_or_else(|| missing(&name))?;
            let answer = if with_answer { Some(answer(&opened, &name).await?) } else { None };
            let now = time::now();
            if output.json {
                println!("{}", text::json(&name, &found, answer, now));
            } else {
                text::full(&name, &found, answer.as_ref(), now);
            }
        }
        IdempotencyCommand::Forget { key, yes } => {
            forget::run(&opened, &name(&key)?, yes, output).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The name of the record. A JSON array is a key of several parts. Any other text is a key of one part.
fn name(given: &IdempotencyKey) -> Result<RecordName, Failed> {
    let Some(scope) = &given.scope else {
        return given.key.parse().map_err(|_| {
            Failed::usage(format!(
                "`{}` is not the name of a record: take it from the log, such as payments.AbC…, or name the \
                 scope of the key with --scope",
                given.key
            ))
        });
    };
    let parts = serde_json::from_str::<Vec<Value>>(&given.key).map(Value::Array);
    let key = parts.unwrap_or_else(|_| Value::from(given.key.as_str()));
    Operated::idempotency_name(scope, &key).map_err(|error| {
        Failed::usage(format!(
            "--scope and the key name no record: {}",
            funcify::error_chain(&error)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(key: &str, scope: Option<&str>) -> Result<RecordName, Failed> {
        name(&IdempotencyKey { key: key.to_owned(), scope: scope.map(str::to_owned) })
    }

    #[test]
    fn a_key_is_a_text_or_an_array_and_without_a_scope_the_name_of_the_record() {
        let of = |key: &str| named(key, Some("payments")).unwrap();
        assert_eq!(of("order 7"), of(r#"["order 7"]"#));
        assert_ne!(of("7"), of("[7]"));
        assert_ne!(of(r#"["a","b"]"#), of("a,b"));
        assert_eq!(of("[broken"), of(r#"["[broken"]"#));
        let name = of("order 7");
        assert_eq!(named(name.as_ref(), None).unwrap(), name);
        for (key, scope) in [("order 7", None), ("", Some("payments")), ("[]", Some("payments"))] {
            assert!(named(key, scope).is_err(), "{key}");
        }
    }
}
