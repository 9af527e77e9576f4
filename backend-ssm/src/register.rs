use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ssm::{
    Client,
    operation::{get_parameter::GetParameterError, put_parameter::PutParameterError},
    types::{ParameterTier, ParameterType},
};
use funcify_core::{
    StoreError, StoreErrorKind,
    register::{Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId},
};
use futures_util::future::try_join_all;

use crate::{
    SsmConfig, SsmConfigError, SsmError, Tier,
    connect::Connection,
    error::{Request, store_error},
    wire::{self, Claim, Content, Entry, KEPT, Log, Reading, Unknown},
};

/// Records as SecureString parameters under one path of SSM Parameter Store.
///
/// A read is one `GetParameter` where nothing has changed, two where something has. A swap is one
/// `PutParameter` and one `GetParameter`. No retries: the deadline and the retries are the engines'.
/// Needs the rights `ssm:GetParameter` and `ssm:PutParameter` under the path, and of the key
/// `kms:Decrypt` and `kms:Encrypt` (`kms:GenerateDataKey` for the advanced tier).
///
/// # Examples
///
/// ```
/// use aws_config::{BehaviorVersion, Region, SdkConfig};
/// use funcify_backend_ssm::{SsmBackend, SsmConfig};
///
/// let aws = SdkConfig::builder()
///     .behavior_version(BehaviorVersion::latest())
///     .region(Region::new("eu-central-1"))
///     .build();
/// let backend = SsmBackend::new(SsmConfig::parse("ssm:///fleet")?, &aws)?;
/// assert_eq!(format!("{backend:?}"), r#"SsmBackend { path: "/fleet", .. }"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SsmBackend {
    connection: Connection,
    config: SsmConfig,
    /// What was found valid last: when it is read again, it need not be proven again.
    proven: Mutex<HashMap<RecordKey, Version>>,
}

impl SsmBackend {
    /// A client for the path, from the AWS configuration of the process; does no I/O.
    ///
    /// # Errors
    ///
    /// [`SsmConfigError`] names what is wrong with `config`.
    pub fn new(config: SsmConfig, aws: &SdkConfig) -> Result<Self, SsmConfigError> {
        Self::build(aws_sdk_ssm::config::Builder::from(aws), config)
    }

    /// The same with a client that there is already: its HTTP client, credentials and endpoint stay,
    /// its own retries and timeouts are switched off.
    ///
    /// # Errors
    ///
    /// [`SsmConfigError`] names what is wrong with `config`.
    pub fn with_client(client: &Client, config: SsmConfig) -> Result<Self, SsmConfigError> {
        Self::build(client.config().to_builder(), config)
    }

    fn build(
        builder: aws_sdk_ssm::config::Builder,
        config: SsmConfig,
    ) -> Result<Self, SsmConfigError> {
        let connection = Connection::new(builder, &config)?;
        Ok(Self { connection, config, proven: Mutex::default() })
    }

    fn name(&self, key: &RecordKey) -> String {
        format!("{}/{}/{}", self.config.path, key.kind, key.name)
    }

    /// One `GetParameter`, of the latest version or of `name:version`; `None` if it is not there.
    async fn get(&self, name: String) -> Result<Option<(u64, Entry, Content)>, StoreError> {
        let send = self.connection.client().get_parameter().name(name).with_decryption(true).send();
        match self.connection.answer(Request::Read, send).await? {
            Ok(found) => Ok(found.parameter.map(|parameter| {
                let (entry, content) = wire::decode(parameter.value().unwrap_or_default());
                (u64::try_from(parameter.version()).unwrap_or_default(), entry, content)
            })),
            Err(error) => match error.as_service_error() {
                Some(
                    GetParameterError::ParameterNotFound(_)
                    | GetParameterError::ParameterVersionNotFound(_),
                ) => Ok(None),
                _ => Err(Request::Read.failed(error)),
            },
        }
    }

