//! What is written.

/// One file of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// What it is for.
    pub mode: Mode,
}

/// Whether a file is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is read by something.
    Data,
    /// It is a shell script.
    Script,
}

impl File {
    pub(crate) fn data(name: String, text: String) -> Self {
        let mode = Mode::Data;
        Self { name, text, mode }
    }

    pub(crate) fn script(name: String, text: String) -> Self {
        let mode = Mode::Script;
        Self { name, text, mode }
    }
}
