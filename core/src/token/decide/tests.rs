use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::{
    Chance,
    register::WriteId,
    token::{Lease, RememberedFailure},
};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ME: WriteId = WriteId::from_bits(1);
const OTHER: WriteId = WriteId::from_bits(2);
const DIGEST: &str = "0123456789abcdef0123456789abcdef";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn me() -> Asker<'static> {
    Asker {
        holder: ME,
        digest: DIGEST,
        meaning: DIGEST,
        cred: Some("c0ffee00"),
        watched: Duration::ZERO,
        patience: Duration::ZERO,
        rejected: None,
    }
}

/// A token that is valid for an hour and was requested `age` seconds ago.
fn aged(age: u64) -> TokenRecord {
    let minted_at = NOW - seconds(age);
    TokenRecord {
        digest: DIGEST.to_owned(),
        token: Some(AccessToken::from("stored")),
        token_type: Some("Bearer".to_owned()),
        minted_at,
        refresh_at: minted_at + seconds(2_700),
        expires_at: minted_at + seconds(3_600),
        ..TokenRecord::default()
    }
}

fn with_lease(record: TokenRecord, holder: WriteId, until: Timestamp) -> TokenRecord {
    TokenRecord { lease: Some(Lease { holder, until }), ..record }
}

fn with_failure(record: TokenRecord, until: Timestamp, cred: Option<&str>) -> TokenRecord {
    let failure = RememberedFailure {
        until,
        pause: None,
        code: "unavailable".to_owned(),
        count: 1,
        cred: cred.map(str::to_owned),
    };
    TokenRecord { failure: Some(failure), ..record }
}

