//! Files and commands that a page of the documentation shows, so that tests run what people copy.
//!
//! * [`files`]: code blocks whose first line is a comment with an absolute path.
//! * [`block`]: the code block whose first line is a given comment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::kernel;

/// A file as a page shows it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Where it belongs, from `/`.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// The files of a page whose path begins with `prefix`.
///
/// # Panics
/// When there is no such page, or no such file on it.
#[track_caller]
pub fn files(page: &str, prefix: &str) -> Vec<Shown> {
    let shown = |(title, text): (String, String)| Shown {
        path: PathBuf::from(title),
        text,
    };
    let blocks = blocks(page).into_iter();
    let files: Vec<Shown> = blocks
        .filter(|(title, _)| title.starts_with(prefix))
        .map(shown)
        .collect();
    assert!(!files.is_empty(), "docs/{page} shows no {prefix}");
    files
}

/// The text of the block of a page that is titled so.
///
/// # Panics
/// When there is no such page or block.
#[track_caller]
pub fn block(page: &str, title: &str) -> String {
    let found = blocks(page).into_iter().find(|(other, _)| other == title);
    found
        .unwrap_or_else(|| panic!("docs/{page} shows no `{title}`"))
        .1
}

impl Shown {
    /// Puts it into a folder as if that were `/`, for its owner only, as secrets and NetworkManager's files have to be.
    ///
    /// # Panics
    /// When that fails.
    pub fn put(&self, root: &Path) {
        let path = root.join(
            self.path
                .strip_prefix("/")
                .expect("paths begin with a slash"),
        );
        let folder = path.parent().expect("a file is in a folder");
        fs::create_dir_all(folder).expect("the folder is ours");
        fs::write(&path, &self.text).expect("the folder is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    }
}

/// Code blocks that begin with a comment: the comment, and the rest.
fn blocks(page: &str) -> Vec<(String, String)> {
    let path = kernel::repository().join("docs").join(page);
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    text.split("\n```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| {
            let (_language, body) = block.split_once('\n')?;
            let (first, rest) = body.split_once('\n')?;
            Some((first.strip_prefix("# ")?.to_owned(), format!("{rest}\n")))
        })
        .collect()
}
