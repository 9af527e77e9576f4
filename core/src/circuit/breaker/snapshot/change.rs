//! All ways in which a new snapshot replaces the current one.

use std::{sync::Arc, time::Duration};

use super::{super::CircuitBreaker, Outage, Snapshot};
use crate::{
    Timestamp,
    circuit::{
        CircuitEvent, CircuitPolicy, CircuitRecord, CircuitState,
        breaker::{lock::lock, metrics::CircuitSeries},
        event,
    },
    register::{Version, Versioned},
};

impl CircuitBreaker {
    /// Accepts a record that was read, unless the current snapshot is from a later read.
    pub(in crate::circuit::breaker) fn accept(
        &self,
        found: Option<Versioned<CircuitRecord>>,
        began: Timestamp,
    ) {
        let (record, version) = match found {
            Some(found) => (found.value, Some(found.version)),
            None => (CircuitRecord::default(), None),
        };
        self.change(false, |current, now| {
            let is_later = current.taken_at > began && current.taken_at <= now;
            let is_obsolete = is_later && current.outage.is_none();
            (!is_obsolete).then(|| current.followed_by(record, version, self.policy(), began, now))
        });
    }

    /// Accepts a record that this process has written. It replaces what was read meanwhile, because the
    /// store is known to hold it.
    pub(in crate::circuit::breaker) fn accept_written(
        &self,
        next: CircuitRecord,
        version: Version,
        began: Timestamp,
    ) {
        self.change(true, |current, now| {
            Some(current.followed_by(next, Some(version), self.policy(), began, now))
        });
    }

    /// Changes the private record: the one that this process keeps while the store is down. Does nothing if
    /// the store answers again.
    pub(in crate::circuit::breaker) fn change_private(
        &self,
        change: impl FnOnce(&CircuitRecord, Timestamp) -> Option<CircuitRecord>,
    ) {
        let settings = self.settings();
        self.change(true, |current, now| {
            current.outage.as_ref()?;
            let mut record = change(&current.record, now)?;
            if record.state == CircuitState::Open && record.epoch != current.record.epoch {
                spread(&mut record, &settings.policy, settings.chance.draw());
            }
            let next = Snapshot { record: Arc::new(record), ..current.clone() };
            Some(next.evaluated(&settings.policy, now, now))
        });
    }

    /// Goes on with a private record, which begins as a copy of the last one that was read. If an operation
    /// has just failed, `is_throttled` says whether the store throttled it.
    pub(in crate::circuit::breaker) fn go_private(&self, is_throttled: Option<bool>) {
        let settings = self.settings();
        self.change(true, |current, now| {
            let mut record = Arc::clone(&current.record);
            let tries = match &current.outage {
                // Another call has already counted a failure for this try.
                Some(outage) if now < outage.retry_at => return None,
                Some(outage) => outage.tries.saturating_add(1),
                None => {
                    if record.state == CircuitState::Open {
                        let record = Arc::make_mut(&mut record);
                        spread(record, &settings.policy, settings.chance.draw());
                    }
                    0
                }
            };
            let before = current.outage.as_ref().is_some_and(|outage| outage.is_throttled);
            let is_throttled = is_throttled.unwrap_or(before);
            let retry_at = now + pause(tries, is_throttled, settings.chance.draw());
            let outage = Some(Outage { tries, retry_at, is_throttled });
            let next = Snapshot { record, outage, ..current.clone() };
            Some(next.evaluated(&settings.policy, now, now))
        });
    }

    /// Opens the circuit for this instance alone.
    pub(in crate::circuit::breaker) fn open_instance_local(&self, retry_after: Duration) {
        let settings = self.settings();
        let (policy, chance) = (&settings.policy, settings.chance.draw());
        let drawn = policy.open_duration.mul_f64(0.9 + 0.1 * chance);
        let open_duration = drawn.max(retry_after).min(policy.max_open_duration);
        self.change(true, |current, now| {
            let next = Snapshot { instance_open_until: now + open_duration, ..current.clone() };
            Some(next.evaluated(&settings.policy, current.taken_at, now))
        });
    }

    /// Makes the snapshot stale at most `after` its read. After a failure, this instance refreshes its
    /// snapshot sooner.
    pub(in crate::circuit::breaker) fn refresh_sooner(&self, after: Duration) {
        let current = self.shared.snapshot.load();
        // During an outage, nothing can be read before the next try.
        if current.outage.is_none() && current.fresh_until > current.taken_at + after {
            drop(current);
            self.change(true, |current, _| {
                let fresh_until = current.fresh_until.min(current.taken_at + after);
                Some(Snapshot { fresh_until, ..current.clone() })
            });
        }
    }

