//! What a drive holds for us.

use alloc::vec::Vec;
use core::fmt;

use sekisho_config::MAX_BYTES;

use crate::fat::Fat;
use crate::iso::Iso;
use crate::medium::{Fault, Medium, ReadError, Reader, Volume};
use crate::name::{self, File, Wanted};
use crate::partition;

/// What a `user-data` begins with that is a configuration.
pub const USER_DATA_MARK: &str = "# sekisho";

/// The label of a configuration drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// `SEKISHO`: it is there for us alone.
    Sekisho,
    /// `cidata`: cloud-init's, whose files may be somebody else's.
    Cidata,
}

impl Label {
    fn read(text: &[u8]) -> Option<Self> {
        let is = |label: &str| text.eq_ignore_ascii_case(label.as_bytes());
        match () {
            () if is("SEKISHO") => Some(Self::Sekisho),
            () if is("cidata") => Some(Self::Cidata),
            () => None,
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sekisho => "SEKISHO",
            Self::Cidata => "cidata",
        })
    }
}

/// What a drive holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// No file system with a label of ours.
    Nothing,
    /// cloud-init's files for somebody else; in words.
    Foreign(Label, &'static str),
    /// A configuration, unchecked.
    Configuration(Configuration),
}

/// A configuration, unchecked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The drive's label.
    pub label: Label,
    /// The file's name.
    pub file: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Why it is not known what a drive holds, or why that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is known of it, not even its label.
    Unread(Fault),
    /// Its label says that it is a configuration drive.
    Unusable(Label, Problem),
}

/// What is wrong with a configuration drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It has no `sekisho.toml`.
    NoFile,
    /// The file is larger than any configuration: its name and bytes.
    TooLarge(&'static str, u64),
    /// The drive cannot be read.
    Fault(Fault),
    /// The file system is damaged: in words.
    Damaged(&'static str),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("it has no sekisho.toml in its root folder"),
            Self::TooLarge(file, bytes) => write!(
                f,
                "its {file} has {bytes} bytes, and a configuration has {MAX_BYTES} at the most"
            ),
            Self::Fault(fault) => write!(f, "it cannot be read: {fault}"),
            Self::Damaged(what) => write!(f, "its file system is damaged: {what}"),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Fault(fault) => Self::Fault(fault),
            ReadError::Damaged(what) => Self::Damaged(what),
        }
    }
}

/// Looks at a drive: the whole of it, then its partitions; the first file system with a label of ours counts.
///
/// # Errors
/// The drive cannot be read, or is a configuration drive without a usable file.
pub fn look(medium: &mut dyn Medium) -> Result<Finding, Failure> {
    let mut reader = Reader::new(medium);
    let mut whole = reader.whole();
    match at(&mut whole)? {
        Some(FileSystem::Unlabelled) => return Ok(Finding::Nothing),
        Some(FileSystem::Labelled(label, tree)) => return choose(label, &tree, &mut whole),
        None => {}
    }
    for (start, len) in partition::list(&mut whole).or_else(unknown)? {
        let mut part = whole.part(start, len);
        if let Some(FileSystem::Labelled(label, tree)) = at(&mut part)? {
            return choose(label, &tree, &mut part);
        }
    }
    Ok(Finding::Nothing)
}

enum FileSystem {
    Unlabelled,
    Labelled(Label, Tree),
}

enum Tree {
    Fat(Fat),
    Iso(Iso),
}

/// The file system of a volume. FAT is asked first: what lies where ISO 9660 has its descriptors may be left over from
/// a disc that was there before, whereas no image of a disc begins like FAT.
fn at(volume: &mut Volume<'_, '_>) -> Result<Option<FileSystem>, Failure> {
    let (label, tree) = if let Some(fat) = Fat::open(volume).or_else(unknown)? {
        (fat.label(volume).or_else(unknown)?, Tree::Fat(fat))
    } else if let Some(iso) = Iso::open(volume).or_else(unknown)? {
        (iso.label.clone(), Tree::Iso(iso))
    } else {
        return Ok(None);
    };
    Ok(Some(match Label::read(&label) {
        Some(label) => FileSystem::Labelled(label, tree),
        None => FileSystem::Unlabelled,
    }))
}

/// As long as no label was seen, damage is nothing to us, and a failing drive may be anything.
fn unknown<T: Default>(error: ReadError) -> Result<T, Failure> {
    match error {
        ReadError::Damaged(_) => Ok(T::default()),
        ReadError::Fault(fault) => Err(Failure::Unread(fault)),
    }
}

/// A labelled file system, open.
struct Drive<'d, 'r, 'm> {
    label: Label,
    tree: &'d Tree,
    volume: &'d mut Volume<'r, 'm>,
}

/// Which file of a labelled file system is the configuration.
fn choose(label: Label, tree: &Tree, volume: &mut Volume<'_, '_>) -> Result<Finding, Failure> {
    let mut drive = Drive {
        label,
        tree,
        volume,
    };
    let [config, user_data] = drive.files()?;
    let (wanted, file) = match (label, config, user_data) {
        (_, Some(file), _) => (name::CONFIG, file),
        (Label::Sekisho, None, _) => return Err(Failure::Unusable(label, Problem::NoFile)),
        (Label::Cidata, None, Some(file)) if drive.is_ours(file)? => (name::USER_DATA, file),
        (Label::Cidata, None, Some(_)) => return Ok(Finding::Foreign(label, OTHER_DATA)),
        (Label::Cidata, None, None) => return Ok(Finding::Foreign(label, NO_DATA)),
    };
    drive.load(wanted, file).map(Finding::Configuration)
}

const OTHER_DATA: &str = "its user-data does not begin with \"# sekisho\"";
const NO_DATA: &str = "it has neither sekisho.toml nor user-data in its root folder";

impl Drive<'_, '_, '_> {
    fn files(&mut self) -> Result<[Option<File>; 2], Failure> {
        let wanted = [name::CONFIG, name::USER_DATA];
        let found = match self.tree {
            Tree::Fat(fat) => fat.find(self.volume, wanted),
            Tree::Iso(iso) => iso.find(self.volume, wanted),
        };
        found.map_err(|error| self.unusable(error.into()))
    }

    fn content(&mut self, file: File, most: usize) -> Result<Vec<u8>, Failure> {
        let content = match self.tree {
            Tree::Fat(fat) => fat.content(self.volume, file, most),
            Tree::Iso(iso) => iso.content(self.volume, file, most),
        };
        content.map_err(|error| self.unusable(error.into()))
    }

    fn is_ours(&mut self, user_data: File) -> Result<bool, Failure> {
        let begins = self.content(user_data, USER_DATA_MARK.len())?;
        Ok(begins == USER_DATA_MARK.as_bytes())
    }

    fn load(&mut self, wanted: Wanted, file: File) -> Result<Configuration, Failure> {
        if file.size > MAX_BYTES as u64 {
            return Err(self.unusable(Problem::TooLarge(wanted.name, file.size)));
        }
        Ok(Configuration {
            label: self.label,
            file: wanted.name,
            bytes: self.content(file, MAX_BYTES)?,
        })
    }

    const fn unusable(&self, problem: Problem) -> Failure {
        Failure::Unusable(self.label, problem)
    }
}
