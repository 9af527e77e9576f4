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
use funcify_backend_aws::{AwsError, Connection, Request};
use funcify_core::{
    StoreError, StoreErrorKind,
    register::{Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId},
};
use futures_util::future::try_join_all;

use crate::{
    SsmConfig, SsmConfigError, SsmError, Tier,
    connect::connect,
    error::{failed, store_error},
    wire::{self, Claim, Content, Entry, KEPT, Log, Reading, Unknown},
};

/// Stores each record as a SecureString parameter under one path of SSM Parameter Store.
///
/// A read is one `GetParameter`, or two if the record has changed since the last read. A swap is one
/// `PutParameter` and one `GetParameter`. After writes that lost, more reads are needed. The backend does
/// not retry; a [`RetryingRegister`](funcify_core::register::RetryingRegister) does, within the deadline of
/// the operation.
///
/// The permissions `ssm:GetParameter` and `ssm:PutParameter` are needed under the path, and `kms:Decrypt`
/// and `kms:Encrypt` on the key. The tiers other than standard need `kms:GenerateDataKey` too.
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
    connection: Connection<Client>,
    config: SsmConfig,
    /// The last version of each record that was found to be valid, which need not be verified again.
    verified: Mutex<HashMap<RecordKey, Version>>,
}

impl SsmBackend {
    /// Creates a backend with a client from the AWS configuration of the process. This does no I/O.
    ///
    /// # Errors
    ///
    /// [`SsmConfigError`] names what is wrong with `config`.
    pub fn new(config: SsmConfig, aws: &SdkConfig) -> Result<Self, SsmConfigError> {
        Self::build(aws_sdk_ssm::config::Builder::from(aws), config)
    }

    /// Creates a backend with the HTTP client, the credentials and the endpoint of an existing client. The
    /// retries and timeouts of that client are not used.
    ///
    /// # Errors
    ///
    /// [`SsmConfigError`] names what is wrong with `config`.
    ///
    /// # Examples
    ///
    /// ```
    /// use aws_sdk_ssm::Client;
    /// use funcify_backend_ssm::{SsmBackend, SsmConfig, SsmConfigError};
    ///
    /// fn backend(client: &Client) -> Result<SsmBackend, SsmConfigError> {
    ///     SsmBackend::with_client(client, SsmConfig::new("/fleet"))
    /// }
    /// # let _ = backend;
    /// ```
    pub fn with_client(client: &Client, config: SsmConfig) -> Result<Self, SsmConfigError> {
        Self::build(client.config().to_builder(), config)
    }

    fn build(
        builder: aws_sdk_ssm::config::Builder,
        config: SsmConfig,
    ) -> Result<Self, SsmConfigError> {
        let connection = connect(builder, &config)?;
        Ok(Self { connection, config, verified: Mutex::default() })
    }

    pub(crate) fn client(&self) -> &Client {
        self.connection.client()
    }

    pub(crate) fn path(&self) -> &str {
        &self.config.path
    }

    fn name(&self, key: &RecordKey) -> String {
        format!("{}/{}/{}", self.config.path, key.kind, key.name)
    }

    /// Sends one `GetParameter` for the latest version, or for the version in `name:version`. `None` if there
    /// is no such parameter or version.
    pub(crate) async fn get(
        &self,
        name: String,
    ) -> Result<Option<(u64, Entry, Content)>, StoreError> {
        let send = self.connection.client().get_parameter().name(name).with_decryption(true).send();
        match self.connection.response(send).await {
            Ok(found) => Ok(found.parameter.map(|parameter| {
                let (entry, content) = wire::decode(parameter.value().unwrap_or_default());
                (u64::try_from(parameter.version()).unwrap_or_default(), entry, content)
            })),
            Err(error) => match error.as_service_error() {
                Some(
                    GetParameterError::ParameterNotFound(_)
                    | GetParameterError::ParameterVersionNotFound(_),
                ) => Ok(None),
                _ => Err(failed(Request::Read, error, &self.config.path)),
            },
        }
    }

