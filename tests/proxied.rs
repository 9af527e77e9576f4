//! A process behind a proxy, whose provider has a certificate of a private authority: both come by variable.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::sharing::fleet::{Member, command};
use crate::support::attempt::unique;
use crate::support::process::Process;
use crate::support::{env, https};

/// A proxy that opens tunnels. Returns its URL and the hosts that it was asked for.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let hosts = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(tunnel(client, Arc::clone(&hosts)));
        }
    });
    (url, asked)
}

async fn tunnel(mut client: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let host = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    let mut server = TcpStream::connect(&host).await.unwrap();
    asked.lock().unwrap().push(host);
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    drop(copy_bidirectional(&mut client, &mut server).await);
}

/// A process that asks for a token of this provider.
fn asking(provider: &str, proxy: &str, except: &str) -> Command {
    let mut command = command(&unique("proxied"), "token");
    command.env("FUNCIFY_BACKEND", "memory:");
    command.env_remove("FUNCIFY_ISSUER").env("FUNCIFY_TOKEN_URL", provider);
    command.env("FUNCIFY_CA_FILE", env::tls().join("ca.pem"));
    for name in ["https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.env("HTTPS_PROXY", proxy).env("NO_PROXY", except);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_through_the_proxy_except_from_hosts_that_need_none() {
    let provider = https::serve(|_| ("200 OK", r#"{"access_token":"tea","token_type":"Bearer"}"#));
    let host = provider.strip_prefix("https://").unwrap().to_owned();
    let (proxy, asked) = proxy().await;
    for (except, through) in [("", 1), ("127.0.0.1", 0)] {
        let member = Member::run(asking(&provider, &proxy, except));
        assert_eq!(member.took("token").await["minted"], true);
        member.ended().await;
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked, vec![host.clone(); through], "NO_PROXY={except:?}");
    }
}

async fn refused(command: Command) -> String {
    let mut process = Process::start(command);
    let status = process.ended(Duration::from_secs(40)).await;
    assert_eq!(status.code(), Some(2), "{}", process.stderr());
    process.stderr()
}

#[tokio::test]
async fn a_variable_that_cannot_be_used_is_named_before_anything_is_asked() {
    let asking = || asking("https://127.0.0.1:1/token", "http://127.0.0.1:1", "");
    for (name, value, expected) in [
        ("FUNCIFY_CA_FILE", "/nowhere/ca.pem", "FUNCIFY_CA_FILE: the file /nowhere/ca.pem: "),
        ("HTTPS_PROXY", "http://:x", "HTTPS_PROXY cannot be used: expected the URL of a proxy"),
        (
            "FUNCIFY_SEALKEYS",
            "one:AAEC",
            "FUNCIFY_SEALKEYS is not a variable of funcify: did you mean FUNCIFY_SEAL_KEYS?",
        ),
    ] {
        let mut command = asking();
        command.env(name, value);
        let said = refused(command).await;
        assert!(said.contains(expected), "{said}");
    }
}
