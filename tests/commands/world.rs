//! Where the commands run: a folder, the servers of the tests in place of the reader's, and the built programs.

use std::{
    cell::OnceCell,
    env, fs,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use funcify::{
    Idempotency, Stores,
    register::WriteId,
    token::{ClientCredentials, ClientSecret, Endpoint, TokenGetter},
};
use funcify_test_support::FakeGrant;

use super::page;
use crate::support;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

pub(super) struct World {
    folder: PathBuf,
    /// Of Redis, with a prefix of its own.
    pub(super) url: String,
    served: OnceCell<Served>,
}

/// The example that serves HTTP.
struct Served {
    child: Child,
    address: String,
    token: String,
}

/// What a command printed, and its exit code.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) said: String,
}

impl Ran {
    /// An error for a command that failed.
    pub(super) fn well(self) -> Result<String, String> {
        match self.code {
            Some(0) => Ok(self.said),
            code => Err(format!("exit code {code:?}: {}", self.said.trim())),
        }
    }
}

impl World {
    /// A fleet has run on the store: it has a token, circuits, and the key that the pages show.
    pub(super) async fn new() -> Self {
        let tag = &WriteId::random().to_string()[..12];
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("commands-{tag}"));
        for inside in ["bin", "docs"] {
            fs::create_dir_all(folder.join(inside)).unwrap();
        }
        let redis = support::env::redis();
        let mark = if redis.contains('?') { '&' } else { '?' };
        let url = format!("{redis}{mark}prefix=commands-{tag}&timeout=10000&connect_timeout=5000");
        std::os::unix::fs::symlink(built("funcify"), folder.join("bin/funcify")).unwrap();
        let policy = page::block("simulator/README.md", "toml", "open_duration");
        fs::write(folder.join("mine.toml"), policy).unwrap();
        let event = "examples/events/01-rest-get-order.json";
        fs::copy(page::repository().join(event), folder.join("event.json")).unwrap();
        let world = Self { folder, url, served: OnceCell::new() };

        let filled = format!("FUNCIFY_BACKEND='{}' '{}'", world.url, example("orders").display());
        world.bash(&filled, &[]).well().unwrap();
        let stores = Stores::from_url(&world.url).await.unwrap();
        let credentials = ClientCredentials::new(
            Endpoint::TokenUrl("https://login.example/token".to_owned()),
            "orders",
            ClientSecret::from("secret"),
        );
        let getter = TokenGetter::builder(credentials, stores.tokens);
        getter.grant(FakeGrant::new()).build().unwrap().token().await.unwrap();
        let payments = Idempotency::new("payments", stores.idempotency).unwrap();
        let paid = async |_| Ok::<_, std::io::Error>("a receipt".to_owned());
        payments.run("order 7", "EUR 19", paid).await.unwrap();
        world
    }

    /// The command with the servers of the tests in place of those that a reader has.
    pub(super) fn located(&self, command: &str) -> String {
        let url = format!("'{}'", self.url);
        let idp = format!("--idp '{}'", support::env::idp());
        let ours = [
            ("redis://localhost", &*url),
            ("redis://127.0.0.1", &url),
            ("--idp URL", &idp),
            ("FILE…", "event.json"),
            (" …", ""),
        ];
        ours.into_iter().fold(command.to_owned(), |text, (shown, ours)| text.replace(shown, ours))
    }

    pub(super) fn bash(&self, script: &str, variables: &[(&str, &str)]) -> Ran {
        let mut command = self.command("bash", variables);
        command.args(["-c", &format!("set -o pipefail\n{script}")]).stdin(Stdio::null());
        self.ended(command, None)
    }

    /// In a terminal, with these keys pressed again and again until it ends.
    pub(super) fn terminal(&self, script: &str, keys: &str, variables: &[(&str, &str)]) -> Ran {
        fs::write(self.folder.join("typed.sh"), script).unwrap();
        let mut command = self.command("script", variables);
        command.args(["-qefc", "bash typed.sh", "/dev/null"]).stdin(Stdio::piped());
        self.ended(command, Some(keys))
    }

    /// Starts the example as a server, once, and returns what a reader would type: the address and a token.
    pub(super) fn served(&self) -> (String, String) {
        let served = self.served.get_or_init(|| {
            let log = self.folder.join("served.log");
            let mut command = self.command(example("orders").to_str().unwrap(), &[]);
            command.args(["--serve", "127.0.0.1:0"]).stdin(Stdio::null());
            let child = command.stdout(fs::File::create(&log).unwrap()).stderr(Stdio::null());
            let mut served = Served {
                child: child.spawn().unwrap(),
                address: String::new(),
                token: String::new(),
            };
            let until = Instant::now() + LONG;
            loop {
                let text = fs::read_to_string(&log).unwrap();
                let after = |mark| Some(text.split_once(mark)?.1.lines().next()?.to_owned());
                let token = text.lines().find(|line| line.starts_with("eyJ")).map(str::to_owned);
                if let (Some(address), Some(token)) = (after("listening on http://"), token) {
                    (served.address, served.token) = (address, token);
                    return served;
                }
                assert!(Instant::now() < until, "the example does not serve: {text}");
                sleep(Duration::from_millis(20));
            }
        });
        (served.address.clone(), served.token.clone())
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// In the folder, without the variables of the tests that our programs would read.
    fn command(&self, program: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if ["FUNCIFY_", "ORDERS_", "AWS_LAMBDA_", "RUST_LOG"]
                .iter()
                .any(|own| text.starts_with(own))
            {
                command.env_remove(name);
            }
        }
        let mut paths = vec![self.folder.join("bin")];
        paths.extend(
            env::var_os("FUNCIFY_TEST_AWS")
                .map(PathBuf::from)
                .and_then(|aws| Some(aws.parent()?.to_owned())),
        );
        paths.extend(env::split_paths(&env::var_os("PATH").unwrap()));
        command.env("PATH", env::join_paths(paths).unwrap()).env("TERM", "xterm-256color");
        command.envs(variables.iter().copied()).current_dir(&self.folder).process_group(0);
        command
    }

    fn ended(&self, mut command: Command, keys: Option<&str>) -> Ran {
        let log = self.folder.join("said");
        let file = fs::File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let mut child = command.spawn().unwrap();
        let mut typist = child.stdin.take();
        let until = Instant::now() + LONG;
        let code = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() > until {
                break None;
            }
            if let (Some(typist), Some(keys)) = (&mut typist, keys) {
                // It fails when the command has ended meanwhile.
                drop(typist.write_all(keys.as_bytes()).and_then(|()| typist.flush()));
            }
            sleep(Duration::from_millis(if keys.is_some() { 200 } else { 10 }));
        };
        // And what it has left in the background.
        end_group(&child);
        child.wait().unwrap();
        Ran { code, said: String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned() }
    }
}

fn end_group(child: &Child) {
    let group = format!("-{}", child.id());
    let kill = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    drop(kill);
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

pub(super) fn example(name: &str) -> PathBuf {
    built(&format!("examples/{name}"))
}

/// A program that cargo has built beside this test.
fn built(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let path = profile.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        path.exists(),
        "{} is missing: run cargo build --workspace --examples --bins",
        path.display()
    );
    path
}