    /// Sends one `PutParameter` and returns the version that it made. `None` if the parameter exists and must
    /// not be overwritten.
    pub(crate) async fn put(
        &self,
        name: &str,
        value: &str,
        overwrite: bool,
    ) -> Result<Option<u64>, StoreError> {
        let tier = self.config.tier.map(|tier| match tier {
            Tier::Standard => ParameterTier::Standard,
            Tier::Advanced => ParameterTier::Advanced,
            Tier::Intelligent => ParameterTier::IntelligentTiering,
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
        match self.connection.response(send).await {
            Ok(made) => Ok(Some(u64::try_from(made.version()).unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(PutParameterError::ParameterAlreadyExists(_)) if !overwrite => Ok(None),
                _ => Err(failed(Request::Write, error, &self.config.path)),
            },
        }
    }

    /// Reads the log of versions up to `latest`, and fetches the versions that this needs.
    async fn read_log(
        &self,
        key: &RecordKey,
        name: &str,
        latest: (u64, Entry, Content),
        verified: Option<Version>,
    ) -> Result<Option<Versioned<Body>>, StoreError> {
        let mut log = Log::new(latest.0, KEPT);
        let mut contents = BTreeMap::new();
        let mut known = vec![latest];
        let Reading { current, lost } = loop {
            for (pos, entry, content) in known {
                log.insert(pos, entry);
                contents.insert(pos, content);
            }
            match log.reading(verified) {
                Ok(reading) => break reading,
                Err(Unknown(versions)) => {
                    let versions = versions.into_iter().map(|version| self.version(name, version));
                    known = try_join_all(versions).await?;
                }
            }
        };
        self.remember(key, current.filter(|_| !lost));
        Ok(current.map(|version| {
            let content = contents.remove(&version.pos()).filter(|_| !lost);
            let Content { body, corruption } = content.unwrap_or_else(Content::lost);
            Versioned { value: body, version, corruption }
        }))
    }

    /// Finds out whether the version that a swap has just made is valid.
    async fn verify(
        &self,
        key: &RecordKey,
        name: &str,
        expected: Option<Version>,
        own: (u64, Entry, Content),
    ) -> Result<Swap<Body>, StoreError> {
        let (version, id) = (own.0, own.1.id);
        let right_on_top = expected.map_or(0, Version::pos) + 1 == version;
        let swap = outcome(id, self.read_log(key, name, own, None).await?);
        if right_on_top && matches!(swap, Swap::Applied(_)) {
            return Ok(swap);
        }
        // The parameter may have been deleted since the write. Then the earlier versions are gone too, and
        // only a read of this write's own version can show that.
        match self.version(name, version).await?.1.id == id {
            true => Ok(swap),
            false => Err(store_error(StoreErrorKind::Unavailable, SsmError::Missing { version })),
        }
    }

    /// Reads one version of the history. It is known to exist. If it is not returned, it cannot be read yet.
    async fn version(&self, name: &str, version: u64) -> Result<(u64, Entry, Content), StoreError> {
        match self.get(format!("{name}:{version}")).await? {
            Some((_, entry, content)) => Ok((version, entry, content)),
            None => Err(store_error(StoreErrorKind::Unavailable, SsmError::Missing { version })),
        }
    }

    fn verified(&self, key: &RecordKey) -> Option<Version> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn remember(&self, key: &RecordKey, version: Option<Version>) {
        if let Some(version) = version {
            let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
            verified.insert(key.clone(), version);
        }
    }
}

/// Returns `Applied` if the valid version is the write `id`, even if that write was sent more than once.
fn outcome(id: WriteId, current: Option<Versioned<Body>>) -> Swap<Body> {
    match current {
        Some(current) if WriteId::from(current.version) == id => Swap::Applied(current.version),
        current => Swap::Conflict(current),
    }
}

#[async_trait]
impl Register for SsmBackend {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let name = self.name(key);
        match self.get(name.clone()).await? {
            Some(latest) => self.read_log(key, &name, latest, self.verified(key)).await,
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
            store_error(StoreErrorKind::Invalid, AwsError::NotSent(error.into()).into())
        })?;
        let (size, limit) = (value.len(), self.config.max_value_bytes());
        if size > limit {
            let source = SsmError::TooLarge { size, limit };
            return Err(store_error(StoreErrorKind::Invalid, source));
        }

        let made = match expected {
            // The write itself is what is expected. It was applied before, so only its outcome must be read.
            Some(expected) if WriteId::from(expected) == id => {
                return Ok(outcome(id, self.read(key).await?));
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
                let current = self.read_log(key, &name, latest, None).await?;
                if current.is_some() {
                    return Ok(outcome(id, current));
                }
                // The parameter exists, but none of its versions is valid.
                self.put(&name, &value, true).await?.unwrap_or_default()
            }
        };
        let content = Content { body: body.clone(), corruption: None };
        let entry = Entry { id, claim: expected.map_or(Claim::First, Claim::On) };
        let swap = self.verify(key, &name, expected, (version, entry, content)).await;
        swap.map_err(|source| {
            let source = SsmError::Unverified { version, source };
            store_error(StoreErrorKind::Ambiguous, source)
        })
    }

    /// A read every 500 ms to 2 s, and a writer that waits up to 500 ms and reads again before it writes.
    ///
    /// Parameter Store accepts 40 reads and a few writes a second for a whole account and region ("Parameter
    /// Store quotas", default throughput). Each write that loses adds a version that all readers must read,
    /// and moves the valid version closer to the end of the history that is kept.
    fn poll_policy(&self) -> PollPolicy {
        let mut policy = PollPolicy::new(Duration::from_millis(500), Duration::from_secs(2));
        policy.contention = Duration::from_millis(500);
        policy.no_idempotency = Some(
            "SSM Parameter Store keeps few parameters, keeps them for ever and answers few requests: \
             name DynamoDB or Redis in FUNCIFY_IDEMPOTENCY",
        );
        policy.with_timeout(self.connection.timeout())
    }
}

impl fmt::Debug for SsmBackend {
    /// Shows only the path, because a client holds credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsmBackend").field("path", &self.config.path).finish_non_exhaustive()
    }
}
