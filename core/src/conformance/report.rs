use std::fmt;

/// A law of the contract; [`Register`](crate::register::Register) and the provider traits say what
/// each of them demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the contract is where each law is written down")]
pub enum Law {
    L1,
    L2,
    L3,
    L4,
    L5,
    L6,
    L7,
    L8,
    L9,
    L10,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The subject kept the promise.
    Passed,
    /// The subject broke the promise, in this way.
    Failed(String),
    /// The subject could not be brought to where the promise matters, for this reason.
    NotExercised(String),
}

/// One check and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// The law that was checked.
    pub law: Law,
    /// The promise, as a sentence.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// What [`run`](super::run) found out. Shown as a line a check and a line of counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a report that nobody looks at proves nothing"]
pub struct Report {
    results: Vec<CheckResult>,
}

impl Report {
    /// Every check, law by law.
    #[must_use]
    pub fn results(&self) -> &[CheckResult] {
        &self.results
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CheckResult> {
        self.results.iter().filter(|result| matches!(result.outcome, Outcome::Failed(_)))
    }

    /// How many checks passed.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Passed))
    }

    /// How many checks failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures().count()
    }

    /// How many checks the subject could not be put to.
    #[must_use]
    pub fn not_exercised(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::NotExercised(_)))
    }

    /// Ends the test if a check failed.
    ///
    /// # Panics
    ///
    /// With the whole report if a check failed.
    #[track_caller]
    #[expect(clippy::panic, reason = "it is an assertion")]
    pub fn assert_passed(&self) {
        if self.failed() > 0 {
            panic!("the register breaks its contract\n{self}");
        }
    }

    fn count(&self, counts: impl Fn(&Outcome) -> bool) -> usize {
        self.results.iter().filter(|result| counts(&result.outcome)).count()
    }

    /// `name` is that of the function: its words become a sentence.
    pub(super) fn add(&mut self, law: Law, name: &str, outcome: Outcome) {
        self.results.push(CheckResult { law, name: name.replace('_', " "), outcome });
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::L1 => "L1",
            Self::L2 => "L2",
            Self::L3 => "L3",
            Self::L4 => "L4",
            Self::L5 => "L5",
            Self::L6 => "L6",
            Self::L7 => "L7",
            Self::L8 => "L8",
            Self::L9 => "L9",
            Self::L10 => "L10",
        })
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, name, outcome } = self;
        match outcome {
            Outcome::Passed => write!(f, "{law:3} passed        {name}"),
            Outcome::Failed(why) => write!(f, "{law:3} FAILED        {name}: {why}"),
            Outcome::NotExercised(why) => write!(f, "{law:3} not exercised {name}: {why}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for result in &self.results {
            writeln!(f, "{result}")?;
        }
        write!(
            f,
            "{} checks: {} passed, {} failed, {} not exercised",
            self.results.len(),
            self.passed(),
            self.failed(),
            self.not_exercised()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.add(Law::L1, "a_write_is_done", Outcome::Passed);
        report.add(Law::L2, "a_conflict_is_a_conflict", Outcome::Failed("it was done".into()));
        report.add(Law::L10, "a_write_is_resent", Outcome::NotExercised("no wire".into()));
        report
    }

    #[test]
    fn a_report_shows_a_line_a_check_and_the_counts() {
        assert_eq!(
            report().to_string(),
            "L1  passed        a write is done\n\
             L2  FAILED        a conflict is a conflict: it was done\n\
             L10 not exercised a write is resent: no wire\n\
             3 checks: 1 passed, 1 failed, 1 not exercised"
        );
    }

    #[test]
    #[should_panic(expected = "it was done")]
    fn a_failed_check_ends_the_test() {
        report().assert_passed();
    }
}
