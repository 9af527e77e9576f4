//! The command line.

use std::{net::SocketAddr, path::PathBuf};

pub(crate) const USAGE: &str = "\
orders [--json] [--idp URL] [--serve [ADDRESS]] [FILE…]

Takes event files (unless given: the shipped examples/events) through the function.

  --json             data only: one object a line, then the summary
  --idp URL          the fleet's token comes from this issuer; FUNCIFY_CLIENT_ID and
                     FUNCIFY_CLIENT_SECRET say as whom
  --serve [ADDRESS]  answers HTTP on localhost (127.0.0.1:3000 unless given) as behind an HTTP API

FUNCIFY_BACKEND names the backend; memory: is chosen when it is unset.
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
