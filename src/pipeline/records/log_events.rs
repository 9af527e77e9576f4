use std::{fmt, io::Read};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Deserializer, de::Error};

/// The event of a CloudWatch Logs subscription, decoded and decompressed. It may have up to 128 MB of log
/// events.
///
/// Take it in a handler for [`Kind::CloudWatchLogs`](crate::pipeline::Kind::CloudWatchLogs).
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{CloudWatchLogs, Kind, Pipeline, Problem};
///
/// async fn on_logs(logs: CloudWatchLogs) -> Result<(), Problem> {
///     for event in &logs.events {
///         println!("{} {}", logs.log_group, event.message.len());
///     }
///     Ok(())
/// }
///
/// let pipeline = Pipeline::builder(()).event_of(Kind::CloudWatchLogs, on_logs).build();
/// assert!(pipeline.is_ok());
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct CloudWatchLogs {
    /// The AWS account of the log group.
    pub owner: String,
    /// The name of the log group.
    pub log_group: String,
    /// The name of the log stream.
    pub log_stream: String,
    /// The names of the subscription filters that matched.
    pub subscription_filters: Vec<String>,
    /// `DATA_MESSAGE`, or `CONTROL_MESSAGE` if CloudWatch Logs only checks that the function can be reached.
    pub message_type: String,
    /// The log events.
    pub events: Vec<LogEvent>,
}

/// One log event of a subscription.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct LogEvent {
    /// The identifier of the log event.
    pub id: String,
    /// When it happened, in milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The text of the log event.
    pub message: String,
}

/// Leaves out the messages.
impl fmt::Debug for CloudWatchLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudWatchLogs")
            .field("log_group", &self.log_group)
            .field("log_stream", &self.log_stream)
            .field("events", &self.events.len())
            .finish_non_exhaustive()
    }
}

/// Leaves out the message.
impl fmt::Debug for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogEvent").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Wire {
    awslogs: Compressed,
}

#[derive(Deserialize)]
struct Compressed {
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    owner: String,
    log_group: String,
    log_stream: String,
    #[serde(default)]
    subscription_filters: Vec<String>,
    message_type: String,
    log_events: Vec<LogEvent>,
}

/// The most bytes that are decompressed: 128 MB, far more than CloudWatch Logs sends. Without a limit, an
/// event of 6 MB could decompress to gigabytes.
const MOST: u64 = 128 * 1024 * 1024;

impl<'de> Deserialize<'de> for CloudWatchLogs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { awslogs } = Wire::deserialize(deserializer)?;
        let compressed =
            STANDARD.decode(awslogs.data).map_err(|_| D::Error::custom("expected base64"))?;
        let mut json = Vec::new();
        let mut content = MultiGzDecoder::new(&*compressed).take(MOST);
        content.read_to_end(&mut json).map_err(|_| D::Error::custom("expected gzip"))?;
        if content.limit() == 0 {
            return Err(D::Error::custom("expected at most 128 MB of log events"));
        }
        let content: Content =
            serde_json::from_slice(&json).map_err(|_| D::Error::custom("expected log events"))?;
        Ok(Self {
            owner: content.owner,
            log_group: content.log_group,
            log_stream: content.log_stream,
            subscription_filters: content.subscription_filters,
            message_type: content.message_type,
            events: content.log_events,
        })
    }
}
