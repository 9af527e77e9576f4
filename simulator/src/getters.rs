//! A fleet of instances, each with its own token getter.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    SimulatorError,
    provider::{Connection, Provider},
    run::Run,
    store::{Store, StoreKind},
    timeline::Happening,
};
use funcify::token::{
    ClientCredentials, ClientSecret, Endpoint, Token, TokenError, TokenGetter, TokenSource,
};

/// The default lifetime of a token.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// Token getters that share one store, or have a store each if the state is not shared.
pub(super) struct Getters {
    run: Run,
    pub(super) store: Arc<Store>,
    pub(super) provider: Arc<Provider>,
    getters: Vec<TokenGetter>,
    pub(super) not_served: u64,
    pub(super) longest: Duration,
}

/// The token or the error that a caller got, and how long it waited.
pub(super) type Answer = (Result<Token, TokenError>, Duration);

impl Getters {
    pub(super) fn new(run: &Run) -> Self {
        Self {
            run: run.clone(),
            store: Store::new(&run.world),
            provider: Provider::new(&run.world, &run.recorder, HOUR),
            getters: Vec::new(),
            not_served: 0,
            longest: Duration::ZERO,
        }
    }

    /// Replaces the store with one of this kind.
    pub(super) fn with_store(self, kind: StoreKind) -> Self {
        Self { store: Store::of_kind(&self.run.world, kind), ..self }
    }

    /// Replaces the provider with one whose tokens have this lifetime.
    pub(super) fn with_lifetime(self, lifetime: Duration) -> Self {
        let provider = Provider::new(&self.run.world, &self.run.recorder, lifetime);
        Self { provider, ..self }
    }

    /// Gives every instance a token.
    pub(super) async fn warm_up(&mut self) -> Result<(), SimulatorError> {
        let fetch = |getter: TokenGetter| async move { getter.token().await };
        for (token, _) in self.all(Duration::ZERO, fetch).await? {
            token?;
        }
        Ok(())
    }

    /// Runs `work` on every instance, at moments spread evenly over `spread`.
    pub(super) async fn all<F>(
        &mut self,
        spread: Duration,
        work: impl Fn(TokenGetter) -> F,
    ) -> Result<Vec<Answer>, SimulatorError>
    where
        F: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        if self.getters.is_empty() {
            let new = |_| getter(&self.run, &self.store, Connection::new(&self.provider, 0.0));
            self.getters = (0..self.run.instances).map(new).collect::<Result<_, _>>()?;
        }
        let mut callers = JoinSet::new();
        let (began, count) = (Instant::now(), self.getters.len().max(1) as f64);
        for (index, getter) in self.getters.iter().enumerate() {
            let work = work(getter.clone());
            let recorder = Arc::clone(&self.run.recorder);
            let at = began + spread.mul_f64(index as f64 / count);
            callers.spawn(async move {
                sleep_until(at).await;
                let token = work.await;
                recorder.count(if token.is_ok() { Happening::Passed } else { Happening::Failed });
                (token, at.elapsed())
            });
        }
        let mut answers = Vec::new();
        while let Some(answer) = callers.join_next().await {
            answers.extend(answer);
        }
        Ok(answers)
    }

    /// Calls every instance about every ten seconds, for the time `lasting`. If an instance sends a request
    /// to the provider, it dies before the answer with the probability `death_rate`, and a new one replaces
    /// it.
    pub(super) async fn run_for(&mut self, death_rate: f64, lasting: Duration) {
        let ends = Instant::now() + lasting;
        let mut instances = JoinSet::new();
        for getter in &self.getters {
            let instance = Instance {
                run: self.run.clone(),
                store: Arc::clone(&self.store),
                provider: Arc::clone(&self.provider),
                death_rate,
            };
            instances.spawn(instance.live((death_rate == 0.0).then(|| getter.clone()), ends));
        }
        while let Some(life) = instances.join_next().await {
            let (not_served, longest) = life.unwrap_or_default();
            self.not_served += not_served;
            self.longest = self.longest.max(longest);
        }
    }
}

/// One position in the fleet, and the processes that fill it one after another.
struct Instance {
    run: Run,
    store: Arc<Store>,
    provider: Arc<Provider>,
    death_rate: f64,
}

impl Instance {
    /// Returns how many callers got no token, and the longest wait of a caller that did not itself
    /// request the token from the provider.
    async fn live(self, mut getter: Option<TokenGetter>, ends: Instant) -> (u64, Duration) {
        let chance = self.run.world.chance();
        let mut connection = Connection::new(&self.provider, self.death_rate);
        let clock = self.run.world.clock();
        let (mut not_served, mut longest) = (0, Duration::ZERO);
        loop {
            sleep(chance.up_to(Duration::from_secs(20))).await;
            self.run.report_progress();
            if Instant::now() >= ends {
                return (not_served, longest);
            }
            if connection.is_dead() {
                (getter, connection) = (None, Connection::new(&self.provider, self.death_rate));
            }
            let new = || self::getter(&self.run, &self.store, connection.clone()).ok();
            let Some(getter) =
                getter.clone().or_else(new).inspect(|new| getter = Some(new.clone()))
            else {
                return (not_served + 1, longest);
            };
            let began = Instant::now();
            match unless_dead(&connection, getter.token()).await {
                // The process died with its caller.
                None => {}
                Some(Ok(token)) => {
                    if token.source() != TokenSource::Minted {
                        longest = longest.max(began.elapsed());
                    }
                    self.run.recorder.count(Happening::Passed);
                    // Until the token is due, a call reads it from memory and changes nothing.
                    sleep(token.refresh_at().since(clock.now())).await;
                }
                Some(Err(_)) => {
                    not_served += 1;
                    self.run.recorder.count(Happening::Failed);
                }
            }
        }
    }
}

/// Polls `work` until its process dies. Returns `None` if it does.
async fn unless_dead<T>(connection: &Connection, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if connection.is_dead() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

fn getter(
    run: &Run,
    store: &Arc<Store>,
    connection: Connection,
) -> Result<TokenGetter, SimulatorError> {
    let store = match run.settings.unshared {
        true => Store::new(&run.world),
        false => Arc::clone(store),
    };
    let credentials = ClientCredentials::new(
        Endpoint::TokenUrl("https://login.example/token".to_owned()),
        "fleet",
        ClientSecret::from("simulated"),
    );
    let getter = TokenGetter::builder(credentials, store)
        .grant(connection)
        .clock(run.world.clock())
        .chance(run.world.chance())
        .build()?;
    Ok(getter)
}
