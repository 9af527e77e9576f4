//! Compares the tables in `docs/pipeline.md` with the table in the code.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::pipeline::event::source::http::{
    CallerAddress, Cookies, Headers, HttpSource, Path, Prefix, Query, Response,
};
use crate::pipeline::event::source::known::{Basis, Known};
use crate::pipeline::event::source::{Answer, SOURCES, Shape};

/// A cell of a table: what is known, and how it is known.
fn cell(text: &str, basis: Basis) -> String {
    match basis {
        Basis::Documented(page) => format!("{text} [d]({page})"),
        Basis::Captured(place) => format!("{text} [c]({place})"),
        Basis::Inferred => format!("{text} i"),
    }
}

fn known<T: Copy>(known: Known<T>, text: impl Fn(T) -> &'static str) -> String {
    cell(text(known.value), known.basis)
}

fn all_sources() -> String {
    let mut table = String::from(
        "| `Event::kind()` | source | route | what the source reads of the output |\n|---|---|---|---|\n",
    );
    for source in &SOURCES {
        let answer = known(source.answer, |answer| match answer {
            Answer::Http => "an HTTP response",
            Answer::Failures => "the identifiers of the records that failed",
            Answer::FirstFailure => "the sequence number of the first record that failed",
            Answer::Offsets => "partition and offset of the records that failed",
            Answer::Results => "a result for each record",
            Answer::Success => "whether the invocation failed",
            Answer::Decision => "whether the request is allowed",
            Answer::Upload => "a response at a URL in the event",
            Answer::Value => "what the handler returns",
        });
        let route = match source.route {
            "none: it succeeds" => source.route.to_owned(),
            route => format!("`.{route}(…)`"),
        };
        writeln!(table, "| `{}` | {} | {route} | {answer} |", source.name, source.title).unwrap();
    }
    table
}

fn requests() -> String {
    let mut table = String::from(
        "| source | path | before the path | query | headers | cookies | response | largest | streams | content of HEAD, \
         204, 304 | address of the client |\n|---|---|---|---|---|---|---|--:|---|---|---|\n",
    );
    for source in SOURCES.iter().filter(|source| source.http.is_some()) {
        let cells = source.http.map(cells).unwrap_or_default();
        writeln!(table, "| `{}` | {} |", source.name, cells.join(" | ")).unwrap();
    }
    table
}

fn cells(http: &HttpSource) -> Vec<String> {
    let yes_or_no = |yes: bool| if yes { "yes" } else { "no" };
    vec![
        known(http.path, |path| match path {
            Path::Encoded(_) => "encoded",
            Path::Decoded(_) => "decoded",
            Path::RouteKey => "the route key",
        }),
        known(http.prefix, |prefix| match prefix {
            Prefix::Nothing => "nothing",
            Prefix::Stage => "the stage",
            Prefix::StageOrBasePath => "the stage; under a custom domain the base path",
            Prefix::BasePath => "under a custom domain the base path",
        }),
        known(http.query, |query| match query {
            Query::Raw => "as sent",
            Query::InPath => "in the path, or parameters, encoded",
            Query::Decoded => "parameters, decoded",
            Query::Encoded => "parameters, encoded",
        }),
        known(http.headers, |headers| match headers {
            Headers::Joined => "joined",
            Headers::Listed => "listed",
            Headers::Either => "the last, or listed",
        }),
        known(http.cookies, |cookies| match cookies {
            Cookies::Header => "a header",
            Cookies::List => "a list",
            Cookies::Both => "a list and a header",
        }),
        known(http.response, |response| match response {
            Response::MultiValue => "`multiValueHeaders`",
            Response::SingleValue => "`headers`",
            Response::Cookies => "`headers`, `cookies`",
            Response::DescribedLikeRequest => "like the request, `statusDescription`",
            Response::Described => "`headers`, `statusDescription`",
        }),
        cell(&format!("{} MB", http.limit.value / 1024 / 1024), http.limit.basis),
        known(http.streams, yes_or_no),
        known(http.sends_content, |sends| if sends { "sent" } else { "not sent" }),
        known(http.caller, |caller| match caller {
            CallerAddress::Identity => "`identity.sourceIp`",
            CallerAddress::Http => "`http.sourceIp`",
            CallerAddress::ForwardedFor => "the last of `x-forwarded-for`",
        }),
    ]
}

#[test]
fn the_guide_shows_the_table() {
    let guide = include_str!("../../../../docs/pipeline.md");
    for table in [all_sources(), requests()] {
        assert!(guide.contains(&table), "docs/pipeline.md must have this table:\n{table}");
    }
}

#[test]
fn every_record_source_is_recognised_by_one_row() {
    let mut event_sources = BTreeMap::new();
    for source in &SOURCES {
        let names: &[&str] = match &source.shape {
            Shape::Records(name) => &[*name],
            Shape::Batch(names) => names,
            _ => &[],
        };
        for name in names {
            assert_eq!(event_sources.insert(*name, source.name), None, "{name}");
        }
        assert_eq!(source.http.is_some(), source.answer.value == Answer::Http, "{}", source.name);
        assert_eq!(source.http.is_some(), source.route == "http", "{}", source.name);
    }
    assert!(event_sources.len() >= 10);
}
