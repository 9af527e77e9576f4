//! The same seed gives the same figures; invalid settings are refused.

use funcify::{CircuitPolicy, circuit::CountRule};
use funcify_simulator::{Report, Scenario, Settings, SimulatorError, run, sparkline, svg};
use tokio::runtime::{Builder, Runtime};

/// Runs the scenario as the command does, on a runtime of its own.
fn report(scenario: Scenario, settings: &Settings) -> Report {
    paused().block_on(run(scenario, settings)).unwrap()
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_figures_and_the_same_timeline() {
    let scenarios = [
        (Scenario::Outage, 100),
        (Scenario::SimultaneousFailures, 100),
        (Scenario::StoreOutage, 20),
        (Scenario::SkewedClock, 20),
        (Scenario::ColdBurst, 100),
        (Scenario::ProviderOutage, 50),
        (Scenario::StoreDown, 20),
        (Scenario::Duplicates, 20),
    ];
    for (scenario, instances) in scenarios {
        let settings = Settings::new(11).with_instances(instances);
        let (one, other) = (report(scenario, &settings), report(scenario, &settings));
        assert_eq!(one.json().to_string(), other.json().to_string());
        assert!(one == other, "{}: another timeline", scenario.name());
    }
}

#[test]
fn another_seed_gives_another_timeline() {
    let of = |seed| report(Scenario::Outage, &Settings::new(seed).with_instances(50));
    assert!(of(1).timeline != of(2).timeline);
}

#[test]
fn a_runtime_in_real_time_is_refused() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let refused = runtime.block_on(run(Scenario::Outage, &Settings::new(1)));
    assert!(matches!(refused, Err(SimulatorError::RealTime)), "{refused:?}");
}

#[test]
fn a_fleet_without_instances_and_an_invalid_policy_are_refused() {
    let empty = Settings::new(1).with_instances(0);
    let refused = paused().block_on(run(Scenario::Outage, &empty));
    assert!(matches!(refused, Err(SimulatorError::NoInstances)), "{refused:?}");

    let mut impossible = CountRule::new(5, std::time::Duration::from_secs(60));
    impossible.quorum = 0;
    let policy = CircuitPolicy::new(impossible);
    let settings = Settings::new(1).with_instances(5).with_policy(policy);
    let refused = paused().block_on(run(Scenario::Outage, &settings));
    assert!(matches!(refused, Err(SimulatorError::Policy(_))), "{refused:?}");
}

#[test]
fn every_scenario_is_found_by_its_name() {
    for scenario in Scenario::ALL {
        assert_eq!(Scenario::named(scenario.name()), Some(scenario));
        assert!(!scenario.about().is_empty() && scenario.instances() > 0);
    }
}

#[test]
fn the_pictures_show_calls_failures_refusals_probes_and_states() {
    let report = report(Scenario::Outage, &Settings::new(3).with_instances(50));
    let image = svg(&report);
    for shown in ["passed", "failed", "refused", "probes", ">open<", ">half-open<", "60 s"] {
        assert!(image.contains(shown), "{shown} is missing in the image");
    }
    assert_eq!(image.matches("<path ").count(), 4, "one path a row");
    let drawn = sparkline(&report.timeline, 40);
    for line in ["passed", "failed", "refused", "probes", "state"] {
        assert!(drawn.contains(line), "{line} is missing in\n{drawn}");
    }
    assert!(drawn.contains("OOO"), "{drawn}");
}

#[test]
fn the_picture_in_the_guide_comes_from_the_command_that_the_guide_names() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/outage.svg");
    let again = "cargo run --release --example fleet -- --scenario outage --svg docs/outage.svg";
    let image =
        std::fs::read_to_string(file).unwrap_or_else(|_| panic!("expected {file}: {again}"));
    for shown in ["outage: 500 instances, seed 1", ">open<", "refused", "probes"] {
        assert!(image.contains(shown), "{shown} is missing, run: {again}");
    }
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/circuit.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    assert!(guide.contains("](outage.svg)") && guide.contains(again));
}
