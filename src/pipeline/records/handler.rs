use std::future::Future;

use axum::extract::State;

use crate::pipeline::Invocation;
use crate::problem::Problem;

/// A handler of records: what a route other than HTTP calls.
///
/// Every function `async fn([State<App>,] [Invocation,] record) -> Result<T, E>` is one, where the
/// record stands last and `E` becomes a [`Problem`]. Records are answered with nothing, `T` is `()`;
/// an [`event`](super::PipelineBuilder::event) route may answer something.
///
/// # Examples
///
/// ```
/// use axum::extract::State;
/// use funcify::{pipeline::{Invocation, Pipeline, Problem, S3Object}, testing};
///
/// async fn on_upload(State(app): State<&'static str>, object: S3Object) -> Result<(), Problem> {
///     assert_eq!((app, object.key.as_str()), ("shop", "in box/1.csv"));
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let pipeline = Pipeline::builder("shop").s3("uploads", on_upload).build()?;
/// testing::s3_put("uploads", "in+box/1.csv").send(&pipeline).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler of these records",
    label = "expected `async fn([State<App>,] [Invocation,] record) -> Result<_, E>`",
    note = "the record stands last, `State` has the pipeline's own type",
    note = "`E` is a `Problem` or an error; for a boxed one say `.map_err(Problem::from_boxed)`",
    note = "the future must be `Send`: hold no `Rc` and no lock of std across an await"
)]
pub trait RecordHandler<App, R, Args>: Clone + Send + Sync + 'static {
    /// What it answers.
    type Output;

    /// Handles one record.
    fn handle(
        &self,
        app: App,
        invocation: Invocation,
        record: R,
    ) -> impl Future<Output = Result<Self::Output, Problem>> + Send;
}

macro_rules! handler {
    (|$app:ident, $invocation:ident, $record:ident| $($kind:ty),+ => $($given:expr),+) => {
        impl<App, R, F, Fut, T, E> RecordHandler<App, R, ($($kind,)+)> for F
        where
            F: Fn($($kind),+) -> Fut + Clone + Send + Sync + 'static,
            Fut: Future<Output = Result<T, E>> + Send,
            E: Into<Problem>,
            App: Send,
            R: Send,
        {
            type Output = T;

            async fn handle(
                &self,
                $app: App,
                $invocation: Invocation,
                $record: R,
            ) -> Result<T, Problem> {
                (self)($($given),+).await.map_err(Into::into)
            }
        }
    };
}

handler!(|_app, _invocation, record| R => record);
handler!(|app, _invocation, record| State<App>, R => State(app), record);
handler!(|_app, invocation, record| Invocation, R => invocation, record);
handler!(|app, invocation, record| State<App>, Invocation, R => State(app), invocation, record);

/// What a handler can take from a record of the source `S`.
#[diagnostic::on_unimplemented(
    message = "a route of `{S}` cannot hand over `{Self}`",
    note = "take the record itself, `Message<T>` for JSON, or open an envelope: `via_s3(handler)`"
)]
pub trait FromRecord<S>: Sized + Send {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// If the record holds something else; it fails then, alone.
    fn from_record(record: S) -> Result<Self, Problem>;
}
