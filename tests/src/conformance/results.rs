//! How tests ended, from what cargo-nextest or cargo's own harness printed.

use std::collections::HashMap;

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed, on each machine that it ran on.
    Passed,
    /// It failed, at least once.
    Failed,
}

/// Results by the tests' own names, without their modules.
#[derive(Debug, Default)]
pub struct Results(HashMap<String, Outcome>);

impl Results {
    /// Reads the output of one or more runs.
    pub fn read(output: &str) -> Self {
        let mut results = Self::default();
        for line in output.lines() {
            if let Some((test, outcome)) = of_nextest(line).or_else(|| of_cargo(line)) {
                results.note(test, outcome);
            }
        }
        results
    }

    /// How a test ended, if it ran.
    pub fn of(&self, test: &str) -> Option<Outcome> {
        self.0.get(test).copied()
    }

    fn note(&mut self, test: &str, outcome: Outcome) {
        let name = test.rsplit("::").next().unwrap_or(test);
        let known = self.0.entry(name.to_owned()).or_insert(outcome);
        if outcome == Outcome::Failed {
            *known = outcome;
        }
    }
}

/// `    PASS [   0.009s] (236/248) sekisho-engine::pipeline tcp::a_test`
fn of_nextest(line: &str) -> Option<(&str, Outcome)> {
    let (word, rest) = line.trim_start().split_once(' ')?;
    let (_, test) = rest.trim_start().strip_prefix('[')?.rsplit_once(' ')?;
    match word {
        "PASS" | "LEAK" => Some((test, Outcome::Passed)),
        "FAIL" | "TIMEOUT" | "SIGABRT" | "SIGSEGV" | "ABORT" => Some((test, Outcome::Failed)),
        _ => None,
    }
}

/// `test tcp::a_test ... ok`
fn of_cargo(line: &str) -> Option<(&str, Outcome)> {
    let (test, how) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match how {
        "ok" => Some((test, Outcome::Passed)),
        "FAILED" => Some((test, Outcome::Failed)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_harnesses_are_understood() {
        let results = Results::read(
            "        PASS [   0.009s] (2/9) sekisho-engine::pipeline tcp::one\n\
             \u{20}       FAIL [   1.234s] sekisho-tests::rootless q35::two\n\
             \u{20}       PASS [   1.234s] sekisho-tests::rootless pc::two\n\
             test tcp::three ... ok\n\
             test four ... FAILED\n\
             test five ... ignored\n\
             \u{20}    TIMEOUT [ 240.0s] (1/9) sekisho-tests::machine six\n\
             \u{20}       SLOW [> 60.0s] sekisho-tests::machine seven\n",
        );
        let expected = [
            ("one", Some(Outcome::Passed)),
            ("two", Some(Outcome::Failed)),
            ("three", Some(Outcome::Passed)),
            ("four", Some(Outcome::Failed)),
            ("five", None),
            ("six", Some(Outcome::Failed)),
            ("seven", None),
        ];
        for (test, outcome) in expected {
            assert_eq!(results.of(test), outcome, "{test}");
        }
    }
}
