//! One token for the whole fleet.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{millis, seconds};
use crate::{
    simulator::{
        Figure, SimulatorError,
        provider::{Provider, Way},
        run::Run,
        store::{Mood, Store},
        timeline::What,
    },
    token::{
        ClientAuthentication, ClientCredentials, ClientSecret, Endpoint, Token, TokenError,
        TokenGetter, TokenSource,
    },
};

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) async fn steady_refresh(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let lasting = run.watching(seconds(36_000), seconds(720_000));
    let all_live = Steady::of(run, 0.0, lasting).await?;
    let some_die = Steady::of(run, 0.02, lasting).await?;
    Ok(vec![
        Figure::at_most("grants", all_live.grants, 1.0),
        Figure::at_most("grants_with_2_percent_dying", some_die.grants, 1.05),
        // Two ways to the store: nobody waits for the provider but the one who asks it.
        Figure::at_most("longest_wait_s", all_live.longest.as_secs_f64(), 0.05),
        Figure::plain("store_ops", all_live.operations as f64),
    ])
}

pub(super) async fn cold_burst(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let redis = Cold::of(run, (100, 400), Duration::ZERO).await?;
    let spread = Cold::of(run, (100, 400), seconds(2)).await?;
    let dynamodb = Cold::of(run, (250, 1_000), Duration::ZERO).await?;
    let ssm = Cold::of(run, (500, 2_000), Duration::ZERO).await?;
    let grants = [&redis, &spread, &dynamodb, &ssm].iter().map(|cold| cold.grants).max();
    Ok(vec![
        Figure::exactly("grants", grants.unwrap_or_default() as f64, 1.0),
        Figure::at_most("longest_wait_s", redis.longest, 1.2),
        Figure::at_most("longest_wait_s_dynamodb", dynamodb.longest, 2.0),
        Figure::at_most("longest_wait_s_ssm", ssm.longest, 4.0),
        Figure::at_most("store_ops", redis.operations as f64, 4_500.0),
        Figure::at_most("store_ops_over_2_s", spread.operations as f64, 1_300.0),
    ])
}

pub(super) async fn store_down(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut fleet = Fleet::new(run);
    fleet.warm_up().await?;
    fleet.store.is(Mood::Down);
    let down = run.world.elapsed();
    fleet.go_on(0.0, seconds(3_700)).await;
    let (grants, peak) = (fleet.provider.grants_since(down), fleet.provider.peak_grants());
    Ok(vec![
        Figure::at_most("grants", grants as f64, run.instances as f64),
        Figure::at_most("peak_grants_per_s", peak as f64, 12.0),
        Figure::exactly("not_served", fleet.not_served as f64, 0.0),
    ])
}

pub(super) async fn rejected_token(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut fleet = Fleet::new(run);
    fleet.warm_up().await?;
    let revoked = run.world.elapsed();
    let replace = |getter: TokenGetter| async move {
        let token = getter.token().await?;
        getter.rejected(&token).await
    };
    let answers = fleet.all(Duration::ZERO, replace).await?;
    Ok(vec![
        Figure::exactly("grants", fleet.provider.asked_since(revoked) as f64, 1.0),
        Figure::plain("longest_wait_s", longest(&answers).as_secs_f64()),
        Figure::exactly("not_served", not_served(&answers) as f64, 0.0),
    ])
}

pub(super) async fn provider_outage(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut fleet = Fleet::new(run);
    fleet.provider.is_down(true);
    let began = run.world.elapsed();
    let provider = Arc::clone(&fleet.provider);
    let back = async move {
        sleep(seconds(30)).await;
        provider.is_down(false);
    };
    let mut repair = JoinSet::new();
    repair.spawn(back);
    // Every instance is called again and again, as its users would.
    let insist = |getter: TokenGetter| async move {
        loop {
            match getter.token().await {
                Err(_) => sleep(millis(200)).await,
                served => return served,
            }
        }
    };
    let answers = fleet.all(Duration::ZERO, insist).await?;
    let served = longest(&answers).saturating_sub(seconds(30));
    Ok(vec![
        Figure::at_most("requests", fleet.provider.asked_since(began) as f64, 12.0),
        Figure::exactly("grants", fleet.provider.grants_since(began) as f64, 1.0),
        Figure::at_most("seconds_to_served", served.as_secs_f64(), 6.0),
    ])
}

/// A fleet that goes on and on.
struct Steady {
    grants: f64,
    longest: Duration,
    operations: u64,
}

impl Steady {
    async fn of(run: &Run, dying: f64, lasting: Duration) -> Result<Self, SimulatorError> {
        let mut fleet = Fleet::new(run);
        fleet.warm_up().await?;
        let before = operations(&fleet);
        fleet.go_on(dying, lasting).await;
        Ok(Self {
            grants: fleet.provider.grants_per_need(HOUR / 4),
            longest: fleet.longest,
            operations: operations(&fleet) - before,
        })
    }
}