    /// Replaces the snapshot by the result of `next`, and emits an event for each change. `is_own` says that
    /// this process has made the change of the record, and has not read it.
    fn change(&self, is_own: bool, next: impl FnOnce(&Snapshot, Timestamp) -> Option<Snapshot>) {
        let guard = lock(&self.shared.changing);
        let current = self.shared.snapshot.load_full();
        let Some(next) = next(&current, self.now()) else { return };
        let mut events = event::changes(&current.record, &next.record);
        match (&current.outage, &next.outage) {
            (None, Some(_)) => events.push(CircuitEvent::StoreDown),
            (Some(_), None) => events.push(CircuitEvent::StoreBack),
            _ => {}
        }
        if is_own {
            CircuitSeries::transition(self.name(), &current.record, &next.record);
        }
        self.shared.series.state(self.name(), &next.record, self.now());
        self.shared.fast_path.publish(next.decision(), next.fresh());
        self.shared.snapshot.store(Arc::new(next));
        // A listener may use the breaker, so the lock must not be held.
        drop(guard);
        for event in events {
            self.emit(&event);
        }
    }
}

/// Moves the end of a private open duration to a random time, because each instance makes its own probe:
/// to one to two times the duration. If two times would be more than the longest, to half of the longest
/// up to the longest.
fn spread(record: &mut CircuitRecord, policy: &CircuitPolicy, chance: f64) {
    let open_duration = record.open_until.since(record.changed_at);
    let longest = open_duration.saturating_mul(2).min(policy.max_open_duration);
    record.open_until = record.changed_at + longest.mul_f64(0.5 + 0.5 * chance);
}

/// How many tries of the store are 1 to 2 s apart. They cover at least the first five seconds of an
/// outage. After an outage of up to that length, the store is used again within two seconds.
const SWIFT_TRIES: u32 = 5;

/// The longest pause between two tries, in seconds. After an outage, the store is used again within this
/// time. A store that throttles has too many clients, so it gets more time: 1,000 instances then send it
/// 45 requests a second.
const LONGEST: u64 = 4;
const LONGEST_THROTTLED: u64 = 30;

/// Draws the pause before the next try of the store: 1 to 2 s at first. Then it doubles with each try.
fn pause(tries: u32, is_throttled: bool, chance: f64) -> Duration {
    let doublings = tries.saturating_sub(SWIFT_TRIES - 1).min(4);
    let longest = if is_throttled { LONGEST_THROTTLED } else { LONGEST };
    let bound = 2_u64.saturating_pow(1 + doublings).min(longest);
    Duration::from_secs(bound).mul_f64(0.5 + 0.5 * chance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_open_duration_is_spread_and_no_longer_than_the_longest() {
        let max_open_duration = Duration::from_secs(300);
        let policy = CircuitPolicy { max_open_duration, ..CircuitPolicy::default() };
        let spread_over = |open_duration| {
            [0.0, 1.0].map(|chance| {
                let mut record = CircuitRecord::default();
                record.open_until = record.changed_at + Duration::from_secs(open_duration);
                spread(&mut record, &policy, chance);
                record.open_until.since(record.changed_at).as_secs()
            })
        };
        assert_eq!(spread_over(20), [20, 40]);
        assert_eq!(spread_over(150), [150, 300]);
        assert_eq!(spread_over(300), [150, 300]);
    }

    #[test]
    fn tries_are_one_to_two_seconds_apart_for_five_and_four_or_thirty_at_most_later() {
        for (is_throttled, bounds) in
            [(false, [2, 2, 2, 2, 2, 4, 4, 4, 4, 4]), (true, [2, 2, 2, 2, 2, 4, 8, 16, 30, 30])]
        {
            let pause = |tries, chance| pause(tries, is_throttled, chance);
            for (tries, bound) in (0..).zip(bounds) {
                let (shortest, longest) = (pause(tries, 0.0), pause(tries, 1.0));
                assert_eq!(
                    (shortest * 2, longest),
                    (longest, Duration::from_secs(bound)),
                    "{tries}"
                );
            }
            assert_eq!(pause(u32::MAX, 1.0), Duration::from_secs(bounds[9]));
            assert!(
                (0..SWIFT_TRIES).map(|tries| pause(tries, 0.0)).sum::<Duration>().as_secs() >= 5
            );
        }
    }
}
