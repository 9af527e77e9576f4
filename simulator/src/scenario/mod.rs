//! What happens to the fleet in each scenario.

mod crowded;
mod duplicates;
mod faults;
mod hard;
mod hard_stores;
mod name;
mod operator;
mod outage;
mod policy;
mod rate;
mod token;

pub use name::Scenario;

use crate::{Figure, SimulatorError, run::Run};

impl Scenario {
    pub(super) async fn figures(self, run: &Run) -> Result<Vec<Figure>, SimulatorError> {
        match self {
            Self::Outage => outage::outage(run).await,
            Self::SimultaneousFailures => outage::simultaneous_failures(run).await,
            Self::Flapping => outage::flapping(run).await,
            Self::Recovery => outage::recovery(run).await,
            Self::PartialOutage => rate::partial_outage(run).await,
            Self::HealthyCost => rate::healthy_cost(run).await,
            Self::FalseOpens => rate::false_opens(run).await,
            Self::StoreOutage => faults::store_outage(run).await,
            Self::PoisonedInstance => faults::poisoned_instance(run).await,
            Self::KilledProber => faults::killed_prober(run).await,
            Self::FreezeAndThaw => faults::freeze_and_thaw(run).await,
            Self::LateSuccesses => faults::late_successes(run).await,
            Self::SkewedClock => faults::skewed_clock(run).await,
            Self::Hang => hard::hang(run).await,
            Self::SlowProbe => hard::slow_probe(run).await,
            Self::ThawWithCalls => hard::thaw_with_calls(run).await,
            Self::ThrottledStore => hard_stores::throttled_store(run).await,
            Self::DistantStore => hard_stores::distant_store(run).await,
            Self::Overrides => operator::overrides(run).await,
            Self::SteadyRefresh => token::steady_refresh(run).await,
            Self::ColdBurst => token::cold_burst(run).await,
            Self::ThrottledColdBurst => crowded::throttled_cold_burst(run).await,
            Self::HangingStore => crowded::hanging_store(run).await,
            Self::StoreDown => token::store_down(run).await,
            Self::RejectedToken => token::rejected_token(run).await,
            Self::ProviderOutage => token::provider_outage(run).await,
            Self::Duplicates => duplicates::duplicates(run).await,
        }
    }
}
