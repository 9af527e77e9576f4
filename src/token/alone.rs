//! Without the store: this process sees to itself.

use funcify_core::token::{TokenPolicy, TokenRecord};

use crate::token::bearer::Token;
use crate::token::flight::Flight;
use crate::token::renew::Want;
use crate::token::{Inner, TokenError, out_of_time};

impl Inner {
    /// The store does not answer: this process renews by itself, at its own place in the refresh
    /// window, so that a fleet without a store does not ask all at once.
    pub(super) async fn go_alone(
        &self,
        flight: &mut Flight,
        want: &Want<'_>,
    ) -> Result<Token, TokenError> {
        let now = self.clock.now();
        if let Some(token) = self.memory.valid(&*self.clock, want.rejected)
            && now < token.place()
        {
            // One caller has paid for one look; nobody pays for another one before it is needed.
            self.memory.quiet(token.place(), true);
            return Ok(token.stale());
        }
        if let Some(error) = Flight::standing(&flight.refused) {
            return Err(error);
        }
        let forced = flight.forced_at.filter(|_| want.rejected.is_some());
        if let Some(forced_at) = forced {
            let until = forced_at + TokenPolicy::FORCED_INTERVAL;
            if now < until {
                return Err(TokenError::RejectedTooOften { retry_after: until.since(now) });
            }
        }
        match self.ask(flight, want, self.request_timeout).await {
            Ok(minted) => {
                self.counters.alone.increment();
                let record = TokenRecord::default().published(&minted, &self.policy, false);
                flight.alone = TokenRecord::default();
                flight.forced_at = want.rejected.map(|_| now);
                self.hold_minted(&record).ok_or_else(out_of_time)
            }
            Err(error) => {
                let alone = std::mem::take(&mut flight.alone);
                flight.alone = self.after_failure(flight, alone, &error);
                Err(want.told(error))
            }
        }
    }
}
