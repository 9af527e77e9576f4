//! Events that are changed at random, from a seed that the test prints. It runs far more cases than a
//! property test.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use funcify::{pipeline::InvocationOutcome, testing::TestEvent};
use serde_json::{Map, Value, value::to_raw_value};

use super::{corpus, hostile::EVERYTHING, inputs};
use crate::support::env;

/// Names, texts and values that occur in events.
const WORDS: &[&str] = &[
    "Records",
    "requestContext",
    "headers",
    "multiValueHeaders",
    "body",
    "path",
    "rawPath",
    "raw_path",
    "httpMethod",
    "method",
    "version",
    "eventSource",
    "EventSource",
    "Sns",
    "Message",
    "Type",
    "TopicArn",
    "s3",
    "object",
    "bucket",
    "key",
    "http",
    "elb",
    "connectionId",
    "routeKey",
    "stage",
    "detail",
    "detail-type",
    "source",
    "cookies",
    "isBase64Encoded",
    "is_base64_encoded",
    "queryStringParameters",
    "multiValueQueryStringParameters",
    "rawQueryString",
    "authorizer",
    "kinesis",
    "data",
    "dynamodb",
    "messageId",
    "eventSourceARN",
    "methodArn",
    "authorizationToken",
    "resource",
    "domainName",
    "Event",
    "aws:s3",
    "aws:sqs",
    "aws:sns",
    "aws:kinesis",
    "aws:dynamodb",
    "aws.s3",
    "s3:TestEvent",
    "Notification",
    "2.0",
    "1.0",
    "$default",
    "/",
    "//",
    "/..",
    "%2e%2e",
    "%2F",
    "%252e",
    "%00",
    "%ff",
    "%",
    "+",
    "\\",
    "\0",
    "\r\n",
    "é",
    "\u{fffd}",
    "\u{10ffff}",
    "",
    " ",
    "a=b&c",
    "?",
    "#",
    "{",
    "{}",
    "[]",
    "null",
    "true",
    "YQ==",
    "Y",
    "=",
    "GET",
    "host",
    "content-encoding",
    "arn:aws:sqs:r:1:q.fifo",
    "MessageGroupId",
    ":",
    ".",
];

/// A small generator of random numbers (SplitMix64). A seed gives the same numbers on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// The events of all other tests, which are then changed.
fn seeds() -> Vec<Value> {
    let fixtures = corpus::fixtures().into_values();
    let texts = fixtures.chain(inputs::texts());
    texts
        .filter(|text| text.len() < 20_000)
        .filter_map(|text| serde_json::from_str(&text).ok())
        .collect()
}

/// Changes one random position in `value`.
fn change(value: &mut Value, chance: &mut Chance, seeds: &[Value]) {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    };
    if children > 0 && chance.below(5) > 0 {
        let place = chance.below(children);
        let child = match value {
            Value::Array(items) => items.get_mut(place),
            Value::Object(members) => members.values_mut().nth(place),
            _ => None,
        };
        return change(child.unwrap(), chance, seeds);
    }
    match (chance.below(4), &mut *value) {
        (0, Value::Array(items)) if !items.is_empty() => {
            let copy = chance.of(items).clone();
            items.push(copy);
        }
        (1, Value::Array(items)) if !items.is_empty() => {
            items.remove(chance.below(items.len()));
        }
        (0, Value::Object(members)) => {
            let new = fresh(chance, seeds);
            members.insert((*chance.of(WORDS)).to_owned(), new);
        }
        (1, Value::Object(members)) if !members.is_empty() => {
            let name = members.keys().nth(chance.below(members.len())).unwrap().clone();
            members.remove(&name);
        }
        (0 | 1, Value::String(text)) => {
            let mut places = text.char_indices().map(|(place, _)| place);
            let place = places.nth(chance.below(text.len())).unwrap_or(text.len());
            let word: &&str = chance.of(WORDS);
            text.insert_str(place, word);
        }
        (2, Value::String(text)) => {
            // The text is an envelope, so its content is changed too.
            let inside = serde_json::from_str(text);
            let mut inside = inside.unwrap_or_else(|_| chance.of(seeds).clone());
            change(&mut inside, chance, seeds);
            *text = inside.to_string();
        }
        _ => *value = fresh(chance, seeds),
    }
}

fn fresh(chance: &mut Chance, seeds: &[Value]) -> Value {
    match chance.below(8) {
        0 => Value::Null,
        1 => (chance.below(2) == 0).into(),
        2 => chance.next().into(),
        3 => Value::Array(vec![(*chance.of(WORDS)).into(); chance.below(3)]),
        4 => Value::Object(Map::from_iter([(
            (*chance.of(WORDS)).to_owned(),
            (*chance.of(WORDS)).into(),
        )])),
        5 => part(chance.of(seeds), chance),
        _ => (*chance.of(WORDS)).into(),
    }
}

/// A part of an event, from anywhere in it.
fn part(value: &Value, chance: &mut Chance) -> Value {
    let inside = match value {
        Value::Array(items) if !items.is_empty() => items.get(chance.below(items.len())),
        Value::Object(members) => members.values().nth(chance.below(members.len())),
        _ => None,
    };
    match inside {
        Some(inside) if chance.below(4) > 0 => part(inside, chance),
        _ => value.clone(),
    }
}

#[test]
fn no_event_changed_at_random_makes_anything_panic() {
    let executions = if env::long() { 1_000_000 } else { 10_000 };
    let (seeds, started, done) = (seeds(), Instant::now(), AtomicUsize::new(0));
    assert!(seeds.len() > 400, "only {} seeds", seeds.len());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(4);
    thread::scope(|scope| {
        for worker in 0..threads {
            let (seeds, done) = (&seeds, &done);
            let mut chance = Chance(env::seed().wrapping_add(u64::try_from(worker).unwrap()));
            scope.spawn(move || {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                while done.fetch_add(1, Ordering::Relaxed) < executions {
                    let mut event = chance.of(seeds).clone();
                    for _ in 0..=chance.below(4) {
                        change(&mut event, &mut chance, seeds);
                    }
                    let sent = TestEvent::from(event.clone());
                    let processed = runtime.block_on(EVERYTHING.process((&sent).into()));
                    // The handlers cannot panic, so a panic is a fault of funcify.
                    let failed = processed.outcome == InvocationOutcome::Failed;
                    assert!(!failed || !format!("{processed:?}").contains("panicked"), "{event}");
                    if let Ok(output) = &processed.result {
                        to_raw_value(output).unwrap();
                    }
                }
            });
        }
    });
    println!("{executions} executions from {} seeds in {:?}", seeds.len(), started.elapsed());
}
