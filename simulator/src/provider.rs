//! The simulated identity provider. It grants tokens, can be down, and records its requests.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use funcify_core::{engine::Chance, token::AccessToken};
use tokio::time::sleep;

use super::{
    store::lock,
    timeline::{Happening, Recorder},
    world::World,
};
use funcify::token::{ClientCredentials, ClientSecret, Grant, GrantError, Granted};

/// How long an answer takes.
const LATENCY: Duration = Duration::from_millis(270);

/// One identity provider.
#[derive(Debug)]
pub(super) struct Provider {
    world: Arc<World>,
    chance: Chance,
    recorder: Arc<Recorder>,
    lifetime: Duration,
    is_down: AtomicBool,
    requests: Mutex<Vec<Duration>>,
    grants: Mutex<Vec<Duration>>,
}

impl Provider {
    pub(super) fn new(
        world: &Arc<World>,
        recorder: &Arc<Recorder>,
        lifetime: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            chance: world.chance(),
            recorder: Arc::clone(recorder),
            lifetime,
            is_down: AtomicBool::new(false),
            requests: Mutex::default(),
            grants: Mutex::default(),
        })
    }

    pub(super) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// How many requests came at or after `since`, whether they were answered with a token or not.
    pub(super) fn requests_since(&self, since: Duration) -> usize {
        lock(&self.requests).iter().filter(|at| **at >= since).count()
    }

    /// How many tokens the provider granted at or after `since`.
    pub(super) fn grants_since(&self, since: Duration) -> usize {
        lock(&self.grants).iter().filter(|at| **at >= since).count()
    }

    /// How many grants there were for each grant that was needed. Grants less than `apart` from each other
    /// count as made for the same need.
    pub(super) fn grants_per_need(&self, apart: Duration) -> f64 {
        let granted = lock(&self.grants);
        let again = granted.windows(2).filter(|pair| match pair {
            [one, next] => next.saturating_sub(*one) < apart,
            _ => false,
        });
        let needs = granted.len() - again.count();
        granted.len() as f64 / needs.max(1) as f64
    }

    /// The largest number of grants within one second.
    pub(super) fn peak_grants(&self) -> usize {
        let mut within = VecDeque::new();
        let mut most = 0;
        for at in lock(&self.grants).iter() {
            within.push_back(*at);
            while within.front().is_some_and(|first| *at - *first >= Duration::from_secs(1)) {
                within.pop_front();
            }
            most = most.max(within.len());
        }
        most
    }

    async fn answer(&self) -> Result<Granted, GrantError> {
        lock(&self.requests).push(self.world.elapsed());
        self.recorder.count(Happening::Probe);
        sleep(LATENCY).await;
        if self.is_down.load(Ordering::Relaxed) {
            return Err(GrantError::Unavailable { status: 503, retry_after: None });
        }
        let mut granted = lock(&self.grants);
        granted.push(self.world.elapsed());
        let mut token = Granted::from(AccessToken::from(format!("token-{}", granted.len())));
        token.expires_in = Some(self.lifetime);
        Ok(token)
    }
}

/// One instance's connection to the provider. The instance may die while it waits for an answer.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    provider: Arc<Provider>,
    death_rate: f64,
    is_dead: Arc<AtomicBool>,
}

impl Connection {
    /// A connection of an instance that dies, at each request, with the probability `death_rate`.
    pub(super) fn new(provider: &Arc<Provider>, death_rate: f64) -> Self {
        Self { provider: Arc::clone(provider), death_rate, is_dead: Arc::default() }
    }

    /// Whether the instance has died.
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Grant for Connection {
    async fn grant(
        &self,
        _: &ClientCredentials,
        _: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        let answer = self.provider.answer().await;
        if self.death_rate > 0.0 && self.provider.chance.draw() < self.death_rate {
            self.is_dead.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        answer
    }
}
