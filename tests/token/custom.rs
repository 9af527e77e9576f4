//! The parts that users may write themselves: a grant, a secret source, a signer and a token store. Of the
//! crates in this repository, this file imports only `funcify`.

use std::{
    collections::HashMap,
    error::Error,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify::{
    StoreError, StoreErrorKind,
    register::{PollPolicy, RecordName, Swap, Version, Versioned, WriteId},
    token::{
        AccessToken, ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, Grant,
        GrantError, Granted, SecretSource, Signer, TokenError, TokenGetter,
        TokenPersistenceProvider, TokenRecord, TokenSource,
    },
};

type BoxError = Box<dyn Error + Send + Sync>;

/// A provider with its own protocol.
#[derive(Clone, Debug, Default)]
struct Sidecar {
    granted: Arc<AtomicU64>,
}

#[async_trait]
impl Grant for Sidecar {
    async fn grant(
        &self,
        credentials: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        let proof = match &credentials.authentication {
            ClientAuthentication::Basic(_) | ClientAuthentication::Post(_) => {
                secret.map(|secret| secret.expose().to_owned()).unwrap_or_default()
            }
            ClientAuthentication::PrivateKeyJwt(signer) => {
                let signed = signer.sign(credentials.client_id.as_bytes()).await;
                String::from_utf8_lossy(&signed.map_err(GrantError::Signature)?).into_owned()
            }
            other => return Err(GrantError::Signature(format!("{other:?}").into())),
        };
        let Endpoint::TokenUrl(url) = &credentials.endpoint else {
            return Err(GrantError::Discovery("expected a token URL".into()));
        };
        match proof.as_str() {
            "open sesame" => {}
            "closed" => return Err(GrantError::Unreachable("no route to host".into())),
            "slow" => {
                let retry_after = Some(Duration::from_secs(7));
                return Err(GrantError::Unavailable { status: 503, retry_after });
            }
            _ => {
                let code = "invalid_client".to_owned();
                return Err(GrantError::Refused { status: 401, code });
            }
        }
        let number = self.granted.fetch_add(1, Ordering::SeqCst) + 1;
        let mut granted = Granted::from(AccessToken::from(format!("{url}#{number}")));
        granted.expires_in = Some(Duration::from_secs(600));
        granted.scope = credentials.scope.clone();
        Ok(granted)
    }
}

/// A secret store.
#[derive(Debug)]
struct Vault(&'static str);

#[async_trait]
impl SecretSource for Vault {
    async fn secret(&self) -> Result<ClientSecret, BoxError> {
        match self.0 {
            "sealed" => Err("the vault is sealed".into()),
            secret => Ok(ClientSecret::from(secret)),
        }
    }
}

/// A key service.
#[derive(Debug)]
struct KeyService;

#[async_trait]
impl Signer for KeyService {
    fn algorithm(&self) -> &str {
        "ES256"
    }

    fn header(&self) -> Vec<(String, String)> {
        vec![("kid".to_owned(), "2026-11".to_owned())]
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BoxError> {
        Ok(if message == b"warehouse" { b"open sesame".to_vec() } else { Vec::new() })
    }
}

/// A token store.
#[derive(Debug, Default)]
struct Shelf {
    records: Mutex<HashMap<String, (Version, TokenRecord)>>,
    is_down: bool,
}

impl Shelf {
    fn check(&self) -> Result<(), StoreError> {
        if self.is_down {
            return Err(StoreError::new("shelf", StoreErrorKind::Unavailable, "it fell over"));
        }
        Ok(())
    }
}

#[async_trait]
impl TokenPersistenceProvider for Shelf {
    async fn read(&self, key: &RecordName) -> Result<Option<Versioned<TokenRecord>>, StoreError> {
        self.check()?;
        let records = self.records.lock().unwrap();
        let found = records.get(&key.to_string()).cloned();
        Ok(found.map(|(version, record)| Versioned::new(record, version)))
    }

    async fn write(
        &self,
        key: &RecordName,
        expected: Option<Version>,
        id: WriteId,
        next: &TokenRecord,
    ) -> Result<Swap<TokenRecord>, StoreError> {
        self.check()?;
        let mut records = self.records.lock().unwrap();
        let current = records.get(&key.to_string());
        let version = Version::from(id);
        if current.map(|(version, _)| *version) != expected {
            let current = current.cloned();
            return Ok(Swap::Conflict(
                current.map(|(version, record)| Versioned::new(record, version)),
            ));
        }
        records.insert(key.to_string(), (version, next.clone()));
        Ok(Swap::Applied(version))
    }

    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::default()
    }
}

fn getter(
    store: &Arc<Shelf>,
    grant: &Sidecar,
    authentication: impl Into<ClientAuthentication>,
) -> TokenGetter {
    let url = Endpoint::TokenUrl("https://login.example/token".to_owned());
    let mut credentials = ClientCredentials::new(url, "warehouse", authentication);
    credentials.scope = Some("orders:read".to_owned());
    let builder = TokenGetter::builder(credentials, Arc::clone(store) as _);
    builder.grant(grant.clone()).build().unwrap()
}

#[tokio::test]
async fn a_grant_a_secret_source_and_a_store_of_the_users_own_share_one_token() {
    let (store, grant) = (Arc::new(Shelf::default()), Sidecar::default());
    let one = getter(&store, &grant, Vault("open sesame")).token().await.unwrap();
    let other = getter(&store, &grant, Vault("open sesame")).token().await.unwrap();
    assert_eq!((one.source(), other.source()), (TokenSource::Minted, TokenSource::Store));
    for token in [one, other] {
        assert_eq!(token.expose(), "https://login.example/token#1");
        assert_eq!(token.scope(), Some("orders:read"));
    }
}

#[tokio::test]
async fn a_signer_of_the_users_own_proves_the_client() {
    let (store, grant) = (Arc::new(Shelf::default()), Sidecar::default());
    let signer = ClientAuthentication::PrivateKeyJwt(Arc::new(KeyService));
    assert_eq!(getter(&store, &grant, signer).token().await.unwrap().source(), TokenSource::Minted);
}

#[tokio::test]
async fn errors_of_the_users_own_parts_reach_the_caller() {
    let error = async |secret| {
        let (store, grant) = (Arc::new(Shelf::default()), Sidecar::default());
        getter(&store, &grant, Vault(secret)).token().await.unwrap_err()
    };
    let TokenError::Credentials(cause) = error("sealed").await else { panic!("it has a secret") };
    assert_eq!(cause.to_string(), "the vault is sealed");
    for (secret, refusal) in [
        ("wrong", "the identity provider refused with 401 `invalid_client`"),
        ("closed", "the identity provider could not be reached"),
        ("slow", "the identity provider responded with status 503"),
    ] {
        let error = error(secret).await;
        let TokenError::Grant(cause) = &error else { panic!("{error}") };
        assert_eq!(cause.to_string(), refusal);
        let again = (secret == "slow").then_some(Duration::from_secs(7));
        assert_eq!(error.retry_after(), again, "{secret}");
    }
}

#[tokio::test]
async fn a_store_of_the_users_own_that_is_down_keeps_nobody_from_a_token() {
    let store = Arc::new(Shelf { is_down: true, ..Shelf::default() });
    let getter = getter(&store, &Sidecar::default(), ClientSecret::from("open sesame"));
    assert_eq!(getter.token().await.unwrap().source(), TokenSource::Minted);
    assert_eq!(getter.metrics().without_store, 1);
}

#[test]
fn this_file_imports_nothing_of_ours_but_the_facade() {
    let crates: Vec<_> = include_str!("custom.rs").split("funcify_").skip(1).collect();
    assert_eq!(crates.len(), 1, "only in this line");
}
