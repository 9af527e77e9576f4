//! Small fleets within the bars of large ones. The full counts are the command's.

use funcify_simulator::{Report, Scenario, Settings, run};

/// One seed, so that a failure here is a change of ours; the command takes others.
const SEED: u64 = 2_026;

async fn of(scenario: Scenario, instances: usize) -> Report {
    let settings = Settings::new(SEED).with_instances(instances);
    run(scenario, &settings).await.unwrap()
}

async fn keeps_to_its_bars(scenario: Scenario, instances: usize) {
    let report = of(scenario, instances).await;
    assert!(!report.figures.is_empty());
    assert!(report.is_within_bars(), "seed {}: {:#?}", report.seed, report.figures);
}

#[tokio::test(start_paused = true)]
async fn an_outage_reaches_the_dependency_no_more_often_than_the_rule_says() {
    keeps_to_its_bars(Scenario::Outage, 100).await;
}

#[tokio::test(start_paused = true)]
async fn simultaneous_failures_are_cheap_and_none_is_lost() {
    keeps_to_its_bars(Scenario::SimultaneousFailures, 500).await;
}

#[tokio::test(start_paused = true)]
async fn small_and_large_fleets_recover_alike() {
    for instances in [50, 500] {
        keeps_to_its_bars(Scenario::Recovery, instances).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flapping_dependency_sees_one_probe_at_a_time() {
    keeps_to_its_bars(Scenario::Flapping, 50).await;
}

#[tokio::test(start_paused = true)]
async fn f06_an_outage_of_the_store_keeps_no_caller_waiting() {
    keeps_to_its_bars(Scenario::StoreOutage, 50).await;
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_instance_opens_the_circuit_for_nobody_else() {
    let report = of(Scenario::PoisonedInstance, 100).await;
    assert!(report.is_within_bars(), "{:#?}", report.figures);
    assert!(report.figure("refused") > Some(0.0), "it is open for itself");
}

#[tokio::test(start_paused = true)]
async fn leaked_lease_wedges() {
    keeps_to_its_bars(Scenario::KilledProber, 20).await;
}

#[tokio::test(start_paused = true)]
async fn late_failure_reopens() {
    keeps_to_its_bars(Scenario::FreezeAndThaw, 20).await;
}

#[tokio::test(start_paused = true)]
async fn late_success_closes() {
    let report = of(Scenario::LateSuccesses, 200).await;
    assert!(report.is_within_bars(), "{:#?}", report.figures);
    assert!(report.figure("seconds_to_open") < Some(2.0), "it has to be open for that");
}

#[tokio::test(start_paused = true)]
async fn f13_clocks_that_are_off_keep_no_circuit_open() {
    keeps_to_its_bars(Scenario::SkewedClock, 50).await;
}

#[tokio::test(start_paused = true)]
async fn f22_a_cold_burst_is_one_grant() {
    keeps_to_its_bars(Scenario::ColdBurst, 200).await;
}

#[tokio::test(start_paused = true)]
async fn f06_without_its_store_a_fleet_renews_spread_out() {
    keeps_to_its_bars(Scenario::StoreDown, 50).await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_one_request() {
    keeps_to_its_bars(Scenario::RejectedToken, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_served_soon_after_its_provider_is_back() {
    keeps_to_its_bars(Scenario::ProviderOutage, 100).await;
}

#[tokio::test(start_paused = true)]
async fn a_steady_fleet_renews_once_each_time() {
    let settings = Settings::new(SEED).with_instances(20).with_hours(4.0);
    let report = run(Scenario::SteadyRefresh, &settings).await.unwrap();
    assert_eq!(report.figure("grants"), Some(1.0), "{:#?}", report.figures);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_fleet_costs_next_to_nothing() {
    let settings = Settings::new(SEED).with_hours(0.03);
    let report = run(Scenario::HealthyCost, &settings).await.unwrap();
    assert!(report.is_within_bars(), "seed {}: {:#?}", report.seed, report.figures);
}
