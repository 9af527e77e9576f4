//! What happens to the fleet in each scenario.

mod crowded;
mod faults;
mod name;
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
            Self::SteadyRefresh => token::steady_refresh(run).await,
            Self::ColdBurst => token::cold_burst(run).await,
            Self::ThrottledStore => crowded::throttled_store(run).await,
            Self::HangingStore => crowded::hanging_store(run).await,
            Self::StoreDown => token::store_down(run).await,
            Self::RejectedToken => token::rejected_token(run).await,
            Self::ProviderOutage => token::provider_outage(run).await,
        }
    }
}
