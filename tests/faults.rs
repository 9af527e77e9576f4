//! `docs/faults.md` against the tests: every fault has a cell for every store, every cell names tests that exist or says why
//! there is none, every test with the number of a fault is in its table, and the command of the page runs them all.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const STORES: [&str; 4] = ["Memory", "Redis", "DynamoDB", "SSM"];

const FAULTS: usize = 26;

/// What a test's name must contain for the page's command to run it: `tests/run --repeat 20 -- f0 f1 f2 contract`.
const COMMAND: &str = "\ntests/run --repeat 20 -- f0 f1 f2 contract\n";
const FILTERS: [&str; 4] = ["f0", "f1", "f2", "contract"];

/// One cell: the tests that it names, or its text if it names none.
#[derive(Debug, PartialEq)]
enum Cell {
    Tests(Vec<String>),
    Reason(String),
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn page() -> String {
    fs::read_to_string(repository().join("docs/faults.md")).unwrap()
}

/// The name of every function in the sources, with `true` if it is a test.
fn functions() -> BTreeMap<String, bool> {
    let mut functions = BTreeMap::new();
    let mut folders = vec![repository()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, kind) =
                entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if kind.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                collect(&fs::read_to_string(path).unwrap(), &mut functions);
            }
        }
    }
    functions
}

fn collect(source: &str, functions: &mut BTreeMap<String, bool>) {
    let mut is_test = false;
    for line in source.lines().map(str::trim_start) {
        let declared = line.trim_start_matches("pub(crate) ").trim_start_matches("async ");
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(declared) = declared.strip_prefix("fn ") {
            let end = declared.find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &declared[..end.unwrap_or(declared.len())];
            *functions.entry(name.to_owned()).or_default() |= std::mem::take(&mut is_test);
        } else if line.starts_with('}') {
            is_test = false;
        }
    }
}

/// The faults in the name of a test: `f01` and `f02` in `f01_f02_a_lost_message`.
fn faults_of(test: &str) -> Vec<&str> {
    let is_fault = |part: &&str| {
        part.len() == 3
            && part.starts_with('f')
            && part[1..].bytes().all(|byte| byte.is_ascii_digit())
    };
    test.split('_').take_while(is_fault).collect()
}

/// The cells of a page, each with its fault and store.
fn cells(page: &str) -> Vec<((String, String), Cell)> {
    let mut cells = Vec::new();
    for section in page.split("\n## ").skip(1) {
        let fault = &section[..3];
        for row in section.lines().filter(|line| line.starts_with("| ")) {
            let columns: Vec<_> = row.trim_matches('|').splitn(2, '|').map(str::trim).collect();
            let [store, cell] = columns[..] else { continue };
            if store == "store" {
                continue;
            }
            let tests: Vec<_> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let cell = match tests.is_empty() {
                true => Cell::Reason(cell.to_owned()),
                false => Cell::Tests(tests),
            };
            cells.push(((fault.to_owned(), store.to_owned()), cell));
        }
    }
    cells
}

/// Everything that is wrong with the page.
fn wrong_with(page: &str, functions: &BTreeMap<String, bool>) -> Vec<String> {
    let mut wrong = Vec::new();
    let all = cells(page);
    if all.len() != FAULTS * STORES.len() {
        wrong.push(format!("{} cells", all.len()));
    }
    let cells: BTreeMap<_, _> = all.into_iter().collect();
    for number in 1..=FAULTS {
        let fault = format!("f{number:02}");
        let mut named = BTreeSet::new();
        let mut marks = Vec::new();
        for store in STORES {
            match cells.get(&(fault.clone(), store.to_owned())) {
                None => wrong.push(format!("{fault} has no row for {store}")),
                Some(Cell::Reason(reason)) => {
                    marks.push("–");
                    if reason.split_whitespace().count() < 3 {
                        wrong.push(format!("{fault} on {store} needs a test or a reason"));
                    }
                }
                Some(Cell::Tests(tests)) => {
                    marks.push("✓");
                    for test in tests {
                        named.insert(test.as_str());
                        wrong.extend(wrong_with_a_test(&fault, test, functions));
                    }
                }
            }
        }
        for (test, _) in functions.iter().filter(|(_, is_test)| **is_test) {
            if faults_of(test).contains(&fault.as_str()) && !named.contains(test.as_str()) {
                wrong.push(format!("{fault} does not name {test}"));
            }
        }
        let overview = page.lines().find(|line| line.starts_with(&format!("| [{fault}]")));
        if !overview.is_some_and(|line| line.ends_with(&format!(" | {} |", marks.join(" | ")))) {
            wrong.push(format!("the overview needs {fault} with | {} |", marks.join(" | ")));
        }
    }
    if !page.contains(COMMAND) {
        wrong.push(format!("the page has no {COMMAND:?}"));
    }
    wrong
}

fn wrong_with_a_test(
    fault: &str,
    test: &str,
    functions: &BTreeMap<String, bool>,
) -> Option<String> {
    let is_numbered = faults_of(test).contains(&fault) || faults_of(test).is_empty();
    if functions.get(test) != Some(&true) {
        Some(format!("{fault} names {test}, which is not a test"))
    } else if !is_numbered {
        Some(format!("{fault} names {test}, which is of another fault"))
    } else if !FILTERS.iter().any(|filter| test.contains(filter)) {
        Some(format!("{fault} names {test}, which the command of the page does not run"))
    } else {
        None
    }
}

#[test]
fn the_page_of_faults_names_every_test_of_a_fault_and_no_other() {
    let page = page();
    let wrong = wrong_with(&page, &functions());
    let tested = cells(&page).iter().filter(|(_, cell)| matches!(cell, Cell::Tests(_))).count();
    println!("{tested} cells with tests, {} with a reason", FAULTS * STORES.len() - tested);
    assert!(wrong.is_empty(), "docs/faults.md:\n{}", wrong.join("\n"));
}

/// The page with one mistake each.
#[test]
fn a_page_with_a_mistake_is_caught() {
    let (page, functions) = (page(), functions());
    let [command, f01] = ["-- f0 f1 f2 contract", "f01_a_lost_reply_costs_no_second_grant"];
    let row = page.lines().find(|line| line.contains(f01)).unwrap().to_owned();
    let mistakes = [
        ("a row is missing", page.replace(&format!("{row}\n"), "")),
        (
            "a row is there twice",
            page.replace(&row, &format!("| Memory | it is not here |\n{row}")),
        ),
        ("a cell is empty", page.replace(&row, "| Memory | |")),
        ("a cell says too little", page.replace(&row, "| Memory | not here |")),
        ("a test is not named", page.replace(&format!("`{f01}`<br>"), "")),
        ("a test does not exist", page.replace(f01, "f01_a_lost_reply_costs_nothing")),
        ("a function is no test", page.replace(f01, "faults_of")),
        (
            "a test is of another fault",
            page.replace(f01, "f26_a_call_dropped_at_any_moment_blocks_no_later_call"),
        ),
        ("a test is not run", page.replace(f01, "a_page_with_a_mistake_is_caught")),
        ("the command is another", page.replace(command, "-- f0 f1")),
        ("a mark is wrong", page.replacen("| ✓ | ✓ | ✓ | ✓ |", "| ✓ | – | ✓ | ✓ |", 1)),
        ("a fault is missing", page.replace("\n## f26", "\n### f26")),
    ];
    for (mistake, page) in mistakes {
        assert!(!wrong_with(&page, &functions).is_empty(), "{mistake}");
    }
}
