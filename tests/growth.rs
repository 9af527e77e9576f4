//! The instructions that each input costs grow as the input does. The program `growth` has the inputs, of everything that a
//! caller or a store shapes; callgrind counts.

use crate::support::callgrind::{count, count_with};

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
    let mut counted = grouped(count("growth"));
    // On a busy machine a request may be repeated, which costs instructions too. So what grows too fast is counted
    // again, alone.
    for input in counted.iter_mut().filter(|input| input.factor() > MOST && !input.is_mutant()) {
        let again = grouped(count_with("growth", &[&input.name]));
        let again = again.iter().find(|again| again.name == input.name).unwrap();
        println!("counted again: {}, before {:?}", input.name, input.instructions);
        input.instructions = again.instructions;
    }
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

/// What callgrind counted for each input that the program printed.
fn grouped(counts: Vec<(String, u64)>) -> Vec<Counted> {
    let of_three = counts.chunks(3);
    of_three
        .map(|counts| {
            let (name, size) = counts[0].0.split_once('\t').unwrap();
            let instructions: Vec<u64> =
                counts.iter().map(|(_, instructions)| *instructions).collect();
            Counted {
                name: name.to_owned(),
                size: size.parse().unwrap(),
                instructions: instructions.try_into().unwrap(),
            }
        })
        .collect()
}
