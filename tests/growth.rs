//! The instructions that each input costs grow as the input does. The program `growth` has the inputs, of everything that a
//! caller or a store shapes; callgrind counts. There is no clock in it, so a busy machine makes no difference.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::process::example;

/// How much more an input of twice the size may cost. An input that is sorted costs up to 2.2.
const MOST: f64 = 2.3;

/// An input, and the instructions at three sizes, each twice the one before.
struct Counted {
    name: String,
    size: u64,
    instructions: [u64; 3],
}

impl Counted {
    /// The larger of the two factors. What an input costs whatever its size hides what each element costs more, so the
    /// growth from one size to the next is compared too, if it is a part that matters.
    fn factor(&self) -> f64 {
        let [one, two, four] = self.instructions.map(|count| count as f64);
        let slope = (four - two) / (two - one).max(1.0);
        let matters = (four - two) > MATTERS * four;
        (two / one).max(four / two).max(if matters { slope } else { 0.0 })
    }

    fn is_mutant(&self) -> bool {
        self.name.starts_with("mutant")
    }
}

/// A growth by less than this part of the whole is noise.
const MATTERS: f64 = 0.05;

#[test]
fn each_input_costs_at_most_in_proportion_to_its_size() {
    let counted = count();
    println!("{:<50} {:>8} {:>14} {:>14} {:>14} {:>7}", "input", "n", "n", "2n", "4n", "factor");
    for Counted { name, size, instructions: [one, two, four] } in &counted {
        let factor = factor_of(&counted, name);
        println!("{name:<50} {size:>8} {one:>14} {two:>14} {four:>14} {factor:>7.2}");
    }
    let (mutants, inputs): (Vec<_>, Vec<_>) = counted.iter().partition(|input| input.is_mutant());
    assert!(inputs.len() >= 60, "{} inputs", inputs.len());
    let worst = inputs.iter().map(|input| input.factor()).fold(0.0, f64::max);
    println!("{} inputs, the worst factor {worst:.2}", inputs.len());
    let grow: Vec<&str> =
        inputs.iter().filter(|input| input.factor() > MOST).map(|input| &*input.name).collect();
    assert!(grow.is_empty(), "they grow faster than their size: {grow:#?}");
    assert!(!mutants.is_empty());
    for mutant in mutants {
        assert!(mutant.factor() > MOST, "{} must be found: {:.2}", mutant.name, mutant.factor());
    }
}

fn factor_of(counted: &[Counted], name: &str) -> f64 {
    counted.iter().find(|input| input.name == name).map_or(0.0, Counted::factor)
}

/// Runs the program. Callgrind writes a file after each call of `measured`, with the instructions of that call.
///
/// The product gives a request a few seconds. Under Valgrind, which is fifty times slower, that may be too little on a
/// busy machine: then the program is run again.
fn count() -> Vec<Counted> {
    let files = Files::new();
    let out = files.0.join("out");
    let run = (1..3).find_map(|_| run(&out).ok()).unwrap_or_else(|| run(&out).unwrap());
    counted(&run, &out)
}

/// Runs the program once. An error is that a request timed out.
fn run(out: &Path) -> Result<String, String> {
    let growth = example("growth");
    let run = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--dump-line=no",
            "--zero-before=growth::measured",
            "--dump-before=growth::counted",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(growth.get_program())
        .stdin(Stdio::null())
        .output()
        .expect("valgrind is missing: run tests/run");
    let (printed, said) =
        (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let timed_out = said.contains("timed out");
    assert!(run.status.success() || timed_out, "{printed}{said}");
    if run.status.success() { Ok(printed.into_owned()) } else { Err(said.into_owned()) }
}

/// What the dumps say about the inputs that the program printed.
fn counted(printed: &str, out: &Path) -> Vec<Counted> {
    let inputs: Vec<(&str, u64)> = printed
        .lines()
        .map(|line| {
            line.split_once('\t').map(|(name, size)| (name, size.parse().unwrap())).unwrap()
        })
        .collect();
    let counts: Vec<u64> = (1..=inputs.len()).map(|number| total(out, number)).collect();
    let of_three = inputs.chunks(3).zip(counts.chunks(3));
    of_three
        .map(|(inputs, counts)| Counted {
            name: inputs[0].0.to_owned(),
            size: inputs[0].1,
            instructions: counts.try_into().unwrap(),
        })
        .collect()
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
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("funcify-growth-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
