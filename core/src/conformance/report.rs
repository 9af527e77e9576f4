use std::fmt;

/// What [`run`](super::run) found. Displays as one line per check and a line of counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a failed check is only visible in its report"]
#[non_exhaustive]
pub struct Report {
    /// Every check, law by law.
    pub checks: Vec<Check>,
    /// How many checks passed.
    pub passed: usize,
    /// How many checks failed.
    pub failed: usize,
    /// How many checks could not be exercised on the subject.
    pub not_exercised: usize,
}

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The law that was checked: `L1` to `L10`. [`Register`](crate::register::Register) and the provider
    /// traits say what each law demands.
    pub law: &'static str,
    /// The promise, as a sentence.
    pub name: String,
    /// How the check ended.
    pub result: CheckResult,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The subject kept the promise.
    Passed,
    /// The subject broke the promise, in this way.
    Failed(String),
    /// The check needs something that the subject cannot do, for this reason.
    NotExercised(String),
}

impl Report {
    /// Fails the test if a check failed.
    ///
    /// # Panics
    ///
    /// With the whole report if a check failed.
    #[track_caller]
    #[expect(clippy::panic, reason = "it is an assertion")]
    pub fn assert_passed(&self) {
        if self.failed > 0 {
            panic!("the register breaks its contract\n{self}");
        }
    }

    /// `name` is that of the function: its words become a sentence.
    pub(super) fn add(&mut self, law: &'static str, name: &str, result: CheckResult) {
        match result {
            CheckResult::Passed => self.passed += 1,
            CheckResult::Failed(_) => self.failed += 1,
            CheckResult::NotExercised(_) => self.not_exercised += 1,
        }
        self.checks.push(Check { law, name: name.replace('_', " "), result });
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { law, name, result } = self;
        match result {
            CheckResult::Passed => write!(f, "{law:3} passed        {name}"),
            CheckResult::Failed(why) => write!(f, "{law:3} FAILED        {name}: {why}"),
            CheckResult::NotExercised(why) => write!(f, "{law:3} not exercised {name}: {why}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{check}")?;
        }
        write!(
            f,
            "{} checks: {} passed, {} failed, {} not exercised",
            self.checks.len(),
            self.passed,
            self.failed,
            self.not_exercised
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.add("L1", "a_write_is_done", CheckResult::Passed);
        report.add("L2", "a_conflict_is_a_conflict", CheckResult::Failed("it was done".into()));
        report.add("L10", "a_write_is_resent", CheckResult::NotExercised("no wire".into()));
        report
    }

    #[test]
    fn a_report_displays_one_line_per_check_and_the_counts() {
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
    fn a_failed_check_fails_the_test() {
        report().assert_passed();
    }
}
