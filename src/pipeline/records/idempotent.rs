//! Routes whose records have one effect, however often they are delivered.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::{Value, to_value};

use crate::idempotency::Idempotency;
use crate::pipeline::invocation::Invocation;
use crate::pipeline::records::handler::{Call, FromRecord, RecordHandler};
use crate::problem::{IntoProblem, Problem};

/// A handler that is called once for each key.
#[derive(Clone, Debug)]
pub struct Idempotent<H, K> {
    pub(super) handler: H,
    pub(super) idempotency: Idempotency,
    pub(super) key: K,
}

/// The marker of a route whose key is the identity that the source gave to the record.
#[derive(Clone, Copy, Debug)]
pub struct OwnId;

/// A record that its source may deliver more than once.
pub trait Redelivered {
    /// What identifies the record. It is the same in each delivery, and different for every other record of
    /// every source.
    fn own_id(&self) -> Vec<&str>;

    /// The content that the handler depends on. It is the same in each delivery.
    fn content(&self) -> Value;

    /// Whether the source says that the record was delivered before.
    fn was_delivered_before(&self) -> bool {
        false
    }
}

/// The content of a message as a JSON value: the parsed message if it is JSON, otherwise its text, otherwise
/// its bytes in base64.
pub(super) fn content(bytes: &[u8]) -> Value {
    let text = || std::str::from_utf8(bytes).map_or_else(|_| STANDARD.encode(bytes), str::to_owned);
    serde_json::from_slice(bytes).unwrap_or_else(|_| text().into())
}

/// Binds a handler to its state. The key is the identity of the record.
pub(super) fn by_own_id<App, S, R, Args, H>(app: App, route: Idempotent<H, OwnId>) -> Call<S>
where
    App: Clone + Send + Sync + 'static,
    S: Redelivered + Send + 'static,
    R: FromRecord<S>,
    H: RecordHandler<App, R, Args, Output = ()>,
{
    let route = Arc::new(route);
    Arc::new(move |invocation, record: S| {
        let (app, route) = (app.clone(), Arc::clone(&route));
        Box::pin(async move {
            let key = to_value(record.own_id())?;
            let delivery = Delivery::of(&record, invocation);
            delivery.handle_once(&route, key, app, R::from_record(record)?).await
        })
    })
}

/// The same as [`by_own_id`], but the function of the route makes the key.
pub(super) fn by_key<App, S, R, Id, Args, H, K>(app: App, route: Idempotent<H, K>) -> Call<S>
where
    App: Clone + Send + Sync + 'static,
    S: Redelivered + Send + 'static,
    R: FromRecord<S>,
    Id: Serialize,
    H: RecordHandler<App, R, Args, Output = ()>,
    K: Fn(&R) -> Id + Send + Sync + 'static,
{
    let route = Arc::new(route);
    Arc::new(move |invocation, record: S| {
        let (app, route) = (app.clone(), Arc::clone(&route));
        Box::pin(async move {
            let delivery = Delivery::of(&record, invocation);
            let record = R::from_record(record)?;
            let key = to_value((route.key)(&record))?;
            delivery.handle_once(&route, key, app, record).await
        })
    })
}

/// One delivery of a record.
struct Delivery {
    invocation: Invocation,
    content: Value,
    is_repeated: bool,
}

impl Delivery {
    fn of(record: &impl Redelivered, invocation: Invocation) -> Self {
        let (content, is_repeated) = (record.content(), record.was_delivered_before());
        Self { invocation, content, is_repeated }
    }

    /// Calls the handler, unless another delivery with this key was handled.
    async fn handle_once<App, R, Args, H, K>(
        self,
        route: &Idempotent<H, K>,
        key: Value,
        app: App,
        record: R,
    ) -> Result<(), Problem>
    where
        H: RecordHandler<App, R, Args, Output = ()>,
    {
        let Self { invocation, content, is_repeated } = self;
        let handler = route.handler.clone();
        let handle = async move |claim| handler.handle(app, invocation.attach(claim), record).await;
        let idempotency = route.idempotency.redelivered(is_repeated);
        idempotency.run(&key, &content, handle).await.map_err(IntoProblem::into_problem)
    }
}
