//! The configuration drive among the machine's drives.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Display;

use sekisho_drive::{Configuration, Failure, Fault, Finding, Medium, look};
use sekisho_kernel::console;
use sekisho_kernel::hw::storage::Controller;

/// Looks at all drives; gives the configuration that one of them holds, and where it was found.
///
/// # Errors
/// A configuration drive that cannot be used, a drive that cannot be read, or two configurations: nobody can tell then
/// what was meant.
pub fn configuration(drives: Vec<Controller>) -> Result<Option<(Vec<u8>, String)>, String> {
    let mut search = Search::default();
    for controller in drives {
        controller.visit(&mut |place, medium| match medium {
            Ok(medium) => search.look(place, medium),
            Err(fault) => pass_over(place, fault),
        });
    }
    match search.error {
        Some(error) => Err(error),
        None => Ok(search.found),
    }
}

#[derive(Default)]
struct Search {
    found: Option<(Vec<u8>, String)>,
    /// The first.
    error: Option<String>,
}

impl Search {
    fn look(&mut self, place: &dyn Display, medium: &mut dyn Medium) {
        match look(medium) {
            Ok(Finding::Nothing) => {}
            Ok(Finding::Foreign(label, why)) => {
                console!("sekisho: drive {label} ({place}): not for us: {why}");
            }
            Ok(Finding::Configuration(configuration)) => self.keep(place, configuration),
            Err(failure) => {
                self.error.get_or_insert_with(|| explain(place, failure));
            }
        }
    }

    fn keep(&mut self, place: &dyn Display, configuration: Configuration) {
        let Configuration { label, file, bytes } = configuration;
        let origin = format!("{file} on drive {label} ({place})");
        match &self.found {
            None => self.found = Some((bytes, origin)),
            Some((_, first)) => {
                self.error.get_or_insert_with(|| {
                    format!(
                        "sekisho: there are two configurations: {first}, and {origin}\n\
                         help: take one of the drives out"
                    )
                });
            }
        }
    }
}

fn explain(place: &dyn Display, failure: Failure) -> String {
    match failure {
        Failure::Unread(fault) => format!(
            "sekisho: drive ({place}): it cannot be read: {fault}; it may hold the configuration\n\
             help: mend the drive, or take it out"
        ),
        Failure::Unusable(label, problem) => format!(
            "sekisho: drive {label} ({place}): {problem}\n\
             help: a drive with this label holds the configuration: make it anew, or take it out"
        ),
    }
}

/// Says that a drive is not looked at, unless there is nothing in it to look at.
fn pass_over(place: &dyn Display, fault: Fault) {
    match fault {
        Fault::NoMedium => {}
        Fault::Silent | Fault::Refused(_) | Fault::Nonsense => {
            console!("sekisho: drive ({place}): passed over, as it cannot be used: {fault}");
        }
    }
}
