//! Finds the handler of a record by the name of its source.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use crate::pipeline::event::Event;
use crate::pipeline::records::handler::Call;
use crate::pipeline::records::record::Record;
use crate::pipeline::records::record_sources;
use crate::pipeline::records::route::{Calls, RouteOptions};
use crate::pipeline::records::s3::S3Object;
use crate::pipeline::records::unmatched::Unmatched;
use crate::problem::Problem;

type Refused = Box<dyn Fn(Event, Problem) -> BoxFuture<'static, Result<(), Problem>> + Send + Sync>;

type S3RouteKey = Box<dyn Fn(&S3Object) -> String + Send + Sync>;

macro_rules! record_routes {
    ($($field:ident: $record:ty,)*) => {
        /// The routes of everything that is not HTTP.
        #[derive(Default)]
        pub(crate) struct RecordRoutes {
            $(pub(crate) $field: Routes<$record>,)*
            /// Computes the name that routes an S3 object, in place of the bucket's name.
            pub(crate) s3_route_key: Option<S3RouteKey>,
            pub(crate) events: Vec<EventRoute>,
            /// Answers an event of CloudFormation that a guard refused.
            pub(crate) refused: Option<Refused>,
            pub(crate) unmatched: Option<Call<Unmatched>>,
        }

        impl RecordRoutes {
            /// Whether a policy can restrict a route with this name, because its records contain the ARN of
            /// their source.
            pub(crate) fn can_be_restricted(&self, name: &str) -> bool {
                $((<$record>::HAS_ARN && self.$field.has(name)))||*
            }

            /// Whether a route that can be restricted shares its name with one that cannot.
            pub(crate) fn is_ambiguous(&self, name: &str) -> bool {
                self.can_be_restricted(name) && ($((!<$record>::HAS_ARN && self.$field.has(name)))||*)
            }
        }
    };
}
record_sources!(record_routes);

/// A route that takes whole events by a predicate.
pub(crate) struct EventRoute {
    pub(crate) name: Arc<str>,
    pub(crate) takes: Box<dyn Fn(&Event) -> bool + Send + Sync>,
    pub(crate) call: Call<Event, Box<RawValue>>,
}

/// The routes of one source.
pub(crate) struct Routes<S>(Vec<NamedRoute<S>>);

/// A route. Its name is a prefix if it ends in `*`.
pub(crate) struct NamedRoute<S> {
    pub(crate) name: Arc<str>,
    pub(crate) calls: Calls<S>,
    pub(crate) options: RouteOptions,
}

impl<S> Default for Routes<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S> Routes<S> {
    pub(crate) fn push(&mut self, name: &str, (calls, options): (Calls<S>, RouteOptions)) {
        self.0.push(NamedRoute { name: name.into(), calls, options });
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.names().any(|route| route == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|route| &*route.name)
    }

    pub(crate) fn names_and_options(&self) -> impl Iterator<Item = (&str, RouteOptions)> {
        self.0.iter().map(|route| (&*route.name, route.options))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of the routes has the option `whole_batch`.
    pub(crate) fn any_whole_batch(&self) -> bool {
        self.0.iter().any(|route| route.options.whole_batch)
    }

    /// Whether any of the routes takes whole windows.
    pub(crate) fn any_windowed(&self) -> bool {
        self.0.iter().any(|route| matches!(route.calls, Calls::Window(_)))
    }

    /// The names that an earlier route already has.
    pub(crate) fn repeated_names(&self) -> impl Iterator<Item = &str> {
        let is_repeated = |&(index, name): &(usize, &str)| {
            self.names().take(index).any(|earlier| earlier == name)
        };
        self.names().enumerate().filter(is_repeated).map(|(_, name)| name)
    }

    /// The matching route with the longest literal name. A complete name beats every prefix.
    pub(crate) fn find(&self, name: &str) -> Option<&NamedRoute<S>> {
        let matches = |route: &&NamedRoute<S>| match route.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => *route.name == *name,
        };
        let literal = |route: &&NamedRoute<S>| match route.name.strip_suffix('*') {
            Some(prefix) => (false, prefix.len()),
            None => (true, route.name.len()),
        };
        self.0.iter().filter(matches).max_by_key(literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(routes: &mut Routes<()>, name: &str) {
        let call: Call<()> = Arc::new(|_, ()| Box::pin(async { Ok(()) }));
        routes.push(name, (Calls::Each(call), RouteOptions::default()));
    }

    #[test]
    fn the_longest_literal_wins() {
        let mut routes = Routes::<()>::default();
        for name in ["*", "orders*", "orders-eu*", "orders-eu"] {
            push(&mut routes, name);
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
        assert_eq!(routes.repeated_names().count(), 0);
        push(&mut routes, "*");
        assert_eq!(routes.repeated_names().collect::<Vec<_>>(), ["*"]);
    }
}
