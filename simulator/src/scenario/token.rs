//! Scenarios of the fleet's shared token.

use std::{sync::Arc, time::Duration};

use funcify_core::register::PollPolicy;
use tokio::{task::JoinSet, time::sleep};

use super::policy::{millis, seconds};
use crate::{
    Figure, SimulatorError,
    getters::{Answer, Getters, HOUR},
    run::Run,
    store::StoreKind,
};
use funcify::token::TokenGetter;

pub(super) async fn steady_refresh(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let lasting = run.duration(seconds(36_000), seconds(720_000));
    let all_live = Steady::of(run, 0.0, lasting).await?;
    let some_die = Steady::of(run, 0.02, lasting).await?;
    Ok(vec![
        Figure::at_most("grants", all_live.grants, 1.0),
        Figure::at_most("grants_with_2_percent_dying", some_die.grants, 1.05),
        // Two trips to the store. Only the instance that requests the token waits for the provider.
        Figure::at_most("longest_wait_s", all_live.longest.as_secs_f64(), 0.05),
        Figure::plain("store_ops", all_live.operations as f64),
    ])
}

pub(super) async fn cold_burst(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let default = StoreKind::default();
    let redis = Cold::of(run, default.clone(), Duration::ZERO).await?;
    let spread = Cold::of(run, default.clone(), seconds(2)).await?;
    let far = StoreKind { latency: millis(300), ..default.clone() };
    let far = Cold::of(run, far, Duration::ZERO).await?;
    let poll_policy = PollPolicy::new(millis(250), millis(1_000));
    let dynamodb = StoreKind { poll_policy, ..default };
    let dynamodb = Cold::of(run, dynamodb, Duration::ZERO).await?;
    let ssm = Cold::of(run, ssm(), Duration::ZERO).await?;
    let grants = [&redis, &spread, &far, &dynamodb, &ssm].iter().map(|cold| cold.grants).max();
    Ok(vec![
        Figure::exactly("grants", grants.unwrap_or_default() as f64, 1.0),
        Figure::at_most("longest_wait_s", redis.longest, 1.2),
        Figure::at_most("longest_wait_s_far", far.longest, 3.0),
        Figure::at_most("longest_wait_s_dynamodb", dynamodb.longest, 2.0),
        Figure::at_most("longest_wait_s_ssm", ssm.longest, 4.0),
        Figure::at_most("store_ops", redis.operations as f64, 4_500.0),
        Figure::at_most("store_ops_over_2_s", spread.operations as f64, 1_300.0),
        Figure::plain("store_ops_dynamodb", dynamodb.operations as f64),
        Figure::plain("store_ops_ssm", ssm.operations as f64),
    ])
}

pub(super) async fn store_down(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut fleet = Getters::new(run);
    fleet.warm_up().await?;
    fleet.store.set_down(true);
    let down = run.world.elapsed();
    fleet.run_for(0.0, seconds(3_700)).await;
    let (grants, peak) = (fleet.provider.grants_since(down), fleet.provider.peak_grants());
    Ok(vec![
        Figure::at_most("grants", grants as f64, run.instances as f64),
        Figure::at_most("peak_grants_per_s", peak as f64, 12.0),
        Figure::exactly("not_served", fleet.not_served as f64, 0.0),
    ])
}

pub(super) async fn rejected_token(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut fleet = Getters::new(run);
    fleet.warm_up().await?;
    let revoked = run.world.elapsed();
    let replace = |getter: TokenGetter| async move {
        let token = getter.token().await?;
        getter.rejected(&token).await
    };
    let answers = fleet.all(Duration::ZERO, replace).await?;
    Ok(vec![
        Figure::exactly("grants", fleet.provider.requests_since(revoked) as f64, 1.0),
        Figure::plain("longest_wait_s", longest(&answers).as_secs_f64()),
        Figure::exactly("not_served", not_served(&answers) as f64, 0.0),
    ])
}

pub(super) async fn provider_outage(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let mut fleet = Getters::new(run);
    fleet.provider.set_down(true);
    let began = run.world.elapsed();
    let provider = Arc::clone(&fleet.provider);
    let recovery = async move {
        sleep(seconds(30)).await;
        provider.set_down(false);
    };
    let mut repair = JoinSet::new();
    repair.spawn(recovery);
    // Every instance is called again until it gets a token, as real callers would do.
    let retry = |getter: TokenGetter| async move {
        loop {
            match getter.token().await {
                Err(_) => sleep(millis(200)).await,
                served => return served,
            }
        }
    };
    let answers = fleet.all(Duration::ZERO, retry).await?;
    let served = longest(&answers).saturating_sub(seconds(30));
    Ok(vec![
        Figure::at_most("requests", fleet.provider.requests_since(began) as f64, 12.0),
        Figure::exactly("grants", fleet.provider.grants_since(began) as f64, 1.0),
        Figure::at_most("seconds_to_served", served.as_secs_f64(), 6.0),
    ])
}

/// The properties of a Parameter Store, without a quota.
pub(super) fn ssm() -> StoreKind {
    let mut poll_policy = PollPolicy::new(millis(500), millis(2_000));
    poll_policy.contention = millis(500);
    StoreKind { poll_policy, reads_history: true, ..StoreKind::default() }
}

/// The figures of a fleet that already has a token.
struct Steady {
    grants: f64,
    longest: Duration,
    operations: u64,
}

impl Steady {
    async fn of(run: &Run, death_rate: f64, lasting: Duration) -> Result<Self, SimulatorError> {
        let mut fleet = Getters::new(run);
        fleet.warm_up().await?;
        let before = operations(&fleet);
        fleet.run_for(death_rate, lasting).await;
        Ok(Self {
            grants: fleet.provider.grants_per_need(HOUR / 4),
            longest: fleet.longest,
            operations: operations(&fleet) - before,
        })
    }
}

/// The figures of a fleet that starts without a token.
pub(super) struct Cold {
    pub(super) grants: usize,
    pub(super) longest: f64,
    operations: u64,
}

impl Cold {
    /// Starts all instances within `spread`, with a store of this kind.
    pub(super) async fn of(
        run: &Run,
        kind: StoreKind,
        spread: Duration,
    ) -> Result<Self, SimulatorError> {
        let mut fleet = Getters::new(run).with_store(kind);
        let began = run.world.elapsed();
        let fetch = |getter: TokenGetter| async move { getter.token().await };
        let answers = fleet.all(spread, fetch).await?;
        let grants = fleet.provider.grants_since(began);
        let longest =
            if not_served(&answers) > 0 { f64::INFINITY } else { longest(&answers).as_secs_f64() };
        Ok(Self { grants, longest, operations: operations(&fleet) })
    }
}

pub(super) fn longest(answers: &[Answer]) -> Duration {
    answers.iter().map(|(_, took)| *took).max().unwrap_or_default()
}

pub(super) fn not_served(answers: &[Answer]) -> usize {
    answers.iter().filter(|(token, _)| token.is_err()).count()
}

fn operations(fleet: &Getters) -> u64 {
    fleet.store.operations()
}
