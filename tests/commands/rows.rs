//! The table: what accounts for each command that a page shows.

use super::words;

/// How a command is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Sets a variable for the commands behind it.
    Export,
    /// In a block as written, by bash. In the running text, where its names are only examples, with `--help`.
    Funcify,
    /// As written, in a terminal in which somebody presses these keys.
    Terminal(&'static str),
    /// As written, with the built example in place of `cargo run`.
    Example,
    /// Starts the example as a server. What asks it comes later.
    Server,
    /// As written, at the server that the page has started.
    Curl,
    /// As written, by the AWS CLI, on Parameter Store.
    Aws,
    /// As written.
    Shell,
    /// The file is a program, and its usage names each option. What runs it, or why nothing does.
    Script(RunBy),
    /// A command of cargo that a step of `.ci/run` runs too.
    Cargo(&'static str),
    /// A benchmark that exists, with options that its usage names.
    Bench(&'static str),
    /// The folder has the program. Its package is compiled by this step.
    Install(&'static str),
    /// `cargo lambda`, whose help names each option.
    CargoLambda,
    /// Nothing can run it here. The reason, and a file that the command needs.
    Impossible(&'static str, &'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunBy {
    /// A line of `.ci/run`.
    Step(&'static str),
    /// The reason why no step runs it.
    Nothing(&'static str),
}

use RunBy::{Nothing, Step};

impl How {
    /// For whoever reads what the test prints.
    pub(super) fn describe(self, is_block: bool) -> String {
        match self {
            Self::Funcify | Self::Terminal(_) if !is_block => "its options are known".to_owned(),
            Self::Script(Nothing(reason)) => {
                format!("its options are known; no step runs it: {reason}")
            }
            Self::Script(Step(step)) => format!("its options are known; run by `{step}`"),
            Self::Cargo(step) | Self::Bench(step) | Self::Install(step) => {
                format!("run by `{step}`")
            }
            Self::CargoLambda => "its options are known".to_owned(),
            Self::Impossible(reason, file) => format!("not run: {reason}; it needs {file}"),
            _ => "run".to_owned(),
        }
    }
}

const NO_CONTAINERS: &str = "the servers of the tests run without containers";
const NO_SERVER: &str = "it asks a server on the usual port, and those of the tests have others";
const FIRST_FUNCTION: &str = "the folder that the reader makes is the package `examples/shop`";
const INSTALLED: &str = "`tests/run` installs it";
const EMULATOR: &str = "`tests/lambda.rs` asks the emulator, which runs the example `orders`";

/// The words that a command begins with. The longest row counts.
pub(super) const ROWS: &[(&str, How)] = &[
    ("export", How::Export),
    ("funcify", How::Funcify),
    ("funcify circuit open", How::Terminal("y\n")),
    ("funcify circuit close", How::Terminal("y\n")),
    ("funcify token rotate", How::Terminal("y\n")),
    ("funcify circuit watch", How::Terminal("q")),
    ("cargo run", How::Example),
    ("cargo run --example orders -- --serve", How::Server),
    ("curl", How::Curl),
    ("aws", How::Aws),
    ("echo", How::Shell),
    ("tests/run", How::Script(Step("visible_step tests tests/run"))),
    (".ci/run", How::Script(Nothing("it is what runs everything else, this test too"))),
    (".ci/tree", How::Script(Step("step tree .ci/tree"))),
    (".ci/words", How::Script(Step("step words .ci/words"))),
    (".ci/msrv", How::Script(Step("step msrv .ci/msrv"))),
    ("python3 .ci/public_api", How::Script(Step("visible_step public-api python3 .ci/public_api"))),
    (
        "deploy/sizes",
        How::Script(Nothing("it builds four functions with the release profile: minutes")),
    ),
    ("benches/performance/run", How::Script(Nothing("it measures for minutes, and must be alone"))),
    ("benches/fleet-peers/run", How::Script(Nothing("it stops processes for minutes"))),
    ("fuzz/run", How::Script(Nothing("it needs cargo-fuzz, and has no end of its own"))),
    ("cargo build", How::Cargo("visible_step tests tests/run")),
    ("cargo test", How::Cargo("visible_step tests tests/run")),
    ("cargo fmt", How::Cargo("step fmt cargo fmt")),
    ("cargo clippy", How::Cargo("step clippy cargo clippy")),
    ("cargo bench", How::Bench("step bench bench_speaks")),
    ("cargo install --path", How::Install("step package package")),
    ("cargo lambda", How::CargoLambda),
    ("docker", How::Impossible(NO_CONTAINERS, "tests/run.d/redis.sh")),
    ("redis-cli", How::Impossible(NO_SERVER, "tests/run.d/redis.sh")),
    ("git clone", How::Impossible("the repository has no address yet", "examples/shop/Cargo.toml")),
    ("cargo new", How::Impossible(FIRST_FUNCTION, "examples/shop/Cargo.toml")),
    ("cd shop", How::Impossible(FIRST_FUNCTION, "examples/shop/src/lib.rs")),
    ("pipx install cargo-lambda", How::Impossible(INSTALLED, "tests/run.d/install.sh")),
    ("cargo doc --open", How::Impossible("it opens a browser", ".ci/run")),
    ("curl localhost:9000/lambda-url/shop/hello/ann", How::Impossible(EMULATOR, "tests/lambda.rs")),
    (
        "curl -i http://localhost:9000/lambda-url/my-function/health",
        How::Impossible(EMULATOR, "tests/lambda.rs"),
    ),
    ("cargo run --bin my-function", How::Impossible("it is the reader's program", "docs/local.md")),
    (
        "cargo semver-checks",
        How::Impossible(
            "no version is published, and the tool is not installed before one is",
            ".ci/run",
        ),
    ),
];

/// The row of a command: its place in the table.
pub(super) fn row(command: &str) -> Option<usize> {
    let command = words::words(command);
    let (_, command) = words::assignments(&command);
    let is_of = |begins: &str| {
        let begins: Vec<&str> = begins.split(' ').collect();
        command.len() >= begins.len() && begins.iter().zip(command).all(|(row, word)| row == word)
    };
    let rows = ROWS.iter().enumerate().filter(|(_, (begins, _))| is_of(begins));
    rows.max_by_key(|(_, (begins, _))| begins.len()).map(|(at, _)| at)
}
