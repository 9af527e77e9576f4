//! The token of the fleet.

use std::time::Duration;

use funcify_core::{
    Timestamp,
    engine::{Asker, Decision, Lease, Minted, ProviderFailure, RememberedFailure, decide},
    register::WriteId,
    token::{AccessToken, TokenPolicy, TokenRecord},
};

use super::fleet::{Clocks, Deed, LIFETIME, Look, Rule, State, Subject, at, seconds, text};

const DIGEST: &str = "0123456789abcdef0123456789abcdef";

/// Processes that share a token. The text of a token is its true end.
pub(super) struct Token;

impl Token {
    fn minted(state: &State, by: i64, clocks: &Clocks) -> Minted {
        let dated = clocks.rule != Rule::OwnClock;
        Minted {
            token: AccessToken::from((state.now + LIFETIME).to_string()),
            token_type: "Bearer".to_owned(),
            scope: None,
            asked_at: at(state.now + by),
            issued_at: dated.then(|| at(state.now)),
            lifetime: seconds(LIFETIME.unsigned_abs()),
        }
    }

    fn record(state: &State) -> TokenRecord {
        serde_json::from_str(&state.record).unwrap()
    }

    /// Applies the rule, or its mutant, to a record before `decide` gets it.
    fn read(mut record: TokenRecord, clocks: &Clocks, now: Timestamp) -> TokenRecord {
        match clocks.rule {
            Rule::Credible | Rule::OwnClock => {}
            Rule::Lowered => {
                let ahead = record.minted_at.since(now);
                record.minted_at = record.minted_at.min(now);
                record.expires_at = record.expires_at - ahead;
                record.refresh_at = record.refresh_at - ahead;
                if let Some(lease) = &mut record.lease {
                    lease.until = lease.until.min(now + seconds(4));
                }
                if let Some(failure) = &mut record.failure {
                    failure.until = failure.until.min(now + seconds(60));
                }
            }
            Rule::Believed => {
                // Replace each time that is in force by one that `decide` believes.
                let ahead = record.minted_at.since(now);
                record.minted_at = record.minted_at - ahead;
                let binds = |until: Timestamp| now < until;
                if let Some(lease) = &mut record.lease
                    && binds(lease.until)
                {
                    lease.until = now + seconds(1);
                }
                if let Some(failure) = &mut record.failure
                    && binds(failure.until)
                {
                    (failure.until, failure.pause) = (now + seconds(1), None);
                }
            }
        }
        record
    }
}

impl Subject for Token {
    const LONGEST: i64 = 61;

    fn planted(clocks: &Clocks) -> Vec<String> {
        let honest = TokenRecord { digest: DIGEST.to_owned(), ..TokenRecord::default() };
        let mut planted = vec![honest.clone()];
        for far in [at(clocks.wrong_by), at(clocks.wrong_by + 62), Timestamp::from_millis(i64::MAX)]
        {
            let until = far;
            let lease = Some(Lease { holder: WriteId::from_bits(9), until });
            let failure = |pause| {
                let code = "unavailable".to_owned();
                Some(RememberedFailure { until, pause, code, count: 1, cred: None })
            };
            planted.extend([
                TokenRecord { lease: lease.clone(), ..honest.clone() },
                TokenRecord { failure: failure(None), ..honest.clone() },
                TokenRecord { lease, failure: failure(Some(u64::MAX)), ..honest.clone() },
                TokenRecord { minted_at: far, refresh_at: far, expires_at: far, ..honest.clone() },
            ]);
        }
        planted.iter().map(text).collect()
    }

    fn look(clocks: &Clocks, state: &mut State, look: Look) {
        let (record, now, policy) = (Self::record(state), at(state.now), TokenPolicy::default());
        let mut asker = Asker {
            holder: WriteId::from_bits(1),
            digest: DIGEST,
            meaning: DIGEST,
            cred: None,
            watched: Duration::ZERO,
            patience: Duration::ZERO,
            rejected: None,
        };
        if look == Look::Watches {
            asker.patience = policy.lease;
            let read = Self::read(record.clone(), clocks, now);
            if matches!(decide(&read, &asker, &policy, now, 1.0), Decision::Wait { .. }) {
                state.waits();
                state.now += i64::try_from(policy.lease.as_secs()).unwrap();
                asker.watched = policy.lease;
            }
        }
        let now = at(state.now);
        match decide(&Self::read(record, clocks, now), &asker, &policy, now, 1.0) {
            Decision::Use => {
                let end: i64 = Self::record(state).token.unwrap().expose().parse().unwrap();
                state.late = state.late.max(state.now - end);
                state.goes_on();
            }
            Decision::Take(leased) if look == Look::Dies => state.writes(text(&*leased)),
            Decision::Take(leased) => {
                let minted = Self::minted(state, 0, clocks);
                state.writes(text(&leased.published(&minted, &policy, false)));
                state.goes_on();
            }
            _ => state.waits(),
        }
    }

    fn deed(clocks: &Clocks, state: &State, by: i64, deed: Deed) -> String {
        let (record, now, policy) =
            (Self::record(state), at(state.now + by), TokenPolicy::default());
        let failure =
            |retry_after| ProviderFailure { code: "unavailable", cred: None, retry_after };
        text(&match deed {
            Deed::TakesLease => {
                let lease = Lease { holder: WriteId::from_bits(2), until: now + policy.lease };
                TokenRecord { lease: Some(lease), ..record }
            }
            Deed::Fails => record.failed(&failure(Some(seconds(60))), now, 0.0),
            Deed::Publishes => record.published(&Self::minted(state, by, clocks), &policy, false),
        })
    }
}
