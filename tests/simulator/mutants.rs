//! Fleets that are broken on purpose: the bars have to catch them, or they prove nothing.

use funcify::{CircuitPolicy, circuit::CountRule};
use funcify_simulator::{Report, Scenario, Settings, run};

async fn alone(scenario: Scenario, instances: usize) -> Report {
    let settings = Settings::new(5).with_instances(instances).with_unshared_state();
    run(scenario, &settings).await.unwrap()
}

fn misses(report: &Report, name: &str) -> bool {
    report.figures.iter().any(|figure| figure.name == name && !figure.is_within_bar())
}

#[tokio::test(start_paused = true)]
async fn a_breaker_for_each_instance_lets_an_outage_through() {
    let report = alone(Scenario::Outage, 100).await;
    assert!(misses(&report, "failures_before_open"), "{:#?}", report.figures);
    assert!(report.figure("failures_before_open") >= Some(400.0));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_for_each_instance_opens_for_a_poisoned_one() {
    let policy = CircuitPolicy::new(CountRule::new(5, std::time::Duration::from_secs(60)));
    let settings = Settings::new(5).with_instances(20).with_policy(policy);
    let report = run(Scenario::PoisonedInstance, &settings).await.unwrap();
    assert!(misses(&report, "false_opens"), "without a quorum one is enough");
}

#[tokio::test(start_paused = true)]
async fn a_token_for_each_instance_is_a_request_for_each() {
    let report = alone(Scenario::ColdBurst, 30).await;
    assert!(misses(&report, "grants"));
    assert_eq!(report.figure("grants"), Some(30.0));
    assert!(misses(&alone(Scenario::RejectedToken, 30).await, "grants"));
    assert!(misses(&alone(Scenario::ProviderOutage, 30).await, "requests"));
}

#[tokio::test(start_paused = true)]
async fn four_probes_at_once_are_seen_as_four() {
    let policy = CircuitPolicy::new(CountRule::new(5, std::time::Duration::from_secs(60)))
        .with_probes(4, 16);
    let settings = Settings::new(5).with_instances(100).with_policy(policy);
    let report = run(Scenario::Outage, &settings).await.unwrap();
    let most = report.figure("max_probes").unwrap();
    assert!(most > 1.0 && most <= 4.0, "{most} probes at once");
}
