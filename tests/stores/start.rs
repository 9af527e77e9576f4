//! A process opens no connection when it starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use crate::sharing::fleet::{self, Member};
use crate::support::attempt::unique;

/// A server that counts its connections and sends nothing.
async fn silent() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, connections) =
        (listener.local_addr().unwrap().port(), Arc::<AtomicUsize>::default());
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            open.push(connection);
        }
    });
    (port, connections)
}

/// A process that builds its clients and then takes these steps.
fn member(steps: &str, tokens: &str, circuits: &str, aws: u16) -> Member {
    let mut command = fleet::command(&unique("start"), steps);
    command.env("FUNCIFY_TOKENS", tokens).env("FUNCIFY_CIRCUITS", circuits);
    for service in ["DYNAMODB", "SSM", "STS"] {
        command.env(format!("AWS_ENDPOINT_URL_{service}"), format!("http://127.0.0.1:{aws}"));
    }
    Member::run(command)
}

#[tokio::test]
async fn all_clients_are_built_without_a_connection() {
    let (port, connections) = silent().await;
    let redis = &format!("rediss://127.0.0.1:{port}");
    let stores = [
        ("memory:", "memory:"),
        (redis, redis),
        ("ssm:///fleet", redis),
        ("ssm:///fleet", "dynamodb://fleet"),
    ];
    for (tokens, circuits) in stores {
        let member = member("", tokens, circuits, port);
        member.took("ready").await;
        member.ended().await;
        assert_eq!(connections.load(Ordering::SeqCst), 0, "{tokens} and {circuits}");
    }
    // The mutant: a process that uses its circuit connects.
    for circuits in [redis, "dynamodb://fleet"] {
        let before = connections.load(Ordering::SeqCst);
        let member = member("call", "memory:", circuits, port);
        member.took("call").await;
        member.ended().await;
        assert!(connections.load(Ordering::SeqCst) > before, "{circuits}");
    }
}
