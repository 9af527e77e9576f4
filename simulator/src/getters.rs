//! The instances of a fleet, each with a token getter of its own.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use funcify_core::register::PollPolicy;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{
    SimulatorError,
    provider::{Provider, Way},
    run::Run,
    store::Store,
    timeline::What,
};
use funcify::token::{
    ClientCredentials, ClientSecret, Endpoint, Token, TokenError, TokenGetter, TokenSource,
};

/// How long a token lives.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// Getters on one store, or each on its own where the state is not shared.
pub(super) struct Getters {
    run: Run,
    pub(super) store: Arc<Store>,
    pub(super) provider: Arc<Provider>,
    getters: Vec<TokenGetter>,
    pub(super) not_served: u64,
    pub(super) longest: Duration,
}

/// What a caller got, and how long that took.
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

    /// They look at their store as it asks for.
    pub(super) fn with_pace(self, pace: PollPolicy) -> Self {
        Self { store: Store::paced(&self.run.world, pace), ..self }
    }

    /// Everybody has a token.
    pub(super) async fn warm_up(&mut self) -> Result<(), SimulatorError> {
        let fetch = |getter: TokenGetter| async move { getter.token().await };
        for (token, _) in self.all(Duration::ZERO, fetch).await? {
            token?;
        }
        Ok(())
    }

    /// Every instance does this, at moments spread evenly over `spread`.
    pub(super) async fn all<F>(
        &mut self,
        spread: Duration,
        work: impl Fn(TokenGetter) -> F,
    ) -> Result<Vec<Answer>, SimulatorError>
    where
        F: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        if self.getters.is_empty() {
            let new = |_| getter(&self.run, &self.store, Way::to(&self.provider, 0.0));
            self.getters = (0..self.run.instances).map(new).collect::<Result<_, _>>()?;
        }
        let mut callers = JoinSet::new();
        let (began, count) = (Instant::now(), self.getters.len().max(1) as f64);
        for (place, getter) in self.getters.iter().enumerate() {
            let work = work(getter.clone());
            let recorder = Arc::clone(&self.run.recorder);
            let at = began + spread.mul_f64(place as f64 / count);
            callers.spawn(async move {
                sleep_until(at).await;
                let token = work.await;
                recorder.count(if token.is_ok() { What::Passed } else { What::Failed });
                (token, at.elapsed())
            });
        }
        let mut answers = Vec::new();
        while let Some(answer) = callers.join_next().await {
            answers.extend(answer);
        }
        Ok(answers)
    }

    /// Every instance is called about every ten seconds; this part of those who ask the provider
    /// dies of it, and another one takes the place.
    pub(super) async fn go_on(&mut self, dying: f64, lasting: Duration) {
        let ends = Instant::now() + lasting;
        let mut instances = JoinSet::new();
        for getter in &self.getters {
            let instance = Instance {
                run: self.run.clone(),
                store: Arc::clone(&self.store),
                provider: Arc::clone(&self.provider),
                dying,
            };
            instances.spawn(instance.live((dying == 0.0).then(|| getter.clone()), ends));
        }
        while let Some(life) = instances.join_next().await {
            let (not_served, longest) = life.unwrap_or_default();
            self.not_served += not_served;
            self.longest = self.longest.max(longest);
        }
    }
}

/// One place in the fleet, and the processes that take it one after another.
struct Instance {
    run: Run,
    store: Arc<Store>,
    provider: Arc<Provider>,
    dying: f64,
}

impl Instance {
    /// How many callers were not served, and the longest that one waited who did not have to ask
    /// the provider.
    async fn live(self, mut getter: Option<TokenGetter>, ends: Instant) -> (u64, Duration) {
        let chance = self.run.world.chance();
        let mut way = Way::to(&self.provider, self.dying);
        let clock = self.run.world.clock();
        let (mut not_served, mut longest) = (0, Duration::ZERO);
        loop {
            sleep(chance.up_to(Duration::from_secs(20))).await;
            self.run.tell();
            if Instant::now() >= ends {
                return (not_served, longest);
            }
            if way.is_dead() {
                (getter, way) = (None, Way::to(&self.provider, self.dying));
            }
            let new = || self::getter(&self.run, &self.store, way.clone()).ok();
            let Some(getter) =
                getter.clone().or_else(new).inspect(|new| getter = Some(new.clone()))
            else {
                return (not_served + 1, longest);
            };
            let began = Instant::now();
            match unless_dead(&way, getter.token()).await {
                // It was the process that died: nobody is there to be served.
                None => {}
                Some(Ok(token)) => {
                    if token.source() != TokenSource::Minted {
                        longest = longest.max(began.elapsed());
                    }
                    self.run.recorder.count(What::Passed);
                    // Until the token is due each call is a hit, which changes nothing anywhere.
                    sleep(token.refresh_at().since(clock.now())).await;
                }
                Some(Err(_)) => {
                    not_served += 1;
                    self.run.recorder.count(What::Failed);
                }
            }
        }
    }
}

/// Goes on as long as its process lives.
async fn unless_dead<T>(way: &Way, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if way.is_dead() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

fn getter(run: &Run, store: &Arc<Store>, way: Way) -> Result<TokenGetter, SimulatorError> {
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
        .grant(way)
        .clock(run.world.clock())
        .chance(run.world.chance())
        .build()?;
    Ok(getter)
}
