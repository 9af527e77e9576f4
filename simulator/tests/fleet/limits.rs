//! Small fleets stay within the limits that were set for large ones. The command runs the full counts.

use funcify_simulator::{Report, Scenario, Settings, run};

/// One fixed seed, so that only a change of the code can fail these tests. The command takes other seeds.
const SEED: u64 = 2_026;

async fn report(scenario: Scenario, instances: usize) -> Report {
    let settings = Settings::new(SEED).with_instances(instances);
    run(scenario, &settings).await.unwrap()
}

async fn stays_within_its_limits(scenario: Scenario, instances: usize) {
    let report = report(scenario, instances).await;
    assert!(!report.figures.is_empty());
    assert!(report.is_within_limits(), "seed {}: {:#?}", report.seed, report.figures);
}

#[tokio::test(start_paused = true)]
async fn an_outage_lets_only_as_many_failures_through_as_the_rule_counts() {
    stays_within_its_limits(Scenario::Outage, 100).await;
}

#[tokio::test(start_paused = true)]
async fn simultaneous_failures_are_all_counted_in_few_store_operations() {
    stays_within_its_limits(Scenario::SimultaneousFailures, 500).await;
}

#[tokio::test(start_paused = true)]
async fn a_small_and_a_large_fleet_recover_equally_fast() {
    for instances in [50, 500] {
        stays_within_its_limits(Scenario::Recovery, instances).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flapping_dependency_sees_one_probe_at_a_time() {
    stays_within_its_limits(Scenario::Flapping, 50).await;
}

#[tokio::test(start_paused = true)]
async fn f06_an_outage_of_the_store_keeps_no_caller_waiting_longer_than_two_operations() {
    stays_within_its_limits(Scenario::StoreOutage, 50).await;
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_instance_opens_the_circuit_only_for_itself() {
    let report = report(Scenario::PoisonedInstance, 100).await;
    assert!(report.is_within_limits(), "{:#?}", report.figures);
    assert!(report.figure("refused") > Some(0.0), "its own calls are refused");
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_killed_prober_expires_and_another_instance_probes() {
    stays_within_its_limits(Scenario::KilledProber, 20).await;
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_of_a_frozen_probe_does_not_reopen_the_circuit() {
    stays_within_its_limits(Scenario::FreezeAndThaw, 20).await;
}

#[tokio::test(start_paused = true)]
async fn late_successes_do_not_close_an_open_circuit() {
    let report = report(Scenario::LateSuccesses, 200).await;
    assert!(report.is_within_limits(), "{:#?}", report.figures);
    assert!(report.figure("seconds_to_open") < Some(2.0), "the circuit must be open first");
}

#[tokio::test(start_paused = true)]
async fn f13_wrong_clocks_do_not_keep_a_circuit_open() {
    stays_within_its_limits(Scenario::SkewedClock, 50).await;
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_hangs_is_found_soon_after_the_first_calls_were_ended() {
    stays_within_its_limits(Scenario::Hang, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_does_not_wear_out_the_store() {
    stays_within_its_limits(Scenario::SlowProbe, 100).await;
}

#[tokio::test(start_paused = true)]
async fn f10_answers_that_came_while_the_processes_were_stopped_do_not_open_the_circuit() {
    stays_within_its_limits(Scenario::ThawWithCalls, 50).await;
}

#[tokio::test(start_paused = true)]
async fn f05_a_store_that_throttles_opens_no_circuit_and_hides_no_outage() {
    stays_within_its_limits(Scenario::ThrottledStore, 200).await;
}

#[tokio::test(start_paused = true)]
async fn f07_a_store_that_is_far_away_hides_no_outage() {
    stays_within_its_limits(Scenario::DistantStore, 200).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_followed_within_five_seconds_either_way() {
    stays_within_its_limits(Scenario::Overrides, 200).await;
}

#[tokio::test(start_paused = true)]
async fn f22_a_fleet_that_starts_at_once_needs_one_grant() {
    stays_within_its_limits(Scenario::ColdBurst, 200).await;
}

#[tokio::test(start_paused = true)]
async fn f22_a_throttled_store_serves_a_fleet_with_three_grants_at_most() {
    stays_within_its_limits(Scenario::ThrottledColdBurst, 200).await;
}

#[tokio::test(start_paused = true)]
async fn f06_a_fleet_on_a_store_that_hangs_asks_spread_out() {
    stays_within_its_limits(Scenario::HangingStore, 200).await;
}

#[tokio::test(start_paused = true)]
async fn f06_without_its_store_a_fleet_spreads_its_renewals() {
    stays_within_its_limits(Scenario::StoreDown, 50).await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_costs_the_fleet_one_request() {
    stays_within_its_limits(Scenario::RejectedToken, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_fleet_gets_its_token_soon_after_the_provider_recovers() {
    stays_within_its_limits(Scenario::ProviderOutage, 100).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_has_one_effect_and_one_answer() {
    let report = report(Scenario::Duplicates, 500).await;
    assert!(report.is_within_limits(), "seed {}: {:#?}", report.seed, report.figures);
    assert!(report.figure("takeovers") > Some(50.0), "many died: {:#?}", report.figures);
}

#[tokio::test(start_paused = true)]
async fn a_steady_fleet_renews_its_token_once_an_interval() {
    let settings = Settings::new(SEED).with_instances(20).with_hours(4.0);
    let report = run(Scenario::SteadyRefresh, &settings).await.unwrap();
    assert_eq!(report.figure("grants"), Some(1.0), "{:#?}", report.figures);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_fleet_stays_within_its_limits_of_cost() {
    let settings = Settings::new(SEED).with_hours(0.03);
    let report = run(Scenario::HealthyCost, &settings).await.unwrap();
    assert!(report.is_within_limits(), "seed {}: {:#?}", report.seed, report.figures);
}
