use crate::support::env;

#[test]
fn a_short_run_does_a_tenth_of_a_long_one() {
    let share = if env::long() { 1 } else { 10 };

    assert_eq!(env::scaled(2_000), 2_000 / share);
    assert_eq!(env::scaled(5), if env::long() { 5 } else { 1 });
}

#[test]
fn the_seed_stays_the_same_during_a_run() {
    assert_eq!(env::seed(), env::seed());
}
