//! Tumbling windows: the records of a stream in a span of time, and the state that the function has computed
//! from them so far.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::{RawValue, to_raw_value};

use crate::pipeline::event::Event;
use crate::pipeline::event::members::Top;
use crate::pipeline::invocation::Invocation;
use crate::pipeline::records::handler::RecordHandler;
use crate::problem::Problem;

/// The records of one call for a tumbling window, and the state that the earlier calls for the window have
/// computed.
///
/// A handler in [`windowed`] takes it. The last call for a window has no records.
#[derive(Clone)]
#[non_exhaustive]
pub struct Window<S, R> {
    /// What the previous call for this window returned. In the first call, `S` is deserialized from an empty
    /// object, or is `S::default()` if that fails.
    pub state: S,
    /// The records of this call, in the order of the shard.
    pub records: Vec<R>,
    /// When the window starts, in the format of the event: `2026-05-01T10:00:00Z`. Empty if the event source
    /// mapping has no window.
    pub start: String,
    /// When the window ends, in the same format.
    pub end: String,
    /// The shard of all records of this call. Empty if the event source mapping has no window.
    pub shard_id: String,
    /// Whether this is the last call for the window. Lambda does not keep what the handler returns from it.
    pub is_final: bool,
    /// Whether Lambda ended the window early because the state was larger than 1 MB.
    pub is_terminated_early: bool,
}

/// Leaves out the state and the records.
impl<S, R> fmt::Debug for Window<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window")
            .field("records", &self.records.len())
            .field("start", &self.start)
            .field("end", &self.end)
            .field("is_final", &self.is_final)
            .finish_non_exhaustive()
    }
}

/// A handler of whole windows, made by [`windowed`].
#[derive(Clone, Debug)]
pub struct Windowed<H>(pub(super) H);

/// Handles the records of a Kinesis or DynamoDB stream in tumbling windows: the handler gets all records of
/// an event in one call, with the state of the calls before it. It returns the new state, which Lambda passes
/// to the next call.
///
/// The event source mapping needs a tumbling window. If the handler fails, the invocation fails, and Lambda
/// calls again with the same records and the same state. If a record is malformed, the handler gets only the
/// records before it, and Lambda continues from the malformed record.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{KinesisRecord, Pipeline, Problem, Window, windowed};
///
/// async fn count(window: Window<u64, KinesisRecord>) -> Result<u64, Problem> {
///     let counted = window.state + window.records.len() as u64;
///     if window.is_final {
///         println!("{counted} records until {}", window.end);
///     }
///     Ok(counted)
/// }
///
/// assert!(Pipeline::builder(()).kinesis("meters", windowed(count)).build().is_ok());
/// ```
pub fn windowed<H>(handler: H) -> Windowed<H> {
    Windowed(handler)
}

/// A handler of windows with its state, ready for records of the source `R`. It takes and returns JSON.
pub(in crate::pipeline) type WindowCall<R> = Arc<
    dyn Fn(
            Invocation,
            Window<Option<Box<RawValue>>, R>,
        ) -> BoxFuture<'static, Result<Box<RawValue>, Problem>>
        + Send
        + Sync,
>;

/// Binds a handler to the application's state.
pub(super) fn window_call<App, S, R, Args, H>(app: App, handler: H) -> WindowCall<R>
where
    App: Clone + Send + Sync + 'static,
    S: Serialize + DeserializeOwned + Default + Send + 'static,
    R: Send + 'static,
    H: RecordHandler<App, Window<S, R>, Args, Output = S>,
{
    Arc::new(move |invocation, window| {
        let (app, handler) = (app.clone(), handler.clone());
        Box::pin(async move {
            let window = typed(window)?;
            let state = handler.handle(app, invocation, window).await?;
            Ok(to_raw_value(&state)?)
        })
    })
}

fn typed<S, R>(window: Window<Option<Box<RawValue>>, R>) -> Result<Window<S, R>, Problem>
where
    S: DeserializeOwned + Default,
{
    let Window { state, records, start, end, shard_id, is_final, is_terminated_early } = window;
    let state = match state.as_deref().map(RawValue::get) {
        None => S::default(),
        // The first call for a window gets an empty object, whatever the type of the state is.
        Some("{}") => serde_json::from_str("{}").unwrap_or_default(),
        Some(state) => serde_json::from_str(state).map_err(|error| {
            let other = "the state of the window is not of the type that the handler takes";
            Problem::bad_request(other).caused_by(&error)
        })?,
    };
    Ok(Window { state, records, start, end, shard_id, is_final, is_terminated_early })
}

/// The members of an event that describe its window.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    window: Option<Span>,
    state: Option<Box<RawValue>>,
    #[serde(default)]
    shard_id: Option<String>,
    #[serde(default)]
    is_final_invoke_for_window: Option<bool>,
    #[serde(default)]
    is_window_terminated_early: Option<bool>,
}

#[derive(Deserialize)]
struct Span {
    start: String,
    end: String,
}

/// The window of an event, with these records. If the event has no window, there is no state and there are no
/// times.
pub(super) fn of_event<R>(
    event: &Event,
    records: Vec<R>,
) -> Result<Window<Option<Box<RawValue>>, R>, Problem> {
    let mut window = Window {
        state: None,
        records,
        start: String::new(),
        end: String::new(),
        shard_id: String::new(),
        is_final: false,
        is_terminated_early: false,
    };
    if event.top(Top::Window).is_none() {
        return Ok(window);
    }
    let wire: Wire = serde_json::from_str(event.text())
        .map_err(|error| Problem::bad_request("expected a window").caused_by(&error))?;
    if let Some(span) = wire.window {
        (window.start, window.end) = (span.start, span.end);
    }
    window.state = wire.state;
    window.shard_id = wire.shard_id.unwrap_or_default();
    window.is_final = wire.is_final_invoke_for_window.unwrap_or_default();
    window.is_terminated_early = wire.is_window_terminated_early.unwrap_or_default();
    Ok(window)
}
