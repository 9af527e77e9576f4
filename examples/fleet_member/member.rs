//! The member itself: one circuit and one token, which all processes with the same store share.

use std::{
    error::Error,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use funcify::{
    CircuitBreaker, CircuitPolicy, ClientCredentials, Idempotency, Stores, TokenGetter,
    circuit::{CircuitError, CircuitEvent, CircuitRecord, CountRule},
    error_chain,
    idempotency::IdempotencyPolicy,
    token::{ClientAuthentication, TokenSource},
};
use funcify_core::register::{RecordName, Swap, WriteId};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{serve::serve, step::Step};

/// The number of failures that open the circuit.
const FAILURES: u32 = 3;

/// How old a member's snapshot of the circuit may be.
const SNAPSHOT: Duration = Duration::from_secs(2);

/// The pause between two calls of the step `watch`.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest time that a claim on work lasts, and that a member waits for the claim of another one.
const CLAIM: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Member {
    key: RecordName,
    stores: Stores,
    circuit: CircuitBreaker,
    /// How often the store could not be reached. While it cannot, a member decides by itself, and the test
    /// shows nothing.
    outages: Arc<AtomicU64>,
}

impl Member {
    pub(crate) fn new(name: &str, stores: Stores) -> Result<Self, Box<dyn Error>> {
        let mut policy = CircuitPolicy::new(CountRule::new(FAILURES, Duration::from_secs(60)));
        policy.snapshot_ttl = SNAPSHOT;
        policy.snapshot_ttl_after_failure = Duration::from_millis(500);
        let outages = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&outages);
        let circuit = CircuitBreaker::new(name, policy, Arc::clone(&stores.circuits))?
            .with_listener(move |_, event| {
                if matches!(event, CircuitEvent::StoreDown) {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            });
        Ok(Self { key: name.parse()?, stores, circuit, outages })
    }

    pub(crate) async fn take(&self, step: Step) -> Result<Value, Box<dyn Error>> {
        match step {
            Step::Fail(calls) => Ok(self.fail(calls).await),
            Step::Call => Ok(self.call().await),
            Step::Watch(patience) => Ok(self.watch(patience).await),
            Step::Token => self.token().await,
            Step::Read => self.read().await,
            Step::Write(writes) => self.write(writes).await,
            Step::Hold(lasting) => self.hold(lasting).await,
            Step::Once(lasting) => self.once(async || sleep(lasting).await, false).await,
            Step::Block { lasting, fails } => {
                self.once(async || std::thread::sleep(lasting), fails).await
            }
            Step::Serve => serve(&self.stores, self.getter()).await,
            Step::Forget(_) => Ok(Value::Null),
        }
    }

    async fn fail(&self, calls: u32) -> Value {
        let mut refused = 0;
        for _ in 0..calls {
            let failed = self.circuit.call(async || Err::<(), _>("broken")).await;
            refused += u32::from(matches!(failed, Err(CircuitError::Open(_))));
        }
        json!({ "calls": calls, "refused": refused, "outages": self.outages() })
    }

    async fn call(&self) -> Value {
        json!({ "admitted": self.is_admitted().await, "outages": self.outages() })
    }

    async fn watch(&self, patience: Duration) -> Value {
        let began = Instant::now();
        let mut admitted = 0;
        while began.elapsed() < patience {
            if !self.is_admitted().await {
                return json!({ "refused": true, "admitted": admitted, "outages": self.outages() });
            }
            admitted += 1;
            sleep(PAUSE).await;
        }
        json!({ "refused": false, "admitted": admitted, "outages": self.outages() })
    }

    /// Prints a hash of the token, so that tests can compare tokens without seeing them.
    async fn token(&self) -> Result<Value, Box<dyn Error>> {
        let token = self.getter()?.token().await?;
        let minted = token.source() == TokenSource::Minted;
        let mut hash = DefaultHasher::new();
        token.expose().hash(&mut hash);
        Ok(json!({ "minted": minted, "fingerprint": format!("{:016x}", hash.finish()) }))
    }

    async fn read(&self) -> Result<Value, Box<dyn Error>> {
        let found = self.stores.circuits.circuit_state(self.circuit.name()).await?;
        Ok(json!({ "epoch": found.map(|found| found.value.epoch) }))
    }

    /// Each write replaces the one before. The number of the write is the epoch of the record.
    async fn write(&self, writes: u32) -> Result<Value, Box<dyn Error>> {
        let mut version = None;
        for epoch in 1..=writes.into() {
            let mut next = CircuitRecord::default();
            next.epoch = epoch;
            let write = self.stores.circuits.update_state(
                self.circuit.name(),
                version,
                WriteId::random(),
                &next,
            );
            let Swap::Applied(done) = write.await? else {
                return Err("somebody else writes this record".into());
            };
            version = Some(done);
            crate::output::print("wrote", json!({ "epoch": epoch }));
        }
        Ok(json!({ "writes": writes }))
    }

    async fn hold(&self, lasting: Duration) -> Result<Value, Box<dyn Error>> {
        let (getter, began) = (self.getter()?, Instant::now());
        let mut not_served = 0;
        while began.elapsed() < lasting {
            not_served += u32::from(getter.token().await.is_err());
            sleep(PAUSE).await;
        }
        let counts = getter.metrics();
        Ok(
            json!({ "minted": counts.grants, "without_store": counts.without_store, "not_served": not_served }),
        )
    }

    /// The answer names the process that did the work.
    async fn once(&self, effect: impl AsyncFnOnce(), fails: bool) -> Result<Value, Box<dyn Error>> {
        let mut policy = IdempotencyPolicy::default();
        (policy.longest_claim, policy.wait) = (CLAIM, PATIENCE);
        let store = Arc::clone(&self.stores.idempotency);
        let once = Idempotency::new("member", store)?.policy(policy)?;
        let work = once.run(self.key.as_ref(), &"payload", async |claim| {
            let (attempt, fence) = (claim.attempt(), claim.fence());
            crate::output::print("began", json!({ "attempt": attempt, "fence": fence }));
            effect().await;
            crate::output::print("worked", json!({ "attempt": attempt }));
            if fails { Err(std::fmt::Error) } else { Ok(std::process::id()) }
        });
        Ok(match work.await {
            Ok(answer) => json!({ "answer": answer }),
            Err(error) => json!({ "error": error_chain(&error) }),
        })
    }

    fn getter(&self) -> Result<TokenGetter, Box<dyn Error>> {
        let mut credentials = ClientCredentials::from_env()?;
        if let Ok(resource) = std::env::var("FLEET_MEMBER_RESOURCE") {
            credentials.resources.push(resource);
        }
        if let Some(path) = std::env::var_os("FLEET_MEMBER_KEY") {
            let pem = std::fs::read(path)?;
            credentials.authentication = ClientAuthentication::private_key("ES256", None, &pem)?;
        }
        let store = Arc::clone(&self.stores.tokens);
        Ok(TokenGetter::builder(credentials, store).key(self.key.clone()).build()?)
    }

    async fn is_admitted(&self) -> bool {
        let healthy = self.circuit.call(async || Ok::<_, &str>(())).await;
        !matches!(healthy, Err(CircuitError::Open(_)))
    }

    fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }
}
