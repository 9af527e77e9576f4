//! The start of a process, measured from outside.

use std::{
    env,
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use url::Url;

use crate::{
    aws::{self, TABLE},
    proxy,
    side::{PROCESS, Side, Store, named},
};

/// One side of a store, and the variables of its process.
pub(crate) struct Start {
    pub(crate) store: Store,
    pub(crate) side: Side,
    variables: Vec<(&'static str, String)>,
}

/// Both sides of a store.
///
/// # Errors
///
/// Says what names the store, if it is not named.
pub(crate) fn both_sides(store: Store) -> Result<[Start; 2], String> {
    let variables = match store {
        Store::Redis => redis()?,
        Store::DynamoDb => {
            let backend = format!("dynamodb://{TABLE}");
            let variables = over_tls("AWS_ENDPOINT_URL_DYNAMODB", backend)?;
            let endpoint = named_by("AWS_ENDPOINT_URL_DYNAMODB")?;
            let runtime = tokio::runtime::Runtime::new().expect("expected a runtime");
            runtime.block_on(aws::create_table(&endpoint));
            variables
        }
        Store::Ssm => over_tls("AWS_ENDPOINT_URL_SSM", format!("ssm:///{TABLE}"))?,
    };
    Ok(Side::BOTH.map(|side| Start { store, side, variables: variables.clone() }))
}

fn redis() -> Result<Vec<(&'static str, String)>, String> {
    let url = named_by("FUNCIFY_TEST_REDIS_TLS")?;
    Ok(vec![("FUNCIFY_BACKEND", format!("{url}&prefix=funcify-test"))])
}

/// The variables for the server that the variable `endpoint` names, with TLS before it.
fn over_tls(
    endpoint: &'static str,
    backend: String,
) -> Result<Vec<(&'static str, String)>, String> {
    let tls = PathBuf::from(named_by("FUNCIFY_TEST_TLS")?);
    let server = Url::parse(&named_by(endpoint)?).expect("expected the URL of a server");
    let server = server.socket_addrs(|| None).expect("expected an address")[0];
    let proxy = proxy::serve(&tls, server);
    Ok(vec![
        ("FUNCIFY_BACKEND", backend),
        (endpoint, format!("https://{proxy}")),
        ("AWS_CA_BUNDLE", tls.join("ca.pem").display().to_string()),
    ])
}

fn named_by(variable: &str) -> Result<String, String> {
    env::var(variable).map_err(|_| format!("{variable} does not name it"))
}

impl Start {
    /// Starts the process. Returns how long it takes until it is ready, and until it is answered.
    pub(crate) fn measure(&self) -> (Duration, Duration) {
        let mut command = Command::new(env::current_exe().expect("expected this program"));
        command.env(PROCESS, named(self.store, self.side)).envs(self.variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let start = Instant::now();
        let mut process = command.spawn().expect("expected a process");
        let mut out = process.stdout.take().expect("expected its output");
        let mut reached = || {
            out.read_exact(&mut [0; 2]).expect("expected the process to go on");
            start.elapsed()
        };
        let times = (reached(), reached());
        assert!(process.wait().expect("expected its end").success());
        times
    }
}
