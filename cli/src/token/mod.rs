//! `funcify token …`.

mod read;
mod steer;
mod text;

use std::process::ExitCode;

use funcify_core::{register::Record, token::TokenRecord};
use serde_json::Value;

use self::read::{missing, stored};

use crate::{arguments::TokenCommand, error::Failed, output::Output, stores, time};

pub(crate) async fn run(
    command: TokenCommand,
    backend: Option<&str>,
    output: Output,
) -> Result<ExitCode, Failed> {
    let opened = stores::open(backend).await?;
    stores::shared(&opened.tokens)?;
    match command {
        TokenCommand::List => {
            let mut tokens = Vec::new();
            for key in opened.tokens.inventory.list(TokenRecord::KIND).await? {
                if let Some(found) = stored(&opened, &key).await? {
                    tokens.push((key, found));
                }
            }
            let now = time::now();
            if output.json {
                let tokens = tokens.iter().map(|(key, found)| text::json(key, found, now));
                println!("{}", Value::Array(tokens.collect()));
            } else {
                text::list(&tokens, now);
            }
        }
        TokenCommand::Show { key } => {
            let found = stored(&opened, &key).await?.ok_or_else(|| missing(&key))?;
            let now = time::now();
            if output.json {
                println!("{}", text::json(&key, &found, now));
            } else {
                text::full(&key, &found, now);
            }
        }
        TokenCommand::Rotate { key, yes } => steer::rotate(&opened, &key, yes, output).await?,
        TokenCommand::Forget { key, yes } => steer::forget(&opened, &key, yes, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}
