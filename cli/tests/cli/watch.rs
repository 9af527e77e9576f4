//! The live view in a real terminal, while a fleet drives the circuit.

use std::{
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use funcify::{
    CircuitBreaker, Stores,
    circuit::{CallOutcome, CircuitPolicy, CountRule},
    register::WriteId,
};

use crate::support::{OwnRedis, funcify};

/// A terminal of tmux, with a server of its own.
struct Terminal(String);

impl Terminal {
    fn running(command: &str) -> Self {
        let terminal = Self(format!("funcify-{}", WriteId::random()));
        // After the command the shell shows its exit code.
        let command = format!("{command}; echo code $?; sleep 60");
        terminal.tmux(&["new-session", "-d", "-x", "160", "-y", "10", &command]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux")
            .args(["-L", &self.0, "-f", "/dev/null", "-u"])
            .args(arguments)
            .env("TERM", "xterm-256color")
            .output()
            .expect("tmux is installed by tests/run");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// The screen, as soon as it shows all of these.
    async fn shows(&self, texts: &[&str]) -> String {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let screen = self.tmux(&["capture-pane", "-p"]);
            if texts.iter().all(|text| screen.contains(text)) {
                println!("{screen}");
                return screen;
            }
            assert!(Instant::now() < until, "expected {texts:?} on\n{screen}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_shows_a_circuit_open_half_open_and_close_and_the_store_go_and_come_back() {
    let mut own = OwnRedis::start(&[]);
    let url = format!("{}?prefix=watched", own.url());
    let terminal = Terminal::running(&format!(
        "{} circuit watch --every 200ms --backend '{url}'",
        env!("CARGO_BIN_EXE_funcify")
    ));
    terminal.shows(&["no circuit has a record yet"]).await;

    let mut policy = CircuitPolicy::new(CountRule::new(3, Duration::from_secs(60)));
    (policy.open_duration, policy.max_open_duration) =
        (Duration::from_secs(8), Duration::from_secs(8));
    policy.successes = 1;
    let store = Stores::from_url(&url).await.unwrap();
    let circuit = CircuitBreaker::new("warehouse", policy, store.circuits).unwrap();
    for _ in 0..3 {
        drop(circuit.call(async || Err::<(), _>("refused")).await);
    }
    terminal.shows(&["warehouse", "open", "failures", "in ", "█"]).await;
    let probe = loop {
        match circuit.acquire().await {
            Ok(probe) => break probe,
            Err(open) => tokio::time::sleep(open.retry_after.max(Duration::from_millis(50))).await,
        }
    };
    terminal.shows(&["half-open", "1 under way"]).await;
    probe.record(CallOutcome::Success).await;
    terminal.shows(&["closed"]).await;

    // A key asks first, and another one takes it back.
    terminal.press("o");
    terminal.shows(&["Refuse every call of the fleet through `warehouse`"]).await;
    terminal.press("n");
    terminal.shows(&["nothing was changed"]).await;
    terminal.press("o");
    terminal.shows(&["y: yes"]).await;
    terminal.press("y");
    terminal.shows(&["forced open by"]).await;
    // On a narrow terminal too, and the foot says the rest.
    terminal.tmux(&["resize-window", "-x", "80"]);
    terminal.press("Up");
    terminal.shows(&["warehouse  forced open", "warehouse is forced open by"]).await;
    let shown = funcify(&["circuit", "show", "warehouse", "--json", "--backend", &url]).json();
    assert_eq!(shown["override"]["mode"], "force_open", "{shown}");
    terminal.press("c");
    terminal.shows(&["y: yes"]).await;
    terminal.press("y");
    let until = Instant::now() + Duration::from_secs(20);
    while funcify(&["circuit", "show", "warehouse", "--fail-if-open", "--backend", &url]).code != 0
    {
        assert!(Instant::now() < until, "it is not closed");
        sleep(Duration::from_millis(100));
    }

    own.kill();
    terminal.shows(&["is DOWN for", "below is what was seen", "warehouse"]).await;
    let own = own.restarted();
    // The data is gone with the server.
    terminal.shows(&["redis: 0 circuits"]).await;
    drop(own);
    terminal.press("q");
    terminal.shows(&["code 0"]).await;
}

#[test]
fn without_a_terminal_there_is_json_or_a_sentence() {
    let own = OwnRedis::start(&[]);
    let refused = funcify(&["circuit", "watch", "--backend", &own.url()]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("--json"), "{refused:?}");
}
