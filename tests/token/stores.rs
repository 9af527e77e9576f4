//! The same promise on every store: one grant for a cold fleet, and one when the token ends.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use funcify::{
    backend::Stores,
    token::{
        ClientCredentials, ClientSecret, Grant, GrantError, Granted, TokenGetter, TokenKey,
        TokenSource,
    },
};
use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
use tokio::time::{Instant, sleep};

use super::fleet::{Provider, at_once, credentials};
use crate::support::env;

/// How long a token lives here.
const LIFETIME: Duration = Duration::from_secs(8);

/// How far apart looks at the store are.
type Poll = (Duration, Duration);

/// The provider of the other tests, with tokens that soon end.
#[derive(Debug)]
struct ShortLived(Provider);

#[async_trait]
impl Grant for ShortLived {
    async fn grant(
        &self,
        credentials: &ClientCredentials,
        secret: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        let granted = self.0.grant(credentials, secret).await?;
        Ok(Granted { expires_in: Some(LIFETIME), ..granted })
    }
}

/// Processes that share a client by tens.
async fn fleet(url: &str, key: &str, size: usize, poll: Poll) -> (Vec<TokenGetter>, Provider) {
    let (provider, mut getters) = (Provider::default(), Vec::new());
    let key = TokenKey::new(format!("{key}-{:x}", env::seed())).unwrap();
    for _ in 0..size / 10 {
        let stores = Stores::from_url(url).await.unwrap();
        // Connected, as a function is after its first call.
        stores.tokens.read(&key).await.unwrap();
        for _ in 0..10 {
            let secret = ClientSecret::new("secret");
            let builder = TokenGetter::builder(credentials(secret), Arc::clone(&stores.tokens));
            let builder = builder.key(key.clone()).poll(poll.0, poll.1);
            getters.push(builder.grant(ShortLived(provider.clone())).build().unwrap());
        }
    }
    (getters, provider)
}

async fn one_grant_cold_and_one_at_the_end(url: &str, key: &str, size: usize, poll: Poll) {
    let (getters, provider) = fleet(url, key, size, poll).await;
    for expected in [1, 2] {
        let begun = Instant::now();
        let tokens = at_once(&getters, async |getter| getter.token().await.unwrap()).await;
        println!("{url}: {size} served in {:?}", begun.elapsed());
        assert_eq!(provider.grants(), expected);
        let minted = tokens.iter().filter(|token| token.source() == TokenSource::Minted);
        assert_eq!(minted.count(), 1);
        sleep(LIFETIME).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_a_cold_fleet_of_200_costs_one_grant() {
    let poll = (Duration::from_millis(100), Duration::from_millis(400));
    let url = format!("{}?prefix=funcify-test", env::redis());
    one_grant_cold_and_one_at_the_end(&url, "redis", 200, poll).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_dynamodb_a_cold_fleet_of_200_costs_one_grant() {
    let poll = (Duration::from_millis(250), Duration::from_millis(1_000));
    make_table(&env::dynamodb()).await;
    one_grant_cold_and_one_at_the_end(&env::dynamodb(), "dynamodb", 200, poll).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_ssm_a_cold_fleet_of_50_costs_one_grant() {
    let poll = (Duration::from_millis(500), Duration::from_millis(2_000));
    one_grant_cold_and_one_at_the_end(&env::ssm(), "ssm", 50, poll).await;
}

async fn make_table(url: &str) {
    let config = DynamoDbConfig::parse(url).unwrap();
    let aws = aws_config::defaults(BehaviorVersion::latest()).load().await;
    DynamoDbBackend::new(config, &aws).unwrap().create_table().await.unwrap();
}
