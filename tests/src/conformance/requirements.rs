//! The list of requirements, in our own words, with the numbers of their documents.

use serde::Deserialize;

/// `tests/requirements.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    #[serde(rename = "document")]
    documents: Vec<Document>,
}

/// A document, or a group of requirements that no single one asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Its heading on the page.
    pub title: String,
    /// What it asks.
    pub requirements: Vec<Requirement>,
}

/// One requirement.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// What its tests' names begin with.
    pub id: String,
    /// Its number in the document, or its name.
    pub name: String,
    /// What it asks, in one line.
    pub means: String,
    /// Met, with something to know about it.
    note: Option<String>,
    /// Deliberately done in another way, and why; a test shows how.
    differs: Option<String>,
    /// There is nothing to which it applies, and why.
    does_not_apply: Option<String>,
    /// Not met, and why.
    missing: Option<String>,
}

/// How we stand to a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Its tests show it.
    Met,
    /// Done in another way, with a reason.
    Differs(&'a str),
    /// Nothing to apply it to, with a reason.
    DoesNotApply(&'a str),
    /// Not met, with a reason.
    Missing(&'a str),
}

impl Requirements {
    /// Reads the list.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The documents, in the page's order.
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// All requirements.
    pub fn all(&self) -> impl Iterator<Item = &Requirement> {
        self.documents
            .iter()
            .flat_map(|document| &document.requirements)
    }

    /// The requirement that a test is named after.
    pub fn of(&self, test: &str) -> Option<&Requirement> {
        let is_of = |requirement: &&Requirement| {
            let rest = test.strip_prefix(&requirement.id);
            rest.is_some_and(|rest| rest.starts_with('_'))
        };
        self.all().filter(is_of).max_by_key(|found| found.id.len())
    }

    /// Whether a function's name says that it is about a requirement: of an RFC, or of one of our own groups.
    pub fn is_about_one(&self, name: &str) -> bool {
        let Some((scheme, _)) = name.split_once('_') else {
            return false;
        };
        let is_rfc = scheme.strip_prefix("rfc").is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        });
        is_rfc || self.of(name).is_some()
    }

    /// What is wrong with the list itself.
    pub fn faults(&self) -> Vec<String> {
        let all: Vec<_> = self.all().collect();
        let mut faults = Vec::new();
        for (at, requirement) in all.iter().enumerate() {
            let id = &requirement.id;
            if all[..at].iter().any(|other| other.id == *id) {
                faults.push(format!("{id}: twice in the list"));
            }
            let declared = [
                &requirement.note,
                &requirement.differs,
                &requirement.does_not_apply,
                &requirement.missing,
            ];
            if declared.into_iter().flatten().count() > 1 {
                faults.push(format!(
                    "{id}: more than one of note, differs, does_not_apply, missing"
                ));
            }
        }
        faults
    }
}

impl Requirement {
    /// How we stand to it.
    pub fn standing(&self) -> Standing<'_> {
        match (&self.differs, &self.does_not_apply, &self.missing) {
            (Some(why), _, _) => Standing::Differs(why),
            (_, Some(why), _) => Standing::DoesNotApply(why),
            (_, _, Some(why)) => Standing::Missing(why),
            (None, None, None) => Standing::Met,
        }
    }

    /// What is to know about a requirement that is met.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(requirements: &str) -> Requirements {
        let text = format!("[[document]]\ntitle = \"t\"\nrequirements = [\n{requirements}\n]");
        Requirements::read(&text).expect("a list")
    }

    #[test]
    fn a_test_belongs_to_the_longest_number_that_its_name_begins_with() {
        let list = list(
            r#"{ id = "rfc1_s2", name = "2", means = "" },
            { id = "rfc1_s2_1", name = "2.1", means = "" },
            { id = "rfc1_s2a", name = "2a", means = "" },"#,
        );
        let id = |test: &str| list.of(test).map(|found| found.id.as_str());
        assert_eq!(id("rfc1_s2_x"), Some("rfc1_s2"));
        assert_eq!(id("rfc1_s2_1_x"), Some("rfc1_s2_1"));
        assert_eq!(id("rfc1_s2a_x"), Some("rfc1_s2a"));
        assert_eq!(id("rfc1_s2b_x"), None);
        assert_eq!(id("rfc1_s2"), None, "it says nothing of its own");
    }

    #[test]
    fn an_rfcs_test_is_about_a_requirement_even_where_the_list_has_none() {
        let list = list(r#"{ id = "attack_land", name = "LAND", means = "" }"#);
        assert!(list.is_about_one("rfc9_x") && list.is_about_one("attack_land_x"));
        assert!(!list.is_about_one("attack_x") && !list.is_about_one("rfc_x"));
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        let twice = list(
            r#"{ id = "a", name = "", means = "" },
            { id = "a", name = "", means = "", note = "x", missing = "y" },"#,
        );
        assert_eq!(
            twice.faults(),
            [
                "a: twice in the list",
                "a: more than one of note, differs, does_not_apply, missing"
            ]
        );
    }
}
