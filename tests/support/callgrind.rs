//! Counts the instructions of a program with callgrind. There is no clock in it, so a busy machine makes no difference.
//!
//! The program calls `measured` for each piece of work, then `counted`, and prints a line for each, in this order.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::process::example;

/// Runs the example of this name. Returns each line that it prints, with the instructions of that call of `measured`.
///
/// The product gives a request a few seconds. Under Valgrind, which is fifty times slower, that may be too little on a
/// busy machine: then the program is run again.
pub(crate) fn count(name: &str) -> Vec<(String, u64)> {
    count_with(name, &[])
}

/// The same with arguments for the program.
pub(crate) fn count_with(name: &str, arguments: &[&str]) -> Vec<(String, u64)> {
    let files = Files::new(name);
    let out = files.0.join("out");
    let printed = (1..3)
        .find_map(|_| run(name, arguments, &out).ok())
        .unwrap_or_else(|| run(name, arguments, &out).unwrap());
    let lines = printed.lines().map(str::to_owned).zip(1..);
    lines.map(|(line, number)| (line, total(&out, number))).collect()
}

/// Runs the program once. Callgrind writes a file after each call of `measured`. An error is that a request timed out.
fn run(name: &str, arguments: &[&str], out: &Path) -> Result<String, String> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--dump-line=no"])
        .arg(format!("--zero-before={name}::measured"))
        .arg(format!("--dump-before={name}::counted"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(example(name).get_program())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("valgrind is missing: run tests/run");
    let (printed, said) =
        (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let timed_out = said.contains("timed out");
    assert!(run.status.success() || timed_out, "{printed}{said}");
    if run.status.success() { Ok(printed.into_owned()) } else { Err(said.into_owned()) }
}

/// The instructions in the dump with this number.
fn total(out: &Path, number: usize) -> u64 {
    let dump = fs::read_to_string(format!("{}.{number}", out.display())).unwrap();
    let totals = dump.lines().find_map(|line| line.strip_prefix("totals: "));
    totals.unwrap_or_else(|| panic!("dump {number} has no totals")).trim().parse().unwrap()
}

/// A directory for the dumps, which is removed at the end.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("funcify-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
