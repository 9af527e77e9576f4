//! Scenarios in which the store has too many clients: it throttles or hangs.

use std::time::Duration;

use funcify::{Deadline, TokenGetter};
use funcify_core::StoreErrorKind;

use super::{
    policy::{millis, seconds},
    token::{Cold, longest, not_served, ssm},
};
use crate::{
    Figure, SimulatorError,
    getters::{Getters, HOUR},
    run::Run,
    store::StoreKind,
};

/// How many requests Parameter Store serves in a second by default.
const SSM_QUOTA: f64 = 40.0;

pub(super) async fn throttled_cold_burst(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let ssm = StoreKind { quota: Some(SSM_QUOTA), latency: millis(30), ..ssm() };
    let at_once = Cold::of(run, ssm.clone(), Duration::ZERO).await?;
    let large = Run { instances: run.instances.saturating_mul(5), ..run.clone() };
    let spread = Cold::of(&large, ssm, seconds(60)).await?;
    Ok(vec![
        Figure::at_most("grants_at_once", at_once.grants as f64, 3.0),
        Figure::at_most("longest_wait_s_at_once", at_once.longest, 15.0),
        Figure::exactly("grants_over_60_s", spread.grants as f64, 1.0),
        Figure::plain("longest_wait_s_over_60_s", spread.longest),
    ])
}

pub(super) async fn hanging_store(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let hanging = StoreKind { fails_as: StoreErrorKind::Timeout, ..StoreKind::default() };
    let mut figures = Vec::new();
    for (name, time, limit) in [
        ("cold_peak_grants_per_s_with_7_s", seconds(7), None),
        ("cold_peak_grants_per_s", seconds(20), None),
        ("cold_peak_grants_per_s_with_30_s", seconds(30), None),
        ("cold_peak_grants_per_s_with_90_s", seconds(90), Some(12.0)),
    ] {
        let mut fleet = Getters::new(run).with_store(hanging.clone());
        fleet.store.set_down(true);
        let fetch = move |getter: TokenGetter| async move {
            Deadline::within(time).scope(getter.token()).await
        };
        let answers = fleet.all(Duration::ZERO, fetch).await?;
        let peak = fleet.provider.peak_grants() as f64;
        figures.push(match limit {
            Some(limit) => Figure::at_most(name, peak, limit),
            None => Figure::plain(name, peak),
        });
        if not_served(&answers) > 0 || longest(&answers) > time {
            figures.push(Figure::exactly("not_served", not_served(&answers) as f64, 0.0));
        }
    }
    let mut fleet = Getters::new(run).with_store(hanging).with_lifetime(seconds(120));
    fleet.warm_up().await?;
    fleet.store.set_down(true);
    fleet.run_for(0.0, seconds(120)).await;
    figures.push(Figure::at_most(
        "due_peak_grants_per_s",
        fleet.provider.peak_grants() as f64,
        12.0,
    ));
    figures.push(Figure::exactly("due_not_served", fleet.not_served as f64, 0.0));
    figures.extend(crawling_store(run).await?);
    Ok(figures)
}

/// A fifth of all operations get no answer.
async fn crawling_store(run: &Run) -> Result<Vec<Figure>, SimulatorError> {
    let crawling = StoreKind { hanging: 0.2, ..StoreKind::default() };
    let cold = Cold::of(run, crawling.clone(), Duration::ZERO).await?;
    let mut fleet = Getters::new(run).with_store(crawling);
    fleet.warm_up().await?;
    fleet.run_for(0.0, seconds(36_000)).await;
    let per_need = fleet.provider.grants_per_need(HOUR / 4);
    Ok(vec![
        Figure::at_most("crawling_cold_grants", cold.grants as f64, 5.0),
        Figure::at_most("crawling_cold_longest_wait_s", cold.longest, 18.0),
        Figure::at_most("crawling_grants_per_need", per_need, 2.5),
        Figure::exactly("crawling_not_served", fleet.not_served as f64, 0.0),
    ])
}