/// A fleet that starts.
struct Cold {
    grants: usize,
    longest: f64,
    operations: u64,
}

impl Cold {
    /// All of them start within `spread`, and look at the store `poll` milliseconds apart.
    async fn of(run: &Run, poll: (u64, u64), spread: Duration) -> Result<Self, SimulatorError> {
        let mut fleet = Fleet { poll, ..Fleet::new(run) };
        let began = run.world.elapsed();
        let fetch = |getter: TokenGetter| async move { getter.token().await };
        let answers = fleet.all(spread, fetch).await?;
        let grants = fleet.provider.grants_since(began);
        let longest =
            if not_served(&answers) > 0 { f64::INFINITY } else { longest(&answers).as_secs_f64() };
        Ok(Self { grants, longest, operations: operations(&fleet) })
    }
}

/// Getters on one store, or each on its own where the state is not shared.
struct Fleet {
    run: Run,
    store: Arc<Store>,
    provider: Arc<Provider>,
    getters: Vec<TokenGetter>,
    poll: (u64, u64),
    not_served: u64,
    longest: Duration,
}

/// What a caller got, and how long that took.
type Answer = (Result<Token, TokenError>, Duration);

impl Fleet {
    fn new(run: &Run) -> Self {
        Self {
            run: run.clone(),
            store: Store::new(&run.world),
            provider: Provider::new(&run.world, &run.recorder, HOUR),
            getters: Vec::new(),
            poll: (100, 400),
            not_served: 0,
            longest: Duration::ZERO,
        }
    }

    /// Everybody has a token.
    async fn warm_up(&mut self) -> Result<(), SimulatorError> {
        let fetch = |getter: TokenGetter| async move { getter.token().await };
        for (token, _) in self.all(Duration::ZERO, fetch).await? {
            token?;
        }
        Ok(())
    }

    /// Every instance does this, at moments spread evenly over `spread`.
    async fn all<F>(
        &mut self,
        spread: Duration,
        work: impl Fn(TokenGetter) -> F,
    ) -> Result<Vec<Answer>, SimulatorError>
    where
        F: Future<Output = Result<Token, TokenError>> + Send + 'static,
    {
        if self.getters.is_empty() {
            let new = |_| getter(&self.run, &self.store, Way::to(&self.provider, 0.0), self.poll);
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
    async fn go_on(&mut self, dying: f64, lasting: Duration) {
        let ends = Instant::now() + lasting;
        let mut instances = JoinSet::new();
        for getter in &self.getters {
            let instance = Instance {
                run: self.run.clone(),
                store: Arc::clone(&self.store),
                provider: Arc::clone(&self.provider),
                poll: self.poll,
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
    poll: (u64, u64),
    dying: f64,
}

impl Instance {
    /// How many callers were not served, and the longest that one waited who did not have to ask
    /// the provider.
    async fn live(self, mut getter: Option<TokenGetter>, ends: Instant) -> (u64, Duration) {
        let chance = self.run.world.chance();
        let mut way = Way::to(&self.provider, self.dying);
        let (mut not_served, mut longest) = (0, Duration::ZERO);
        loop {
            sleep(chance.up_to(seconds(20))).await;
            self.run.tell();
            if Instant::now() >= ends {
                return (not_served, longest);
            }
            if way.is_dead() {
                (getter, way) = (None, Way::to(&self.provider, self.dying));
            }
            let new = || self::getter(&self.run, &self.store, way.clone(), self.poll).ok();
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

fn getter(
    run: &Run,
    store: &Arc<Store>,
    way: Way,
    (shortest, longest): (u64, u64),
) -> Result<TokenGetter, SimulatorError> {
    let store = match run.settings.unshared {
        true => Store::new(&run.world),
        false => Arc::clone(store),
    };
    let credentials = ClientCredentials::new(
        Endpoint::TokenUrl("https://login.example/token".to_owned()),
        "fleet",
        ClientAuthentication::basic(ClientSecret::new("simulated")),
    );
    let getter = TokenGetter::builder(credentials, store)
        .grant(way)
        .clock(run.world.clock())
        .chance(run.world.chance())
        .poll(millis(shortest), millis(longest))
        .build()?;
    Ok(getter)
}

fn longest(answers: &[Answer]) -> Duration {
    answers.iter().map(|(_, took)| *took).max().unwrap_or_default()
}

fn not_served(answers: &[Answer]) -> usize {
    answers.iter().filter(|(token, _)| token.is_err()).count()
}

fn operations(fleet: &Fleet) -> u64 {
    fleet.store.operations()
}
