use std::{error::Error, fmt, time::Duration};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use funcify_backend_aws::{Connection, Request};
use funcify_core::{
    StoreError, StoreErrorKind,
    engine::{Clock, SystemClock},
    register::{Body, PollPolicy, RecordKey, Register, Swap, Version, Versioned, WriteId},
};

use crate::{
    DynamoDbConfig, DynamoDbConfigError,
    connect::connect,
    error::{failed, store_error},
    table_key::WRITE_ID,
    wire::{self, Item},
};

/// Stores each record as an item of a DynamoDB table.
///
/// A read is one `GetItem`, and a write is one conditional `PutItem`. They need the permissions
/// `dynamodb:GetItem` and `dynamodb:PutItem` on the table. The backend does not retry; a
/// [`RetryingRegister`](funcify_core::register::RetryingRegister) does, within the deadline of the
/// operation.
///
/// # Examples
///
/// ```
/// use aws_config::{BehaviorVersion, Region, SdkConfig};
/// use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig};
///
/// let aws = SdkConfig::builder()
///     .behavior_version(BehaviorVersion::latest())
///     .region(Region::new("eu-central-1"))
///     .build();
/// let backend = DynamoDbBackend::new(DynamoDbConfig::parse("dynamodb://fleet")?, &aws)?;
/// assert_eq!(format!("{backend:?}"), r#"DynamoDbBackend { table: "fleet", prefix: "funcify", .. }"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DynamoDbBackend {
    connection: Connection<Client>,
    config: DynamoDbConfig,
}

impl DynamoDbBackend {
    /// Creates a backend with a client from the AWS configuration of the process. This does no I/O.
    ///
    /// # Errors
    ///
    /// [`DynamoDbConfigError`] names what is wrong with `config`.
    pub fn new(config: DynamoDbConfig, aws: &SdkConfig) -> Result<Self, DynamoDbConfigError> {
        Self::build(aws_sdk_dynamodb::config::Builder::from(aws), config)
    }

    /// Creates a backend with the HTTP client, the credentials and the endpoint of an existing client. The
    /// retries and timeouts of that client are not used.
    ///
    /// # Errors
    ///
    /// [`DynamoDbConfigError`] names what is wrong with `config`.
    ///
    /// # Examples
    ///
    /// ```
    /// use aws_sdk_dynamodb::Client;
    /// use funcify_backend_dynamodb::{DynamoDbBackend, DynamoDbConfig, DynamoDbConfigError};
    ///
    /// fn backend(client: &Client) -> Result<DynamoDbBackend, DynamoDbConfigError> {
    ///     DynamoDbBackend::with_client(client, DynamoDbConfig::new("fleet"))
    /// }
    /// # let _ = backend;
    /// ```
    pub fn with_client(
        client: &Client,
        config: DynamoDbConfig,
    ) -> Result<Self, DynamoDbConfigError> {
        Self::build(client.config().to_builder(), config)
    }

    fn build(
        builder: aws_sdk_dynamodb::config::Builder,
        config: DynamoDbConfig,
    ) -> Result<Self, DynamoDbConfigError> {
        let connection = connect(builder, &config)?;
        Ok(Self { connection, config })
    }

    pub(crate) fn client(&self) -> &Client {
        self.connection.client()
    }

    pub(crate) fn config(&self) -> &DynamoDbConfig {
        &self.config
    }

    fn table(&self) -> &str {
        &self.config.table
    }

    pub(crate) fn failed<E>(&self, request: Request, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        failed(request, error, self.table(), &self.config.key)
    }

    fn key(&self, key: &RecordKey) -> String {
        format!("{}:{key}", self.config.prefix)
    }

    /// Sends one conditional `PutItem`. The inner `Err` contains the item in the table if the condition
    /// failed.
    async fn put(
        &self,
        item: Item,
        expected: Option<AttributeValue>,
    ) -> Result<Result<(), Option<Item>>, StoreError> {
        let put = self
            .connection
            .client()
            .put_item()
            .table_name(self.table())
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match expected {
            Some(write_id) => put
                .condition_expression("write_id = :expected")
                .expression_attribute_values(":expected", write_id),
            None => put.condition_expression("attribute_not_exists(write_id)"),
        };
        match self.connection.response(put.send()).await {
            Ok(_) => Ok(Ok(())),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(conflict)) => {
                    Ok(Err(conflict.item.clone()))
                }
                _ => Err(self.failed(Request::Write, error)),
            },
        }
    }
}

#[async_trait]
impl Register for DynamoDbBackend {
    async fn read(&self, key: &RecordKey) -> Result<Option<Versioned<Body>>, StoreError> {
        let send = self
            .connection
            .client()
            .get_item()
            .table_name(self.table())
            .set_key(Some(wire::key(&self.config.key, self.key(key))))
            .consistent_read(!key.kind.stale_reads)
            .send();
        match self.connection.response(send).await {
            Ok(found) => Ok(found.item.and_then(|item| wire::decode(&self.config.key, item))),
            Err(error) => Err(self.failed(Request::Read, error)),
        }
    }

    async fn swap(
        &self,
        key: &RecordKey,
        expected: Option<Version>,
        id: WriteId,
        body: &Body,
        keep_for: Duration,
    ) -> Result<Swap<Body>, StoreError> {
        let ttl = (SystemClock.now() + keep_for).as_millis() / 1_000 + 1;
        let item = || {
            wire::encode(&self.config.key, self.key(key), id, ttl, body)
                .map_err(|error| store_error(StoreErrorKind::Invalid, error))
        };
        let write_id =
            expected.map(|version| AttributeValue::S(WriteId::from(version).to_string()));
        let mut found = match self.put(item()?, write_id).await? {
            Ok(()) => return Ok(Swap::Applied(Version::from(id))),
            Err(found) => found,
        };
        // An item with a malformed `write_id` is foreign too. Replace it if it is still the same item.
        if let (None, Some(there)) = (expected, &found)
            && wire::write_id(there).is_none()
            && let Some(foreign) = there.get(WRITE_ID)
        {
            found = match self.put(item()?, Some(foreign.clone())).await? {
                Ok(()) => return Ok(Swap::Applied(Version::from(id))),
                Err(found) => found,
            };
        }
        let current = found.and_then(|item| wire::decode(&self.config.key, item));
        match &current {
            Some(current) if WriteId::from(current.version) == id => {
                Ok(Swap::Applied(current.version))
            }
            _ => Ok(Swap::Conflict(current)),
        }
    }

    /// A read every 250 ms to 1 s, because DynamoDB bills each read.
    fn poll_policy(&self) -> PollPolicy {
        PollPolicy::new(Duration::from_millis(250), Duration::from_secs(1))
            .with_timeout(self.connection.timeout())
    }
}

impl fmt::Debug for DynamoDbBackend {
    /// Shows only the table and the prefix, because a client holds credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbBackend")
            .field("table", &self.config.table)
            .field("prefix", &self.config.prefix)
            .finish_non_exhaustive()
    }
}
