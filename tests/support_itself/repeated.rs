//! `tests/run --repeat`: each run gets a line and a seed of its own, and those that fail are counted.

use std::fs;
use std::process::Command;

use crate::support::attempt::unique;

/// What `repeat 3` prints over a command that fails in its second run, and its exit code.
fn repeated() -> (String, Option<i32>) {
    let logs = std::env::temp_dir().join(unique("funcify-test-repeat"));
    fs::create_dir(&logs).unwrap();
    let script = r#"
        set -euo pipefail
        source "$1/install.sh"; source "$1/repeat.sh"
        logs=$2 groups=() FUNCIFY_TEST_SEED=7
        in_group() { "$@" & last_group=$!; groups+=("$last_group"); }
        tests() {
          echo 'test result: ok. 2 passed; 0 failed; 0 ignored'
          echo 'test result: ok. 40 passed; 0 failed; 0 ignored'
          if [[ ! -e $logs/repeat-2.log || -e $logs/repeat-3.log ]]; then return 0; fi
          echo 'test token::f01_a ... FAILED'
          return 1
        }
        repeat 3 tests
    "#;
    let run_d = concat!(env!("CARGO_MANIFEST_DIR"), "/run.d");
    let output =
        Command::new("bash").args(["-c", script, "bash", run_d]).arg(&logs).output().unwrap();
    fs::remove_dir_all(&logs).ok();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    (printed, output.status.code())
}

#[test]
fn each_run_is_a_line_and_the_failures_are_counted() {
    let (printed, code) = repeated();
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("tests/run: run 1 of 3: passed in "), "{printed}");
    assert!(lines[0].ends_with(" s, 42 tests passed, FUNCIFY_TEST_SEED=7"), "{printed}");
    assert!(lines[1].starts_with("tests/run: run 2 of 3: FAILED in "), "{printed}");
    assert_eq!(lines[2], "test token::f01_a ... FAILED");
    assert!(lines[4].starts_with("tests/run: run 3 of 3: passed in "), "{printed}");
    assert!(!lines[4].ends_with("FUNCIFY_TEST_SEED=7"), "a seed of its own: {printed}");
    assert!(lines[5].starts_with("tests/run: 3 runs, 1 failed, "), "{printed}");
    assert_eq!((lines.len(), code), (6, Some(1)), "{printed}");
}