fn verdict(record: &TokenRecord, asker: &Asker<'_>, chance: f64) -> &'static str {
    match decide(record, asker, &TokenPolicy::default(), NOW, chance) {
        Decision::Use => "use",
        Decision::Mint => "mint",
        Decision::Wait { .. } => "wait",
        Decision::RejectedTooOften { .. } => "rejected too often",
        Decision::BackOff { .. } => "back off",
        Decision::Take(_) => "take",
        Decision::Unshared => "unshared",
        Decision::KeyInUse => "key in use",
    }
}

#[test]
fn the_rules_decide_as_in_this_table() {
    let soon = NOW + seconds(3);
    let past = NOW - Duration::from_millis(1);
    let rows = [
        ("a fresh token", aged(10), 0.0, "use"),
        ("a due token, a draw that does not refresh", aged(2_800), 0.9, "use"),
        ("a due token, a draw that refreshes", aged(2_800), 0.0, "take"),
        ("in the last moment every draw refreshes", aged(3_599), 0.99, "take"),
        ("an expired token", aged(3_600), 0.99, "take"),
        ("no record", TokenRecord::default(), 0.99, "take"),
        ("a fresh token with a lease", with_lease(aged(10), OTHER, soon), 0.0, "use"),
        ("a due token, another's lease", with_lease(aged(2_800), OTHER, soon), 0.0, "wait"),
        ("an expired token, my lease", with_lease(aged(3_700), ME, soon), 0.0, "mint"),
        ("my lease is over", with_lease(aged(3_700), ME, past), 0.0, "take"),
        ("another's lease is over", with_lease(aged(3_700), OTHER, past), 0.0, "take"),
        ("a failure is remembered", with_failure(aged(3_700), soon, None), 0.0, "back off"),
        ("a failure is over", with_failure(aged(3_700), past, None), 0.0, "take"),
        (
            "a refusal of my secret",
            with_failure(aged(3_700), soon, Some("c0ffee00")),
            0.0,
            "back off",
        ),
        (
            "a refusal of another secret",
            with_failure(aged(3_700), soon, Some("deadbeef")),
            0.0,
            "take",
        ),
        (
            "a token that the store cannot hold",
            TokenRecord { unshared_until: Some(soon), ..with_lease(aged(3_700), OTHER, soon) },
            0.0,
            "unshared",
        ),
        (
            "that was long ago",
            TokenRecord { unshared_until: Some(past), ..aged(3_700) },
            0.0,
            "take",
        ),
        (
            "an end that nobody could have stored",
            TokenRecord { unshared_until: Some(NOW + seconds(3_602)), ..aged(3_700) },
            0.0,
            "take",
        ),
        ("a fresh token and a failure", with_failure(aged(10), soon, None), 0.0, "use"),
        (
            "another's lease before a failure",
            with_failure(with_lease(aged(3_700), OTHER, soon), soon, None),
            0.0,
            "wait",
        ),
        (
            "another token's key",
            TokenRecord { digest: "other".into(), ..aged(10) },
            0.0,
            "key in use",
        ),
        (
            "another token's key, after its end",
            TokenRecord { digest: "other".into(), ..aged(3_600) },
            0.0,
            "take",
        ),
    ];
    for (name, record, chance, expected) in rows {
        assert_eq!(verdict(&record, &me(), chance), expected, "{name}");
    }
}

#[test]
fn a_rejected_token_is_renewed_only_if_it_is_still_the_stored_one() {
    let (stored, older) = (AccessToken::from("stored"), AccessToken::from("older"));
    let rejecting = Asker { rejected: Some(&stored), ..me() };
    let late = Asker { rejected: Some(&older), ..me() };
    let forced = TokenRecord { forced_at: Some(NOW - seconds(29)), ..aged(10) };
    let long_ago = TokenRecord { forced_at: Some(NOW - seconds(30)), ..aged(10) };
    assert_eq!(verdict(&aged(10), &rejecting, 0.9), "take");
    assert_eq!(verdict(&aged(10), &late, 0.9), "use");
    assert_eq!(verdict(&forced, &rejecting, 0.9), "rejected too often");
    assert_eq!(verdict(&long_ago, &rejecting, 0.9), "take");
    let renewing = with_lease(forced, OTHER, NOW + seconds(3));
    assert_eq!(verdict(&renewing, &rejecting, 0.9), "wait");
}

#[test]
fn a_lease_is_over_once_its_version_was_watched_for_the_length_of_a_lease() {
    let leased = with_lease(aged(3_700), OTHER, NOW + seconds(5));
    let wait = decide(&leased, &me(), &TokenPolicy::default(), NOW, 0.0);
    assert_eq!(wait, Decision::Wait { until: NOW + seconds(5) }, "of a clock a second ahead");
    let watched = Asker { watched: seconds(4), ..me() };
    assert_eq!(verdict(&leased, &watched, 0.0), "take");
}

#[test]
fn few_calls_refresh_as_the_window_opens_and_all_as_it_closes() {
    let chance = Chance::seeded(1);
    let refreshed = |age: u64| {
        let record = aged(age);
        let refreshes =
            |_: &u32| refreshes_early(record.refresh_at, record.expires_at, NOW, chance.draw());
        (0..100_000).filter(refreshes).count()
    };
    assert_eq!(refreshed(2_699), 0);
    assert!((10..80).contains(&refreshed(2_700)), "e⁻⁸ of them");
    assert!((1_500..2_200).contains(&refreshed(3_150)), "e⁻⁴ of them");
    assert_eq!(refreshed(3_600), 100_000);
}

/// Any record, with random times and with each member present or absent.
fn records() -> impl Strategy<Value = TokenRecord> {
    let time = || any::<i64>().prop_map(Timestamp::from_millis);
    let near = || {
        (-10_000_000_i64..10_000_000).prop_map(|by| Timestamp::from_millis(NOW.as_millis() + by))
    };
    let times = || proptest::prop_oneof![time(), near()];
    (
        proptest::option::of("[a-c]"),
        proptest::bool::ANY,
        (times(), times(), times()),
        proptest::option::of((1..4_u128, times())),
        proptest::option::of((times(), proptest::option::of("c0ffee00|deadbeef"))),
        proptest::option::of(times()),
    )
        .prop_map(
            |(token, mine, (minted_at, refresh_at, expires_at), lease, failure, forced_at)| {
                TokenRecord {
                    digest: if mine { DIGEST.to_owned() } else { String::new() },
                    token: token.map(AccessToken::from),
                    minted_at,
                    refresh_at,
                    expires_at,
                    lease: lease
                        .map(|(bits, until)| Lease { holder: WriteId::from_bits(bits), until }),
                    failure: failure.map(|(until, cred)| RememberedFailure {
                        until,
                        pause: None,
                        code: "unavailable".to_owned(),
                        count: 1,
                        cred,
                    }),
                    forced_at,
                    ..TokenRecord::default()
                }
            },
        )
}

proptest! {
    // Each decision is that of a process that reads the record for the first time.
    #[test]
    fn no_record_keeps_a_getter_waiting_for_more_than_61_s(
        record in records(), chance in 0.0..1.0, after in 0_u64..100_000_000,
        gaps in proptest::collection::vec(1_u64..2_000, 1..20),
    ) {
        let policy = TokenPolicy::default();
        let from = NOW + Duration::from_millis(after);
        let mut now = from;
        for gap in gaps.into_iter().cycle() {
            match decide(&record, &me(), &policy, now, chance) {
                Decision::Wait { until } | Decision::BackOff { until } => {
                    prop_assert!(now < until && until <= from + seconds(61), "{:?}", record);
                }
                _ => break,
            }
            now = now + Duration::from_millis(gap);
        }
    }

    #[test]
    fn what_is_credible_stays_credible(record in records()) {
        let policy = TokenPolicy::default();
        let once = record.credible(&policy, NOW);
        prop_assert_eq!(once.clone().credible(&policy, NOW), once);
    }

    #[test]
    fn a_token_is_used_only_while_it_is_valid_and_has_our_digest(record in records(), chance in 0.0..1.0) {
        let policy = TokenPolicy::default();
        if decide(&record, &me(), &policy, NOW, chance) == Decision::Use {
            prop_assert!(record.token.is_some());
            prop_assert_eq!(record.digest.as_str(), DIGEST);
            prop_assert!(NOW < record.expires_at);
        }
    }

    #[test]
    fn only_the_holder_of_the_lease_mints(record in records(), chance in 0.0..1.0) {
        let policy = TokenPolicy::default();
        if let Decision::Take(leased) = decide(&record, &me(), &policy, NOW, chance) {
            prop_assert_eq!(decide(&leased, &me(), &policy, NOW, 0.0), Decision::Mint);
            let other = Asker { holder: OTHER, ..me() };
            let waits = matches!(decide(&leased, &other, &policy, NOW, 0.0), Decision::Wait { .. });
            prop_assert!(waits);
            prop_assert_eq!(&leased.token, &record.token.filter(|_| record.digest == DIGEST));
        }
    }
}

#[test]
fn an_end_that_no_correct_clock_could_have_stored_binds_nobody() {
    let second = |millis: u64| NOW + Duration::from_millis(millis);
    let with_pause = |until, pause: u64| {
        let record = with_failure(aged(3_700), until, None);
        let failure =
            record.failure.map(|failure| RememberedFailure { pause: Some(pause), ..failure });
        TokenRecord { failure, ..record }
    };
    let rejecting = AccessToken::from("stored");
    let rejecting = Asker { rejected: Some(&rejecting), ..me() };
    let forced = |at| TokenRecord { forced_at: Some(at), ..aged(10) };
    let rows = [
        ("a lease", with_lease(aged(3_700), OTHER, second(5_000)), me(), "wait"),
        ("a long lease", with_lease(aged(3_700), OTHER, second(5_001)), me(), "take"),
        ("a failure of 0.1", with_failure(aged(3_700), second(61_000), None), me(), "back off"),
        ("a long one", with_failure(aged(3_700), second(61_001), None), me(), "take"),
        ("a pause of 2 s", with_pause(second(3_000), 2_000), me(), "back off"),
        ("an end after that", with_pause(second(3_001), 2_000), me(), "take"),
        ("a pause of a day", with_pause(second(86_400_000), 86_400_000), me(), "take"),
        ("a rejection", forced(second(1_000)), rejecting.clone(), "rejected too often"),
        ("one of the future", forced(second(1_001)), rejecting, "take"),
        (
            "a lease beside an end that is not believed",
            with_lease(with_failure(aged(3_700), second(66_000), None), OTHER, second(4_000)),
            me(),
            "take",
        ),
    ];
    for (name, record, asker, expected) in rows {
        assert_eq!(verdict(&record, &asker, 0.0), expected, "{name}");
    }
}

#[test]
fn who_does_not_believe_a_token_leaves_it_to_those_who_do() {
    let ahead =
        TokenRecord { minted_at: NOW + seconds(300), expires_at: NOW + seconds(3_900), ..aged(0) };
    let Decision::Take(leased) = decide(&ahead, &me(), &TokenPolicy::default(), NOW, 0.5) else {
        panic!("expected the lease to be taken");
    };
    assert_eq!(TokenRecord { lease: None, ..*leased }, ahead);
}

#[test]
fn whoever_has_the_time_watches_the_lease_of_a_clock_that_is_far_ahead() {
    let leased = with_lease(aged(3_700), OTHER, NOW + seconds(300));
    let policy = TokenPolicy::default();
    let decided = |patience, watched| {
        let asker = Asker { patience, watched, ..me() };
        decide(&leased, &asker, &policy, NOW, 0.0)
    };
    let wait = |left| Decision::Wait { until: NOW + seconds(left) };
    assert_eq!(decided(seconds(4), Duration::ZERO), wait(4));
    assert_eq!(decided(seconds(1), seconds(3)), wait(1));
    for (patience, watched) in [(3, 0), (0, 3), (60, 4)] {
        let taken = matches!(decided(seconds(patience), seconds(watched)), Decision::Take(_));
        assert!(taken, "{patience} s of patience after {watched} s");
    }
}
