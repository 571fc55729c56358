//! Deliberate defects, and whether the tests notice them.
//!
//! * [`Mutant`]: one defect; the list is `tests/mutants.toml`.
//! * [`Workshop`]: a copy of the sources in which one defect at a time is put in and tried.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// How long the tests of one package may take; a defect that makes them run for ever is noticed, too.
const LIMIT: Duration = Duration::from_secs(600);

/// A defect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// What is wrong.
    pub name: String,
    /// The package whose tests must notice.
    #[serde(default = "engine")]
    pub package: String,
    /// The file, from the folder of the project.
    pub file: PathBuf,
    /// What stands there once.
    pub search: String,
    /// What stands there instead.
    pub replace: String,
}

fn engine() -> String {
    "sekisho-engine".into()
}

#[derive(Deserialize)]
struct List {
    mutant: Vec<Mutant>,
}

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A test failed.
    Caught,
    /// All tests passed.
    Missed,
    /// It is no program: nothing is shown.
    DoesNotBuild,
}

/// The folder of the project.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads the list.
///
/// # Panics
/// When it cannot be read.
pub fn list() -> Vec<Mutant> {
    let path = project().join("tests/mutants.toml");
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
    let list: List = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    list.mutant
}

impl Mutant {
    /// The changed text of its file, below `root`.
    ///
    /// # Errors
    /// The file does not hold exactly one place for it.
    pub fn applied(&self, root: &Path) -> Result<String, String> {
        let text = fs::read_to_string(root.join(&self.file))
            .map_err(|error| format!("{}: {}: {error}", self.name, self.file.display()))?;
        match text.matches(&self.search).count() {
            1 => Ok(text.replacen(&self.search, &self.replace, 1)),
            count => Err(format!(
                "{}: {count} places in {} for `{}`, not one",
                self.name,
                self.file.display(),
                self.search
            )),
        }
    }
}

/// A copy of the sources, with a build folder of its own.
pub struct Workshop {
    tree: PathBuf,
    target: PathBuf,
}

impl Workshop {
    /// Copies what git knows of, as it is now.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn new() -> Workshop {
        let folder = project().join("target/mutants");
        let workshop = Workshop {
            tree: folder.join("tree"),
            target: folder.join("build"),
        };
        let _ = fs::remove_dir_all(&workshop.tree);
        let listed = Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(project())
            .output()
            .expect("git lists the sources");
        let names = String::from_utf8_lossy(&listed.stdout);
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            let (from, to) = (project().join(name), workshop.tree.join(name));
            if from.is_file() {
                fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
                fs::copy(&from, &to).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
        workshop
    }

    /// Tries a package as it is.
    pub fn healthy(&self, package: &str) -> bool {
        self.fate(package) == Fate::Missed
    }

    /// Tries a mutant.
    ///
    /// # Panics
    /// When it does not apply.
    pub fn try_out(&self, mutant: &Mutant) -> Fate {
        let path = self.tree.join(&mutant.file);
        let sound = fs::read(&path).expect("the file is there");
        let changed = mutant
            .applied(&self.tree)
            .unwrap_or_else(|error| panic!("{error}"));
        fs::write(&path, changed).expect("the copy can be changed");
        let fate = self.fate(&mutant.package);
        fs::write(&path, sound).expect("the copy can be changed back");
        fate
    }

    fn fate(&self, package: &str) -> Fate {
        if !self.cargo(package, &["--no-run"]) {
            return Fate::DoesNotBuild;
        }
        match self.cargo(package, &[]) {
            true => Fate::Missed,
            false => Fate::Caught,
        }
    }

    /// Whether cargo succeeds in time.
    fn cargo(&self, package: &str, more: &[&str]) -> bool {
        let mut child = Command::new("cargo")
            .args(["test", "--quiet", "--package", package, "--lib", "--tests"])
            .args(more)
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("RUSTFLAGS", "--cap-lints warn")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo runs");
        let deadline = Instant::now() + LIMIT;
        loop {
            match child.try_wait().expect("cargo is there") {
                Some(status) => return status.success(),
                None if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                None => {
                    child.kill().expect("cargo is there");
                    let _ = child.wait();
                    return false;
                }
            }
        }
    }
}

impl Default for Workshop {
    fn default() -> Self {
        Self::new()
    }
}
