//! Every part of an HTTP request.

use std::collections::BTreeMap;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, Query},
    http::HeaderMap,
    routing::{any, get, post},
};
use funcify::{TraceContext, pipeline::Pipeline};
use serde_json::{Map, Value, json};

use crate::{Case, case, processed};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("headers of a rest request", 500, |size| {
            let names: Vec<String> = (0..size).map(|name| format!("x-header-{name}")).collect();
            run(rest(|event| {
                event["headers"] = members(&names, |_| json!("value"));
                event["multiValueHeaders"] = members(&names, |_| json!(["value"]));
            }))
        }),
        case("values of one header", 500, |size| {
            run(rest(|event| event["multiValueHeaders"] = json!({ "x": vec!["value"; size] })))
        }),
        case("headers of an http request", 500, |size| {
            let names: Vec<String> = (0..size).map(|name| format!("x-header-{name}")).collect();
            run(http(|event| event["headers"] = members(&names, |_| json!("value"))))
        }),
        case("bytes of a header", 4_000, |size| {
            run(http(|event| event["headers"] = json!({ "x": "v".repeat(size) })))
        }),
        case("cookies", 500, |size| {
            let cookies: Vec<String> = (0..size).map(|name| format!("c{name}=value")).collect();
            run(http(|event| event["cookies"] = json!(cookies)))
        }),
        case("query names in both maps", 800, |size| {
            let names: Vec<String> = (0..size).map(|name| format!("name-{name}")).collect();
            run(rest(|event| {
                event["queryStringParameters"] = members(&names, |_| json!("value"));
                event["multiValueQueryStringParameters"] = members(&names, |_| json!(["value"]));
            }))
        }),
        case("query names in one map", 800, |size| {
            let names: Vec<String> = (0..size).map(|name| format!("name-{name}")).collect();
            run(rest(|event| {
                event["queryStringParameters"] = members(&names, |_| json!("value"));
            }))
        }),
        case("a raw query", 800, |size| {
            run(http(|event| event["rawQueryString"] = "a=b%20c&".repeat(size).into()))
        }),
        case("segments of a path", 500, |size| {
            run(http(|event| {
                event["rawPath"] = format!("/files{}", "/a%20b".repeat(size)).into();
            }))
        }),
        case("bytes of a path", 1_000, |size| {
            run(http(|event| event["rawPath"] = format!("/files/{}", "%41ü".repeat(size)).into()))
        }),
        case("bytes of a body", 4_000, |size| {
            run(http(|event| event["body"] = "a \"kettle\"\n".repeat(size).into()))
        }),
        case("bytes of a base64 body", 20_000, |size| {
            run(http(|event| {
                event["body"] = "AAAA".repeat(size).into();
                event["isBase64Encoded"] = json!(true);
            }))
        }),
        case("nodes of a json body", 500, |size| {
            run(http(|event| {
                event["rawPath"] = json!("/json");
                event["body"] = json!(vec![json!({ "a": 1 }); size]).to_string().into();
            }))
        }),
        case("depth of a json body", 25, |depth| {
            run(http(|event| {
                event["rawPath"] = json!("/json");
                event["body"] = format!("{}1{}", "[".repeat(depth), "]".repeat(depth)).into();
            }))
        }),
        case("bytes of a body of another type", 4_000, |size| {
            run(http(|event| {
                event["rawPath"] = json!("/typed");
                event["body"] = json!({ "quantity": "x".repeat(size) }).to_string().into();
            }))
        }),
        case("members of a trace", 200, |size| {
            let mut headers = HeaderMap::new();
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            headers.insert("traceparent", parent.parse().unwrap());
            let members: Vec<String> = (0..size).map(|key| format!("k{key}=value")).collect();
            headers.insert("tracestate", members.join(",").parse().unwrap());
            let root = format!("Root=1-2-3{}", ";a=b".repeat(size));
            headers.insert("x-amzn-trace-id", root.parse().unwrap());
            async move { drop(HeaderMap::from(TraceContext::from(&headers))) }
        }),
        case("states of a trace", 500, |size| {
            let mut headers = HeaderMap::new();
            let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
            headers.insert("traceparent", parent.parse().unwrap());
            for _ in 0..size {
                headers.append("tracestate", "a=1,,".parse().unwrap());
            }
            async move { drop(HeaderMap::from(TraceContext::from(&headers))) }
        }),
    ]
}

fn run(event: String) -> impl Future<Output = ()> {
    #[derive(serde::Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "only parsed")]
        quantity: u32,
    }

    async fn echo(headers: HeaderMap, query: Query<Vec<(String, String)>>, body: Bytes) -> String {
        format!("{} {} {}", headers.len(), query.len(), body.len())
    }

    let router = Router::new()
        .route("/echo", get(echo).post(echo))
        .route("/files/{*path}", any(async |Path(path): Path<String>| path))
        .route("/json", post(async |json: Json<Value>| json))
        .route("/typed", post(async |_: Json<Order>| "typed"));
    let pipeline = Pipeline::builder(()).http(router).build().unwrap();
    processed(pipeline, event, |processed| assert!(processed.result.is_ok()))
}

fn rest(change: impl Fn(&mut Value)) -> String {
    let mut event = json!({
        "httpMethod": "GET", "path": "/echo", "resource": "/echo", "headers": {},
        "requestContext": { "stage": "prod" },
    });
    change(&mut event);
    event.to_string()
}

fn http(change: impl Fn(&mut Value)) -> String {
    let mut event = json!({
        "version": "2.0", "rawPath": "/echo", "rawQueryString": "",
        "headers": { "content-type": "application/json" },
        "requestContext": { "http": { "method": "POST" }, "stage": "$default" },
    });
    change(&mut event);
    if event["headers"].get("content-type").is_none() {
        event["headers"]["content-type"] = json!("application/json");
    }
    event.to_string()
}

fn members(names: &[String], value: impl Fn(&str) -> Value) -> Value {
    let members: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), value(name))).collect();
    Value::Object(Map::from_iter(members))
}
