//! Parses the command line.

use std::{net::SocketAddr, path::PathBuf};

pub(crate) const USAGE: &str = "\
orders [--json] [--idp URL] [--serve [ADDRESS]] [FILE…]

Runs the function on event files, or on the shipped ones in examples/events.

  --json             prints one JSON object for each event, then a summary
  --idp URL          gets the fleet's token from this issuer, with FUNCIFY_CLIENT_ID and
                     FUNCIFY_CLIENT_SECRET
  --serve [ADDRESS]  serves HTTP on localhost like an HTTP API, at 127.0.0.1:3000 by default

FUNCIFY_BACKEND names the store. Without it the example uses memory:.
ORDERS_STREAM=1 makes --serve behave like a function URL that streams.
ORDERS_SHOP=https://… is the web page that may call the function from a browser.
";

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) help: bool,
    pub(crate) json: bool,
    pub(crate) idp: Option<String>,
    pub(crate) serve: Option<SocketAddr>,
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ArgumentError {
    #[error("--idp needs the URL of an issuer, https://…")]
    NoIssuer,
    #[error("unknown option {0}, try --help")]
    Unknown(String),
}

impl Arguments {
    pub(crate) fn parse(given: impl Iterator<Item = String>) -> Result<Self, ArgumentError> {
        let mut arguments = Self::default();
        let mut given = given.peekable();
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--help" | "-h" => arguments.help = true,
                "--json" => arguments.json = true,
                "--idp" => {
                    let issuer = given.next().filter(|issuer| issuer.starts_with("http"));
                    arguments.idp = Some(issuer.ok_or(ArgumentError::NoIssuer)?);
                }
                "--serve" => {
                    let address = given.peek().and_then(|next| next.parse().ok());
                    given.next_if(|_| address.is_some());
                    arguments.serve = Some(address.unwrap_or(([127, 0, 0, 1], 3000).into()));
                }
                option if option.starts_with('-') => {
                    return Err(ArgumentError::Unknown(argument));
                }
                _ => arguments.files.push(argument.into()),
            }
        }
        Ok(arguments)
    }
}
