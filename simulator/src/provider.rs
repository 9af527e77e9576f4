//! The identity provider: it grants, is down, and remembers when it was asked.

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
    timeline::{Recorder, What},
    world::World,
};
use funcify::token::{ClientCredentials, ClientSecret, Grant, GrantError, Granted};

/// How long it takes to answer.
const LATENCY: Duration = Duration::from_millis(270);

/// One identity provider.
#[derive(Debug)]
pub(super) struct Provider {
    world: Arc<World>,
    chance: Chance,
    recorder: Arc<Recorder>,
    lifetime: Duration,
    is_down: AtomicBool,
    asked: Mutex<Vec<Duration>>,
    granted: Mutex<Vec<Duration>>,
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
            asked: Mutex::default(),
            granted: Mutex::default(),
        })
    }

    pub(super) fn is_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// How often it was asked since `since`, whatever it answered.
    pub(super) fn asked_since(&self, since: Duration) -> usize {
        lock(&self.asked).iter().filter(|at| **at >= since).count()
    }

    /// How often it granted a token since `since`.
    pub(super) fn grants_since(&self, since: Duration) -> usize {
        lock(&self.granted).iter().filter(|at| **at >= since).count()
    }

    /// How many grants there were for each time that one was needed: grants that are less than
    /// `apart` from each other were for the same need.
    pub(super) fn grants_per_need(&self, apart: Duration) -> f64 {
        let granted = lock(&self.granted);
        let again = granted.windows(2).filter(|pair| match pair {
            [one, next] => next.saturating_sub(*one) < apart,
            _ => false,
        });
        let needs = granted.len() - again.count();
        granted.len() as f64 / needs.max(1) as f64
    }

    /// The most grants within one second.
    pub(super) fn peak_grants(&self) -> usize {
        let mut within = VecDeque::new();
        let mut most = 0;
        for at in lock(&self.granted).iter() {
            within.push_back(*at);
            while within.front().is_some_and(|first| *at - *first >= Duration::from_secs(1)) {
                within.pop_front();
            }
            most = most.max(within.len());
        }
        most
    }

    async fn answer(&self) -> Result<Granted, GrantError> {
        lock(&self.asked).push(self.world.elapsed());
        self.recorder.count(What::Probe);
        sleep(LATENCY).await;
        if self.is_down.load(Ordering::Relaxed) {
            return Err(GrantError::Unavailable { status: 503, retry_after: None });
        }
        let mut granted = lock(&self.granted);
        granted.push(self.world.elapsed());
        Ok(Granted {
            token: AccessToken::new(format!("token-{}", granted.len())),
            expires_in: Some(self.lifetime),
            scope: None,
        })
    }
}

/// The way of one instance to the provider; an instance may die on it.
#[derive(Clone, Debug)]
pub(super) struct Way {
    provider: Arc<Provider>,
    dying: f64,
    is_dead: Arc<AtomicBool>,
}

impl Way {
    /// A way on which this part of those who ask dies.
    pub(super) fn to(provider: &Arc<Provider>, dying: f64) -> Self {
        Self { provider: Arc::clone(provider), dying, is_dead: Arc::default() }
    }

    /// Whether the instance died.
    pub(super) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Grant for Way {
    async fn grant(
        &self,
        _: &ClientCredentials,
        _: Option<&ClientSecret>,
    ) -> Result<Granted, GrantError> {
        let answer = self.provider.answer().await;
        if self.dying > 0.0 && self.provider.chance.draw() < self.dying {
            self.is_dead.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        answer
    }
}
