//! Deliberately broken fleets. The limits must catch them, or they prove nothing.

use funcify::{CircuitPolicy, circuit::CountRule};
use funcify_simulator::{Report, Scenario, Settings, run};

async fn unshared(scenario: Scenario, instances: usize) -> Report {
    let settings = Settings::new(5).with_instances(instances).with_unshared_state();
    run(scenario, &settings).await.unwrap()
}

fn misses(report: &Report, name: &str) -> bool {
    report.figures.iter().any(|figure| figure.name == name && !figure.is_within_limit())
}

#[tokio::test(start_paused = true)]
async fn without_a_shared_circuit_every_instance_sends_failures_into_an_outage() {
    let report = unshared(Scenario::Outage, 100).await;
    assert!(misses(&report, "failures_before_open"), "{:#?}", report.figures);
    assert!(report.figure("failures_before_open") >= Some(400.0));
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_a_poisoned_instance_opens_the_circuit_for_all() {
    let policy = CircuitPolicy::new(CountRule::new(5, std::time::Duration::from_secs(60)));
    let settings = Settings::new(5).with_instances(20).with_policy(policy);
    let report = run(Scenario::PoisonedInstance, &settings).await.unwrap();
    assert!(misses(&report, "false_opens"), "one instance is enough");
}

#[tokio::test(start_paused = true)]
async fn without_a_shared_token_every_instance_requests_one() {
    let report = unshared(Scenario::ColdBurst, 30).await;
    assert!(misses(&report, "grants"));
    assert_eq!(report.figure("grants"), Some(30.0));
    assert!(misses(&unshared(Scenario::RejectedToken, 30).await, "grants"));
    assert!(misses(&unshared(Scenario::ProviderOutage, 30).await, "requests"));
}

#[tokio::test(start_paused = true)]
async fn without_a_shared_store_every_instance_does_the_work_and_answers_differently() {
    let report = unshared(Scenario::Duplicates, 30).await;
    assert!(misses(&report, "executions_per_key"), "{:#?}", report.figures);
    assert!(misses(&report, "different_answers"), "{:#?}", report.figures);
}

#[tokio::test(start_paused = true)]
async fn concurrent_probes_are_counted_as_such() {
    let mut policy = CircuitPolicy::new(CountRule::new(5, std::time::Duration::from_secs(60)));
    (policy.probes, policy.successes) = (4, 16);
    let settings = Settings::new(5).with_instances(100).with_policy(policy);
    let report = run(Scenario::Outage, &settings).await.unwrap();
    let most = report.figure("max_probes").unwrap();
    assert!(most > 1.0 && most <= 4.0, "{most} probes at once");
}