    /// One `PutParameter`: the version that it made, `None` if there is one and none was wanted.
    async fn put(
        &self,
        name: &str,
        value: &str,
        overwrite: bool,
    ) -> Result<Option<u64>, StoreError> {
        let tier = self.config.tier.map(|tier| match tier {
            Tier::Standard => ParameterTier::Standard,
            Tier::Advanced => ParameterTier::Advanced,
        });
        let send = self
            .connection
            .client()
            .put_parameter()
            .name(name)
            .value(value)
            .r#type(ParameterType::SecureString)
            .set_key_id(self.config.kms_key.clone())
            .set_tier(tier)
            .overwrite(overwrite)
            .send();
        match self.connection.answer(Request::Write, send).await? {
            Ok(made) => Ok(Some(u64::try_from(made.version()).unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(PutParameterError::ParameterAlreadyExists(_)) if !overwrite => Ok(None),
                _ => Err(Request::Write.failed(error)),
            },
        }
    }

    /// Reads the log up to `latest`, fetching what it asks for.
    async fn look(
        &self,
        key: &RecordKey,
        name: &str,
        latest: (u64, Entry, Content),
        proven: Option<Version>,
    ) -> Result<Option<Versioned<Body>>, StoreError> {
        let mut log = Log::new(latest.0, KEPT);
        let mut contents = BTreeMap::new();
        let mut known = vec![latest];
        let Reading { current, lost } = loop {
            for (pos, entry, content) in known {
                log.insert(pos, entry);
                contents.insert(pos, content);
            }
            match log.reading(proven) {
                Ok(reading) => break reading,
                Err(Unknown(versions)) => {
                    let versions = versions.into_iter().map(|version| self.version(name, version));
                    known = try_join_all(versions).await?;
                }
            }
        };
        self.prove(key, current.filter(|_| !lost));
        Ok(current.map(|version| {
            let content = contents.remove(&version.pos()).filter(|_| !lost);
            let Content { body, corruption } = content.unwrap_or_else(Content::lost);
            Versioned { value: body, version, corruption }
        }))
    }

    /// Finds out whether the version that a swap has just made came to count.
    async fn judge(
        &self,
        key: &RecordKey,
        name: &str,
        expected: Option<Version>,
        own: (u64, Entry, Content),
    ) -> Result<Swap<Body>, StoreError> {
        let (version, id) = (own.0, own.1.id);
        let right_on_top = expected.map_or(0, Version::pos) + 1 == version;
        let answer = answer(id, self.look(key, name, own, None).await?);
        if right_on_top && matches!(answer, Swap::Applied(_)) {
            return Ok(answer);
        }
        // Was it deleted since? Then what came before us is gone too, and only our own version tells.
        match self.version(name, version).await?.1.id == id {
            true => Ok(answer),
            false => Err(store_error(StoreErrorKind::Unavailable, SsmError::Missing { version })),
        }
    }

    /// One version of the history, which must be there: if it is not, it is only late.
    async fn version(&self, name: &str, version: u64) -> Result<(u64, Entry, Content), StoreError> {
        match self.get(format!("{name}:{version}")).await? {
            Some((_, entry, content)) => Ok((version, entry, content)),
            None => Err(store_error(StoreErrorKind::Unavailable, SsmError::Missing { version })),
        }
    }

    fn proven(&self, key: &RecordKey) -> Option<Version> {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn prove(&self, key: &RecordKey, version: Option<Version>) {
        if let Some(version) = version {
            let mut proven = self.proven.lock().unwrap_or_else(PoisonError::into_inner);
            proven.insert(key.clone(), version);
        }
    }
}

/// Done if what counts is the write `id`: sent again, it is done again.
fn answer(id: WriteId, current: Option<Versioned<Body>>) -> Swap<Body> {
    match current {
        Some(current) if current.version.id() == id => Swap::Applied(current.version),
        current => Swap::Conflict(current),
    }
}

#[async_trait]
impl Register for SsmBackend {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let name = self.name(key);
        match self.get(name.clone()).await? {
            Some(latest) => self.look(key, &name, latest, self.proven(key)).await,
            None => Ok(None),
        }
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        _keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let name = self.name(key);
        let value = wire::encode(expected, id, body).map_err(|error| {
            store_error(StoreErrorKind::Invalid, SsmError::NotSent(error.into()))
        })?;
        let (size, largest) = (value.len(), self.config.largest());
        if size > largest {
            let source = SsmError::TooLarge { size, largest };
            return Err(store_error(StoreErrorKind::Invalid, source));
        }

        let made = match expected {
            // Sent again on top of itself: there is nothing to write, only to look.
            Some(expected) if expected.id() == id => {
                return Ok(answer(id, self.read(key).await?));
            }
            Some(_) => self.put(&name, &value, true).await?,
            None => self.put(&name, &value, false).await?,
        };
        let version = match made {
            Some(version) => version,
            None => {
                let missing = SsmError::Missing { version: 1 };
                let latest = self.get(name.clone()).await?;
                let latest =
                    latest.ok_or_else(|| store_error(StoreErrorKind::Unavailable, missing))?;
                let current = self.look(key, &name, latest, None).await?;
                if current.is_some() {
                    return Ok(answer(id, current));
                }
                // There are versions, and none of them counts.
                self.put(&name, &value, true).await?.unwrap_or_default()
            }
        };
        let content = Content { body: body.clone(), corruption: None };
        let entry = Entry { id, claim: expected.map_or(Claim::First, Claim::On) };
        let judged = self.judge(key, &name, expected, (version, entry, content)).await;
        judged.map_err(|source| {
            let source = SsmError::Unjudged { version, source };
            store_error(StoreErrorKind::Ambiguous, source)
        })
    }

    /// SSM bears few requests a second, writes least of all. Each write that loses is a version more
    /// to be read by everybody, and brings the valid one nearer to the end of the history.
    fn poll_policy(&self) -> PollPolicy {
        let mut policy = PollPolicy::new(Duration::from_millis(500), Duration::from_secs(2));
        policy.contention = Duration::from_millis(500);
        policy
    }
}

impl fmt::Debug for SsmBackend {
    /// The path only: a client knows credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsmBackend").field("path", &self.config.path).finish_non_exhaustive()
    }
}
