//! The scenarios: their names, their descriptions and their default sizes.

/// What happens to the fleet in a simulation.
///
/// # Examples
///
/// ```
/// use funcify_simulator::Scenario;
///
/// for scenario in Scenario::ALL {
///     println!("{}: {} ({} instances)", scenario.name(), scenario.about(), scenario.instances());
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scenario {
    /// The dependency is down for a minute.
    Outage,
    /// Every instance fails at the same moment.
    SimultaneousFailures,
    /// All, a half, a quarter or 15 % of the calls fail.
    PartialOutage,
    /// The dependency goes down and comes back, again and again.
    Flapping,
    /// The dependency recovers as soon as the circuit has opened.
    Recovery,
    /// The store is down for a minute, and the dependency for 40 s of it.
    StoreOutage,
    /// Every call of one instance fails.
    PoisonedInstance,
    /// The process that holds the probe's lease is killed.
    KilledProber,
    /// The process that makes a probe is frozen for ten minutes and reports after its thaw.
    FreezeAndThaw,
    /// Calls from before the outage succeed while the circuit is open.
    LateSuccesses,
    /// Two clocks are wrong by five minutes.
    SkewedClock,
    /// The dependency hangs for a minute.
    Hang,
    /// The first probe takes as long as a call may take.
    SlowProbe,
    /// Processes are frozen with calls in flight, all of which are answered meanwhile.
    ThawWithCalls,
    /// The store serves 40 reads and 40 writes a second, and the dependency is down for a minute.
    ThrottledStore,
    /// The store is 300 ms away, and the dependency is down for a minute.
    DistantStore,
    /// An operator forces the circuit open, and closes it again.
    Overrides,
    /// The fleet is healthy. Measures how many store operations it needs, and what they cost.
    HealthyCost,
    /// Few calls fail, in fleets of many sizes and loads. No circuit may open.
    FalseOpens,
    /// A fleet renews its token again and again.
    SteadyRefresh,
    /// A fleet starts without a token.
    ColdBurst,
    /// A fleet starts without a token on a store with a small quota.
    ThrottledColdBurst,
    /// The store hangs when the fleet starts without a token, or before its token is due. In another run it
    /// does not answer a fifth of all operations.
    HangingStore,
    /// The store is down when the token is due for renewal.
    StoreDown,
    /// An API rejects the fleet's token.
    RejectedToken,
    /// The identity provider is down when the fleet starts without a token.
    ProviderOutage,
    /// Messages are delivered again and again, to processes that die, freeze and have wrong clocks.
    Duplicates,
}

impl Scenario {
    /// Every scenario: first those of the circuit, then those of the token and of idempotency.
    pub const ALL: [Self; 27] = [
        Self::Outage,
        Self::SimultaneousFailures,
        Self::PartialOutage,
        Self::Flapping,
        Self::Recovery,
        Self::StoreOutage,
        Self::PoisonedInstance,
        Self::KilledProber,
        Self::FreezeAndThaw,
        Self::LateSuccesses,
        Self::SkewedClock,
        Self::Hang,
        Self::SlowProbe,
        Self::ThawWithCalls,
        Self::ThrottledStore,
        Self::DistantStore,
        Self::Overrides,
        Self::HealthyCost,
        Self::FalseOpens,
        Self::SteadyRefresh,
        Self::ColdBurst,
        Self::ThrottledColdBurst,
        Self::HangingStore,
        Self::StoreDown,
        Self::RejectedToken,
        Self::ProviderOutage,
        Self::Duplicates,
    ];

