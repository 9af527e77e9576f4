//! How a connection says who it is: its name, a client certificate, a password of its own.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use funcify_backend_aws::{CacheService, CacheSigner, SdkConfig};
use funcify_backend_redis::{PasswordSource, RedisBackend, RedisConfig};
use funcify_core::StoreErrorKind::{Denied, Unavailable};
use funcify_core::register::Register;
use secrecy::SecretString;

use super::{attempt, circuit, register, write};
use crate::support::env;
use crate::support::ports;
use crate::support::redis::OwnRedis;

#[tokio::test]
async fn a_connection_has_a_name_that_the_server_lists() {
    for url in [env::redis(), env::valkey()] {
        let register = register(&with(&url, "prefix=funcify-test"));
        register.read(&circuit("name")).await.unwrap();
        let address = url.split_once("://").unwrap().1.parse().unwrap();
        let list = crate::support::redis::command(address, &["CLIENT", "LIST"]).await.unwrap();
        assert!(list.contains(" name=funcify "), "{list}");
    }
}

#[tokio::test]
async fn a_user_who_may_not_name_a_connection_can_use_it() {
    let redis = OwnRedis::start().await;
    let user = "ACL SETUSER nameless reset on >pw ~funcify:* -@all +eval +evalsha +hstrlen +hmget +hset +pexpire +del";
    let user: Vec<_> = user.split(' ').collect();
    assert_eq!(redis.command(&user).await.unwrap(), "+OK");
    let register = register(&format!("redis://nameless:pw@{}", redis.address()));
    write(&register, &circuit("nameless"), None, 1).await;
}

fn with(url: &str, option: &str) -> String {
    format!("{url}?{option}")
}

/// A server that asks its clients for a certificate.
async fn with_client_certificates() -> (OwnRedis, String) {
    let tls = env::tls();
    let [ca, cert, key] =
        ["ca.pem", "server.pem", "server-key.pem"].map(|file| tls.join(file).display().to_string());
    let port = ports::free();
    let redis = OwnRedis::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "yes",
    ])
    .await;
    let url = format!("rediss://127.0.0.1:{port}?ca={ca}");
    (redis, url)
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_it() {
    let (_redis, url) = with_client_certificates().await;
    let tls = env::tls();
    let file = |name: &str| tls.join(name).display().to_string();
    let (cert, key) = (file("client.pem"), file("client-key.pem"));
    let ours = register(&format!("{url}&cert={cert}&key={key}"));
    write(&ours, &circuit("certificate"), None, 1).await;

    // The mutant: without a certificate nobody gets in.
    let nobody = register(&url);
    let refused = nobody.read(&circuit("certificate")).await.unwrap_err();
    assert_eq!(refused.kind(), Unavailable, "{refused:?}");
}

#[test]
fn a_certificate_or_a_key_that_cannot_be_read_is_named_with_its_file() {
    let tls = env::tls();
    let file = |name: &str| tls.join(name).display().to_string();
    let (cert, key, other) = (file("client.pem"), file("client-key.pem"), file("server-key.pem"));
    for (options, named) in [
        ("cert=/no/such.pem&key=/no/such-key.pem".to_owned(), "/no/such.pem"),
        (
            format!("cert={cert}&key=/no/such-key.pem"),
            "private key could be read from /no/such-key.pem",
        ),
        (format!("cert={key}&key={key}"), "no certificates could be read from"),
        (format!("cert={cert}&key={cert}"), "no private key could be read from"),
        (format!("cert={cert}&key={other}"), "cannot be used with the certificate in"),
    ] {
        let config = RedisConfig::parse(&format!("rediss://127.0.0.1?{options}")).unwrap();
        let error = RedisBackend::new(config).unwrap_err().to_string();
        assert!(error.contains(named), "{options}: {error}");
    }
}

/// Signs as for ElastiCache, and tells the server which password comes next, as IAM would.
#[derive(Debug)]
struct Iam {
    signer: CacheSigner,
    redis: Arc<OwnRedis>,
    signed: Arc<AtomicUsize>,
    valid_for: Duration,
}

