use std::fmt;

use super::verdict::{Shortfall, Verdict};

/// The results of [`run`](super::run). Its `Display` form has one line for each check, and a line with the
/// number of checks of each result.
///
/// The name of a check is its law and its promise, such as `L2 a conflict is not applied later`.
/// [`Register`](crate::register::Register) and the provider traits define the laws.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a failed check is only visible in its report"]
#[non_exhaustive]
pub struct Report {
    /// The checks that passed.
    pub passed: Vec<String>,
    /// The checks that failed, each followed by `: ` and how the subject broke the promise.
    pub failed: Vec<String>,
    /// The checks that could not be exercised, each followed by `: ` and what the subject cannot do.
    pub not_exercised: Vec<String>,
    /// The lines of all checks, law by law, as they are displayed.
    lines: Vec<String>,
}

impl Report {
    /// Adds the result of a check. `name` is the name of its function, whose words become a sentence.
    pub(super) fn add(&mut self, law: &str, name: &str, verdict: Verdict) {
        let name = name.replace('_', " ");
        let (checks, result, check) = match verdict {
            Ok(()) => (&mut self.passed, "passed", name),
            Err(Shortfall::Broken(why)) => (&mut self.failed, "FAILED", format!("{name}: {why}")),
            Err(Shortfall::NotExercised(why)) => {
                (&mut self.not_exercised, "not exercised", format!("{name}: {why}"))
            }
        };
        checks.push(format!("{law} {check}"));
        self.lines.push(format!("{law:3} {result:13} {check}"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        write!(
            f,
            "{} checks: {} passed, {} failed, {} not exercised",
            self.lines.len(),
            self.passed.len(),
            self.failed.len(),
            self.not_exercised.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.add("L1", "a_write_is_done", Ok(()));
        let broken = Shortfall::Broken("it was done".to_owned());
        report.add("L2", "a_conflict_is_a_conflict", Err(broken));
        let not_exercised = Shortfall::NotExercised("no wire".to_owned());
        report.add("L10", "a_write_is_resent", Err(not_exercised));
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
    fn a_check_is_listed_by_its_result() {
        let report = report();
        assert_eq!(report.passed, ["L1 a write is done"]);
        assert_eq!(report.failed, ["L2 a conflict is a conflict: it was done"]);
        assert_eq!(report.not_exercised, ["L10 a write is resent: no wire"]);
    }

    #[test]
    #[should_panic(expected = "it was done")]
    fn a_failed_check_fails_the_test() {
        let report = report();
        assert!(report.failed.is_empty(), "the register breaks its contract\n{report}");
    }
}