    /// The scenario with this [`name`](Self::name), or `None` if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use funcify_simulator::Scenario;
    ///
    /// assert_eq!(Scenario::named("cold-burst"), Some(Scenario::ColdBurst));
    /// assert_eq!(Scenario::named("sunshine"), None);
    /// ```
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// The name in reports and on the command line: `cold-burst`, for example.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outage => "outage",
            Self::SimultaneousFailures => "simultaneous-failures",
            Self::PartialOutage => "partial-outage",
            Self::Flapping => "flapping",
            Self::Recovery => "recovery",
            Self::StoreOutage => "store-outage",
            Self::PoisonedInstance => "poisoned-instance",
            Self::KilledProber => "killed-prober",
            Self::FreezeAndThaw => "freeze-and-thaw",
            Self::LateSuccesses => "late-successes",
            Self::SkewedClock => "skewed-clock",
            Self::Hang => "hang",
            Self::SlowProbe => "slow-probe",
            Self::ThawWithCalls => "thaw-with-calls",
            Self::ThrottledStore => "throttled-store",
            Self::DistantStore => "distant-store",
            Self::Overrides => "overrides",
            Self::HealthyCost => "healthy-cost",
            Self::FalseOpens => "false-opens",
            Self::SteadyRefresh => "steady-refresh",
            Self::ColdBurst => "cold-burst",
            Self::ThrottledColdBurst => "throttled-cold-burst",
            Self::HangingStore => "hanging-store",
            Self::StoreDown => "store-down",
            Self::RejectedToken => "rejected-token",
            Self::ProviderOutage => "provider-outage",
            Self::Duplicates => "duplicates",
        }
    }

    /// A description in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Outage => "the dependency is down for a minute; 100 calls/s",
            Self::SimultaneousFailures => "every instance fails at the same moment",
            Self::PartialOutage => {
                "all, a half, a quarter, 15 % of 100 calls/s fail; threshold 20 %"
            }
            Self::Flapping => "down for 5 s, up for 5 s, for five minutes; 100 calls/s",
            Self::Recovery => "the dependency recovers when the circuit has opened; 10 calls/s",
            Self::StoreOutage => "the store is down for a minute, the dependency for 40 s of it",
            Self::PoisonedInstance => "every call of one instance fails; a quorum of two",
            Self::KilledProber => "the process that holds the probe's lease is killed",
            Self::FreezeAndThaw => {
                "a process is frozen in its probe for ten minutes; the probe fails"
            }
            Self::LateSuccesses => "100 calls from before the outage succeed while it is open",
            Self::SkewedClock => "one clock is five minutes ahead, one behind; 10 calls/s",
            Self::Hang => "the dependency does not answer for a minute; 100 calls/s",
            Self::SlowProbe => "the first probe takes as long as a call may; 100 calls/s",
            Self::ThawWithCalls => "20 processes are stopped in five calls each, all answered",
            Self::ThrottledStore => "the store serves 40 reads and writes a second; 100 calls/s",
            Self::DistantStore => "the store is 300 ms away; 100 calls/s",
            Self::Overrides => "an operator forces the circuit open, and closes it; 100 calls/s",
            Self::HealthyCost => "100 calls/s, none failing (count rule) or 1 % (rate rule)",
            Self::FalseOpens => "0.1 to 5 % failures, 10 to 1,000 calls/s, bursts, day and night",
            Self::SteadyRefresh => "a token of an hour, each instance called every 10 s",
            Self::ColdBurst => "no instance has a token: all at once, and within two seconds",
            Self::ThrottledColdBurst => {
                "no token anywhere, and a store that serves 40 reads and writes a second"
            }
            Self::HangingStore => {
                "no token anywhere, or one that is due, and a store that hangs or crawls"
            }
            Self::StoreDown => "the store is down when the token of an hour is due",
            Self::RejectedToken => "an API answers 401 to every instance at the same moment",
            Self::ProviderOutage => {
                "no token, and the identity provider is down for the first 30 s"
            }
            Self::Duplicates => {
                "2,000 messages that come again, processes that die and freeze, clocks off by 1 s"
            }
        }
    }

    /// The default number of instances, for which the limits are set.
    #[must_use]
    pub fn instances(self) -> usize {
        match self {
            Self::Outage | Self::SimultaneousFailures | Self::Recovery | Self::Duplicates => 500,
            Self::SkewedClock | Self::KilledProber | Self::FreezeAndThaw => 50,
            Self::PartialOutage
            | Self::Flapping
            | Self::StoreOutage
            | Self::PoisonedInstance
            | Self::LateSuccesses
            | Self::Hang
            | Self::SlowProbe
            | Self::ThawWithCalls
            | Self::ThrottledStore
            | Self::DistantStore
            | Self::Overrides
            | Self::HealthyCost
            | Self::ThrottledColdBurst
            | Self::HangingStore
            | Self::FalseOpens => 200,
            Self::SteadyRefresh
            | Self::ColdBurst
            | Self::StoreDown
            | Self::RejectedToken
            | Self::ProviderOutage => 1_000,
        }
    }
}
