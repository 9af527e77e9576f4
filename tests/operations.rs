//! The page of operations lists each metric, each line of the log and each error that the code has.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use funcify_core::engine::metrics::METRICS;

const PAGE: &str = include_str!("../docs/operations.md");

/// The sources that a function is made of.
fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = [
        "",
        "core",
        "backend-aws",
        "backend-dynamodb",
        "backend-memory",
        "backend-redis",
        "backend-ssm",
    ];
    let mut open: Vec<PathBuf> = folders.map(|folder| root.join(folder).join("src")).into();
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && !["tests", "conformance", "testing"].contains(&name) {
                open.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                files.push((path, code));
            }
        }
    }
    files
}

/// The literals of Rust in `code`, each with three dots for what differs.
fn literals(code: &str) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), code);
    while let Some(start) = rest.find('"') {
        let (mut text, mut depth, mut end) = (String::new(), 0, rest.len());
        let mut letters = rest[start + 1..].char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = start + 1 + at + 1;
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, '\n')) => {
                        while letters.next_if(|(_, letter)| letter.is_whitespace()).is_some() {}
                    }
                    Some((_, escaped)) => text.push(escaped),
                    None => {}
                },
                '{' => {
                    depth += 1;
                    text.push('…');
                }
                '}' => depth -= 1,
                other if depth == 0 => text.push(other),
                _ => {}
            }
        }
        found.push(text);
        rest = &rest[end..];
    }
    found
}

/// What is in the parentheses that begin here.
fn parentheses(code: &str) -> &str {
    let (mut depth, mut is_text, mut is_escaped) = (0, false, false);
    for (at, letter) in code.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if is_text => is_escaped = true,
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text => {
                depth -= 1;
                if depth == 0 {
                    return &code[..at];
                }
            }
            _ => {}
        }
    }
    code
}

fn errors(code: &str) -> Vec<String> {
    let attributes = code.match_indices("#[error(").map(|(at, _)| parentheses(&code[at + 7..]));
    // The first literal is the sentence, the others are in its arguments.
    let sentences = attributes.filter_map(|inside| literals(inside).into_iter().next());
    sentences.filter(|sentence| sentence.chars().any(|letter| letter.is_alphabetic())).collect()
}

fn lines(code: &str) -> Vec<String> {
    let begins = ["trace", "debug", "info", "warn", "error", "$level"];
    let begins = begins.map(|level| format!("tracing::{level}!("));
    let calls = begins.iter().flat_map(|begin| {
        code.match_indices(begin.as_str()).map(|(at, _)| parentheses(&code[at + begin.len() - 1..]))
    });
    calls.filter_map(|inside| literals(inside).pop()).collect()
}

/// The cell of a table with this sentence as code.
fn cell(sentence: &str) -> String {
    if sentence.contains('`') {
        format!("| `` {sentence} `` |")
    } else {
        format!("| `{sentence}` |")
    }
}

/// Those that the page does not list, with their files.
fn missing(page: &str, sentences: fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    for (path, code) in sources() {
        for sentence in sentences(&code) {
            if !page.contains(&cell(&sentence)) {
                missing.insert(format!("{}: {sentence}", path.display()));
            }
        }
    }
    missing
}

#[test]
fn the_page_lists_each_line_of_the_log() {
    assert_eq!(missing(PAGE, lines), BTreeSet::new());
    let without = PAGE.replace("| `token minted` |", "");
    assert_eq!(missing(&without, lines).len(), 1, "the mutant must be caught");
    assert!(sources().iter().map(|(_, code)| lines(code).len()).sum::<usize>() > 50);
}

#[test]
fn the_page_lists_each_error() {
    assert_eq!(missing(PAGE, errors), BTreeSet::new());
    let without = PAGE.replace("| `no token in time` |", "");
    assert_eq!(missing(&without, errors).len(), 1, "the mutant must be caught");
    assert!(sources().iter().map(|(_, code)| errors(code).len()).sum::<usize>() > 150);
}

#[test]
fn the_page_lists_each_metric_with_its_unit_and_labels() {
    for metric in METRICS {
        let line = PAGE.lines().find(|line| line.starts_with(&format!("| `{}` |", metric.name)));
        let line = line.unwrap_or_else(|| panic!("{} is not listed", metric.name));
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        assert!(line.contains(&format!("| {} |", labels.join(", "))), "{line}");
        let unit = match metric.unit {
            metrics::Unit::Milliseconds => ", ms |",
            metrics::Unit::Seconds => ", s |",
            _ => " |",
        };
        assert!(line.split_once("| counter").is_some() || line.contains(unit), "{line}");
    }
    let listed = PAGE.lines().filter(|line| line.starts_with("| `funcify.")).count();
    assert_eq!(listed, METRICS.len(), "the page lists what is not counted");
}

/// So that what is gone from the code is gone from the page.
#[test]
fn the_page_lists_no_line_and_no_error_that_the_code_does_not_have() {
    let known = sources().into_iter().flat_map(|(_, code)| [lines(&code), errors(&code)].concat());
    let known: BTreeSet<String> = known.collect();
    let section = PAGE.split("\n# Log lines").nth(1).unwrap();
    for row in section.lines().filter(|row| row.starts_with("| `")) {
        let is_known = known.iter().any(|sentence| row.starts_with(&cell(sentence)));
        assert!(is_known, "{row}");
    }
}
