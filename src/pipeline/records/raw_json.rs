/// The JSON of a record, or of a request to an authorizer, as its source wrote it.
///
/// # Examples
///
/// ```
/// use funcify::pipeline::{Pipeline, Problem, RawJson, SqsRecord};
///
/// async fn on_order(order: SqsRecord) -> Result<(), Problem> {
///     println!("{}", order.raw());
///     Ok(())
/// }
/// # assert!(Pipeline::builder(()).sqs("orders", on_order).build().is_ok());
/// ```
pub trait RawJson {
    /// The JSON of the source. It has all members, also those without a field in funcify's type.
    fn raw(&self) -> &str;
}