const USER: &str = "orders-user";

#[async_trait]
impl PasswordSource for Iam {
    async fn password(&self) -> Result<SecretString, Box<dyn Error + Send + Sync>> {
        let token = self.signer.token().await?;
        verify::token(&token, SystemTime::now());
        self.signed.fetch_add(1, Ordering::SeqCst);
        let password = format!(">{}", *token);
        let user = ["ACL", "SETUSER", USER, "reset", "on", &password, "~*", "+@all"];
        assert_eq!(self.redis.command(&user).await.unwrap(), "+OK");
        Ok(SecretString::from(token.as_str()))
    }

    fn valid_for(&self) -> Duration {
        self.valid_for
    }
}

fn aws() -> SdkConfig {
    let credentials = Credentials::new(
        verify::KEY_ID,
        verify::SECRET,
        Some(verify::SESSION.to_owned()),
        None,
        "test",
    );
    SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

async fn with_iam(valid_for: Duration) -> (Arc<OwnRedis>, Arc<AtomicUsize>, RedisBackend) {
    let redis = Arc::new(OwnRedis::start().await);
    let signed = Arc::<AtomicUsize>::default();
    let signer =
        CacheSigner::new(CacheService::ElastiCache, verify::CACHE, USER, None, &aws()).unwrap();
    let source = Iam { signer, redis: Arc::clone(&redis), signed: Arc::clone(&signed), valid_for };
    let config = RedisConfig::new("127.0.0.1", redis.address().port());
    let register = RedisBackend::new(config.with_password_source(USER, source)).unwrap();
    (redis, signed, register)
}

#[tokio::test]
async fn a_connection_signs_in_with_a_token_of_its_own() {
    let (redis, signed, register) = with_iam(Duration::from_secs(3_600)).await;
    let key = circuit("iam");
    let mut version = Some(write(&register, &key, None, 1).await);
    version = Some(write(&register, &key, version, 2).await);
    assert_eq!(signed.load(Ordering::SeqCst), 1, "one connection, one token");
    let user = redis.command(&["ACL", "GETUSER", USER]).await.unwrap();
    assert!(!user.is_empty());

    // The server closes the connection, as AWS does after twelve hours.
    redis.command(&["CLIENT", "KILL", "USER", USER]).await.unwrap();
    let _ = attempt(&register, &key, version, 3).await;
    assert!(register.read(&key).await.is_ok());
    assert_eq!(signed.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_is_renewed_before_its_log_in_ends() {
    let (_redis, signed, register) = with_iam(Duration::from_millis(100)).await;
    let key = circuit("renewed");
    let version = write(&register, &key, None, 1).await;
    tokio::time::sleep(Duration::from_millis(120)).await;
    write(&register, &key, Some(version), 2).await;
    assert_eq!(signed.load(Ordering::SeqCst), 2);
}

/// The server forgets who is logged in: the next operation logs in again.
#[tokio::test]
async fn a_log_in_that_the_server_no_longer_accepts_is_repeated() {
    let (redis, signed, register) = with_iam(Duration::from_secs(3_600)).await;
    let key = circuit("forgotten");
    let version = write(&register, &key, None, 1).await;
    redis.command(&["ACL", "DELUSER", USER]).await.unwrap();
    let _ = attempt(&register, &key, Some(version), 2).await;
    assert!(register.read(&key).await.is_ok());
    assert!(signed.load(Ordering::SeqCst) >= 2);
}

/// A source without a password: the operation is refused, and the cause is in the error.
#[tokio::test]
async fn a_source_without_a_password_is_the_cause_of_the_error() {
    #[derive(Debug)]
    struct Empty;

    #[async_trait]
    impl PasswordSource for Empty {
        async fn password(&self) -> Result<SecretString, Box<dyn Error + Send + Sync>> {
            Err("the vault is closed".into())
        }

        fn valid_for(&self) -> Duration {
            Duration::MAX
        }
    }

    let redis = OwnRedis::start().await;
    let config = RedisConfig::new("127.0.0.1", redis.address().port());
    let register = RedisBackend::new(config.with_password_source("orders", Empty)).unwrap();
    let error = register.read(&circuit("empty")).await.unwrap_err();
    let text = funcify::error_chain(&error);
    assert!(text.contains("the vault is closed"), "{text}");
    assert_ne!(error.kind(), Denied);
}

#[tokio::test]
async fn a_serverless_cache_and_memorydb_have_tokens_of_their_own() {
    for (service, name, serverless) in [
        (CacheService::ElastiCache, "elasticache", false),
        (CacheService::ElastiCacheServerless, "elasticache", true),
        (CacheService::MemoryDb, "memorydb", false),
    ] {
        let signer = CacheSigner::new(service, verify::CACHE, USER, None, &aws()).unwrap();
        let token = signer.token().await.unwrap();
        let verified = verify::token(&token, SystemTime::now());
        assert_eq!(verified.service, name);
        assert_eq!(token.contains("ResourceType=ServerlessCache"), serverless);
    }
}

/// Recomputes the signature from the documentation of Signature Version 4 ("Create a signed AWS API request", query
/// parameters), without the code that made it.
mod verify {
    use std::fmt::Write;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use aws_lc_rs::{digest, hmac};

    pub(super) const KEY_ID: &str = "AKIDEXAMPLE";
    pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    pub(super) const SESSION: &str =
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQ+W=";
    pub(super) const CACHE: &str = "orders-cache";

    pub(super) struct Verified {
        pub(super) service: String,
    }

    pub(super) fn token(token: &str, now: SystemTime) -> Verified {
        let (path, query) = token.split_once('?').unwrap();
        assert_eq!(path, format!("{CACHE}/"), "without a scheme");
        let pairs: Vec<_> = query.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
        let of = |name: &str| pairs.iter().find(|(found, _)| *found == name).unwrap().1;
        assert_eq!(of("Action"), "connect");
        assert_eq!(of("User"), super::USER);
        assert_eq!(of("X-Amz-Algorithm"), "AWS4-HMAC-SHA256");
        assert_eq!(of("X-Amz-Expires"), "900");
        assert_eq!(of("X-Amz-SignedHeaders"), "host");
        assert_eq!(decoded(of("X-Amz-Security-Token")), SESSION);

        let (date, credential) = (of("X-Amz-Date"), decoded(of("X-Amz-Credential")));
        let scope = credential.strip_prefix(&format!("{KEY_ID}/")).unwrap();
        let parts: Vec<_> = scope.split('/').collect();
        let [day, region, service, "aws4_request"] = parts[..] else { panic!("{scope}") };
        assert_eq!((day, region), (&date[..8], "eu-central-1"));
        assert!(age(date, now) < Duration::from_secs(60), "{date}");

        let mut signed: Vec<_> =
            pairs.iter().filter(|(name, _)| *name != "X-Amz-Signature").collect();
        signed.sort();
        let signed: Vec<_> = signed.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let nothing = hex(digest::digest(&digest::SHA256, b"").as_ref());
        let request = format!("GET\n/\n{}\nhost:{CACHE}\n\nhost\n{nothing}", signed.join("&"));
        let request = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
        let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{request}");
        let mut key = format!("AWS4{SECRET}").into_bytes();
        for part in [day, region, service, "aws4_request"] {
            key = mac(&key, part);
        }
        assert_eq!(hex(&mac(&key, &to_sign)), of("X-Amz-Signature"));
        Verified { service: service.to_owned() }
    }

    fn mac(key: &[u8], text: &str) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    }

    fn decoded(text: &str) -> String {
        percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
    }

    /// How long ago `20260102T030405Z` was, to the day and second.
    fn age(date: &str, now: SystemTime) -> Duration {
        let number = |from: usize, to: usize| date[from..to].parse::<u64>().unwrap();
        let of_day = number(9, 11) * 3_600 + number(11, 13) * 60 + number(13, 15);
        let now = now.duration_since(UNIX_EPOCH).unwrap().as_secs() % 86_400;
        Duration::from_secs((now + 86_400 - of_day) % 86_400)
    }
}
