//! Which handler takes a record, by the name of where it comes from.

use std::{future::Future, pin::Pin, sync::Arc};

use serde_json::value::RawValue;

use crate::pipeline::{
    DynamoDbRecord, Event, EventBridgeEvent, FromRecord, Invocation, KinesisRecord, RecordHandler,
    S3Object, SnsRecord, SqsRecord,
};
use crate::problem::Problem;

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A handler with its state, ready for records of the source `S`.
pub(crate) type Call<S, T = ()> =
    Arc<dyn Fn(Invocation, S) -> BoxFuture<Result<T, Problem>> + Send + Sync>;

/// Closes a handler over its state.
pub(crate) fn call<App, S, R, Args, H>(app: App, handler: H) -> Call<S, H::Output>
where
    App: Clone + Send + Sync + 'static,
    S: Send + 'static,
    R: FromRecord<S>,
    H: RecordHandler<App, R, Args>,
{
    Arc::new(move |invocation, record| {
        let (app, handler) = (app.clone(), handler.clone());
        Box::pin(async move { handler.handle(app, invocation, R::from_record(record)?).await })
    })
}

/// The routes of one source.
pub(crate) struct Routes<S>(Vec<Route<S>>);

/// A name, or the beginning of names where it ends in `*`, and who takes the records.
pub(crate) struct Route<S> {
    pub(crate) name: Arc<str>,
    pub(crate) call: Call<S>,
    /// How many records are handled at once.
    pub(crate) concurrency: usize,
    /// Whether one failure fails all.
    pub(crate) whole_batch: bool,
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Routes<S> {
    pub(crate) fn push(&mut self, name: &str, call: Call<S>) {
        self.0.push(Route { name: name.into(), call, concurrency: 1, whole_batch: false });
    }

    pub(crate) fn last(&mut self) -> Option<&mut Route<S>> {
        self.0.last_mut()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| &*route.name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a source of one of them takes no report of what failed.
    pub(crate) fn any_whole_batch(&self) -> bool {
        self.0.iter().any(|route| route.whole_batch)
    }

    /// The names that stand there twice.
    pub(crate) fn repeated(&self) -> impl Iterator<Item = &Arc<str>> {
        let before = |index: usize| self.0.iter().take(index);
        self.0.iter().enumerate().filter_map(move |(index, route)| {
            before(index).any(|other| other.name == route.name).then_some(&route.name)
        })
    }

    /// The route with the longest literal that fits; the whole name is longer than any beginning.
    pub(crate) fn find(&self, name: &str) -> Option<&Route<S>> {
        let fits = |route: &&Route<S>| match route.name.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => *route.name == *name,
        };
        let literal = |route: &&Route<S>| match route.name.strip_suffix('*') {
            Some(beginning) => (false, beginning.len()),
            None => (true, route.name.len()),
        };
        self.0.iter().filter(fits).max_by_key(literal)
    }
}

/// The routes of every source of records.
#[derive(Default)]
pub(crate) struct RecordRoutes {
    pub(crate) s3: Routes<S3Object>,
    pub(crate) sqs: Routes<SqsRecord>,
    pub(crate) sns: Routes<SnsRecord>,
    pub(crate) eventbridge: Routes<EventBridgeEvent>,
    pub(crate) dynamodb: Routes<DynamoDbRecord>,
    pub(crate) kinesis: Routes<KinesisRecord>,
}

impl RecordRoutes {
    /// Whether a route of this name is for records that tell the ARN that they come from.
    pub(crate) fn has_arn_of(&self, name: &str) -> bool {
        let s3 = self.s3.names();
        let queues = self.sqs.names().chain(self.sns.names());
        let streams = self.dynamodb.names().chain(self.kinesis.names());
        s3.chain(queues).chain(streams).any(|route| route == name)
    }
}

/// A route that takes whole events by a predicate.
pub(crate) struct EventRoute {
    pub(crate) name: Arc<str>,
    pub(crate) takes: Box<dyn Fn(&Event) -> bool + Send + Sync>,
    pub(crate) call: Call<Event, Box<RawValue>>,
}

pub(crate) type S3RouteKey = Box<dyn Fn(&S3Object) -> String + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_literal_wins() {
        let mut routes = Routes::<()>::default();
        for name in ["*", "orders*", "orders-eu*", "orders-eu"] {
            routes.push(name, Arc::new(|_, ()| Box::pin(async { Ok(()) })));
        }
        for (name, route) in [
            ("orders-eu", "orders-eu"),
            ("orders-eu-1", "orders-eu*"),
            ("orders-us", "orders*"),
            ("orders", "orders*"),
            ("order", "*"),
            ("", "*"),
        ] {
            assert_eq!(&*routes.find(name).unwrap().name, route, "{name}");
        }
        assert_eq!(routes.repeated().count(), 0);
        routes.push("*", Arc::new(|_, ()| Box::pin(async { Ok(()) })));
        assert_eq!(routes.repeated().map(|name| &**name).collect::<Vec<_>>(), ["*"]);
    }
}
