use std::{convert::identity, future::Future, sync::Arc};

use axum::{Json, extract::State};
use futures_util::{TryFutureExt, future::BoxFuture};
use serde::de::DeserializeOwned;

use crate::pipeline::bounded::catch_panic;
use crate::pipeline::event::Event;
use crate::pipeline::invocation::Invocation;
use crate::problem::Problem;

/// A handler of records or whole events.
///
/// Every function `async fn([State<App>,] [Invocation,] record) -> Result<T, E>` implements it if `E`
/// becomes a [`Problem`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of these records",
    label = "expected `async fn([State<App>,] [Invocation,] record) -> Result<_, E>`",
    note = "the record comes last, `State` has the type that the pipeline was built with",
    note = "`E` is a `Problem` or an error; for a boxed error use `.map_err(IntoProblem::into_problem)`",
    note = "the future must be `Send`: hold no `Rc` and no lock of std across an await"
)]
pub trait RecordHandler<App, R, Args>: Clone + Send + Sync + 'static {
    /// What the handler returns if it succeeds.
    type Output;

    /// Handles one record.
    fn handle(
        self,
        app: App,
        invocation: Invocation,
        record: R,
    ) -> impl Future<Output = Result<Self::Output, Problem>> + Send + 'static;
}

macro_rules! handler {
    (|$app:ident, $invocation:ident, $record:ident| $($kind:ty),+ => $($argument:expr),+) => {
        impl<App, R, F, Fut, T, E> RecordHandler<App, R, ($($kind,)+)> for F
        where
            F: Fn($($kind),+) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Result<T, E>> + Send + 'static,
            E: Into<Problem> + 'static,
            App: Send,
            R: Send,
        {
            type Output = T;

            fn handle(
                self,
                $app: App,
                $invocation: Invocation,
                $record: R,
            ) -> impl Future<Output = Result<T, Problem>> + Send + 'static {
                // Not an `async fn`, because its future would hold the record a second time.
                (self)($($argument),+).map_err(Into::into)
            }
        }
    };
}

handler!(|_app, _invocation, record| R => record);
handler!(|app, _invocation, record| State<App>, R => State(app), record);
handler!(|_app, invocation, record| Invocation, R => invocation, record);
handler!(|app, invocation, record| State<App>, Invocation, R => State(app), invocation, record);

/// A type that a handler can take for a record of the source `S`.
#[diagnostic::on_unimplemented(
    message = "a handler of `{S}` cannot take `{Self}`",
    note = "take the record itself, `Message<T>` for JSON, or open an envelope: `via::<S3Object, _>(handler)`"
)]
pub trait FromRecord<S>: Sized + Send {
    /// Converts the record.
    ///
    /// # Errors
    ///
    /// If the record has other content. Then this record fails, and no other record.
    fn from_record(record: S) -> Result<Self, Problem>;
}

impl FromRecord<Self> for Event {
    fn from_record(event: Self) -> Result<Self, Problem> {
        Ok(event)
    }
}

impl<T: DeserializeOwned + Send> FromRecord<Event> for Json<T> {
    fn from_record(event: Event) -> Result<Self, Problem> {
        let parsed = serde_json::from_str(event.text());
        let expected =
            || Problem::bad_request("the event is not of the type that the handler takes");
        parsed.map(Json).map_err(|error| expected().caused_by(&error))
    }
}

/// A handler with its state, ready for records of the source `S`.
pub(in crate::pipeline) type Call<S, T = ()> =
    Arc<dyn Fn(Invocation, S) -> BoxFuture<'static, Result<T, Problem>> + Send + Sync>;

/// Binds a handler to its state.
pub(in crate::pipeline) fn call<App, S, R, Args, H>(app: App, handler: H) -> Call<S, H::Output>
where
    App: Clone + Send + Sync + 'static,
    S: Send + 'static,
    R: FromRecord<S>,
    H: RecordHandler<App, R, Args>,
{
    // The record is converted here and not in the future, which would hold it twice.
    Arc::new(move |invocation, record| {
        let started = catch_panic(|| {
            let record = R::from_record(record)?;
            Ok(handler.clone().handle(app.clone(), invocation, record))
        });
        match started.and_then(identity) {
            Ok(work) => Box::pin(work),
            Err(problem) => Box::pin(async { Err(problem) }),
        }
    })
}
