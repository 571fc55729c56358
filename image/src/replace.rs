//! Replaces a file so that there is the old one or the new one, whole, at whatever moment the power goes.
//!
//! * [`replace`]: the steps.
//! * [`Folder`]: what each of them does to the folder; [`Real`] is one of the system's. Tests have one that loses power.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::{Error, Existing};

/// Zeros of so many bytes become a hole in the file: a block of the usual file systems.
const HOLE: usize = 4096;

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The user's number.
    pub user: u32,
    /// The group's number.
    pub group: u32,
    /// The mode's lower twelve bits.
    pub mode: u32,
}

impl Access {
    /// That of a file.
    pub fn of(metadata: &fs::Metadata) -> Self {
        Self {
            user: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode() & 0o7777,
        }
    }
}

/// Who may read a new file until it is said who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Its owner alone.
    Owner,
    /// Whoever may read what its owner makes.
    Usual,
}

/// A folder that a file is replaced in.
pub trait Folder {
    /// An open file.
    type File;
    /// Makes an empty file, in place of one of that name that nobody is writing.
    fn create(&mut self, name: &OsStr, audience: Audience) -> io::Result<Self::File>;
    /// Says who may do what with a file.
    fn give(&mut self, file: &mut Self::File, access: Access) -> io::Result<()>;
    /// Fills an empty file.
    fn write(&mut self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Returns when the file's contents will outlive the power.
    fn sync_file(&mut self, file: &mut Self::File) -> io::Result<()>;
    /// Gives a file another name, in place of the file that had it.
    fn rename(&mut self, from: &OsStr, to: &OsStr) -> io::Result<()>;
    /// Returns when the names will outlive the power.
    fn sync(&mut self) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &OsStr) -> io::Result<()>;
}

/// Gives the file `name` other contents, and the access that is named, else the usual one of new files.
///
/// # Errors
/// What the system says. The file is then as it was, except where only the last step failed.
pub fn replace<F: Folder>(
    folder: &mut F,
    name: &OsStr,
    bytes: &[u8],
    access: Option<Access>,
) -> io::Result<()> {
    let mut unfinished = OsString::from(name);
    unfinished.push(".unfinished");
    // If that fails, the file is somebody else's.
    let audience = access.map_or(Audience::Usual, |_| Audience::Owner);
    let mut file = folder.create(&unfinished, audience)?;
    let given = access.map_or(Ok(()), |access| folder.give(&mut file, access));
    let written = given
        .and_then(|()| folder.write(&mut file, bytes))
        .and_then(|()| folder.sync_file(&mut file))
        .and_then(|()| folder.rename(&unfinished, name));
    if let Err(why) = written {
        // What is left of it is of no use; why it was not finished is what counts.
        let _ = folder.remove(&unfinished);
        return Err(why);
    }
    folder.sync()
}

/// Writes a file whole or not at all.
///
/// # Errors
/// That it is there, where it should be kept, or what the system says.
pub fn write_file(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), Error> {
    if existing == Existing::Keep && path.symlink_metadata().is_ok() {
        return Err(Error::Exists(path.into()));
    }
    Real::around(path)
        .and_then(|(mut folder, name)| replace(&mut folder, name, bytes, None))
        .map_err(Error::file(path))
}

/// A folder of the system.
pub struct Real(PathBuf);

impl Real {
    /// The one that a file is in, and the file's name there.
    ///
    /// # Errors
    /// When the path is not one of a file.
    pub fn around(path: &Path) -> io::Result<(Self, &OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        Ok((Self(folder.into()), name))
    }
}

impl Folder for Real {
    type File = File;

    fn create(&mut self, name: &OsStr, audience: Audience) -> io::Result<File> {
        let path = self.0.join(name);
        match create_locked(&path, audience) {
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                remove_abandoned(&path)?;
                create_locked(&path, audience)
            }
            made => made,
        }
    }

    fn give(&mut self, file: &mut File, access: Access) -> io::Result<()> {
        let new = Access::of(&file.metadata()?);
        if (new.user, new.group) != (access.user, access.group) {
            fchown(&*file, Some(access.user), Some(access.group)).map_err(not_owner)?;
        }
        file.set_permissions(Permissions::from_mode(access.mode))
    }

    fn write(&mut self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        for chunk in bytes.chunks(HOLE) {
            if chunk.iter().any(|&byte| byte != 0) {
                file.write_all(chunk)?;
            } else {
                file.seek(SeekFrom::Current(chunk.len() as i64))?;
            }
        }
        file.set_len(bytes.len() as u64)
    }

    fn sync_file(&mut self, file: &mut File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&mut self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync(&mut self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn remove(&mut self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.0.join(name))
    }
}

/// Makes a file that was not there, and locks it for as long as it is open: whoever finds it knows that it is being written.
fn create_locked(path: &Path, audience: Audience) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(match audience {
            Audience::Owner => 0o600,
            Audience::Usual => 0o666,
        })
        .open(path)?;
    lock(&file, path)?;
    Ok(file)
}

/// Removes a file that a process began and did not finish.
fn remove_abandoned(path: &Path) -> io::Result<()> {
    let no_link = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    match options.write(true).custom_flags(no_link).open(path) {
        Ok(file) => lock(&file, path)?,
        // A link, or nothing that can be written: nobody of our kind is at it.
        Err(why) if why.kind() != io::ErrorKind::NotFound => {}
        Err(_) => return Ok(()),
    }
    fs::remove_file(path)
}

/// Locks a file, and looks whether it still has its name.
fn lock(file: &File, path: &Path) -> io::Result<()> {
    let busy = || {
        let why = "another `sekisho image` is writing it; wait until that has ended";
        io::Error::new(io::ErrorKind::ResourceBusy, why)
    };
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => return Err(busy()),
        Err(TryLockError::Error(why)) if why.kind() != io::ErrorKind::Unsupported => {
            return Err(why);
        }
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    let (ours, there) = (file.metadata()?, fs::metadata(path)?);
    if (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
        Ok(())
    } else {
        Err(busy())
    }
}

fn not_owner(why: io::Error) -> io::Error {
    let kind = why.kind();
    io::Error::new(
        kind,
        format!("its owner cannot be kept ({why}); do this as its owner, or as root"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[u8] = b"the old contents";
    const NEW: &[u8] = b"the new contents, which are longer";

    /// What was done to a folder.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Did {
        Create,
        Give,
        Write,
        SyncFile,
        Rename,
        SyncFolder,
        Remove,
    }

    /// A folder with the file `disk`, in which a step fails, and which keeps a log.
    #[derive(Default)]
    struct Log {
        did: Vec<Did>,
        fails: Option<Did>,
    }

    impl Log {
        fn does(&mut self, step: Did) -> io::Result<()> {
            if self.fails == Some(step) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.did.push(step);
            Ok(())
        }
    }

    impl Folder for Log {
        type File = ();

        fn create(&mut self, name: &OsStr, audience: Audience) -> io::Result<()> {
            assert_eq!(
                (name, audience),
                ("disk.unfinished".as_ref(), Audience::Owner)
            );
            self.does(Did::Create)
        }

        fn give(&mut self, (): &mut (), _: Access) -> io::Result<()> {
            self.does(Did::Give)
        }

        fn write(&mut self, (): &mut (), bytes: &[u8]) -> io::Result<()> {
            assert_eq!(bytes, NEW);
            self.does(Did::Write)
        }

        fn sync_file(&mut self, (): &mut ()) -> io::Result<()> {
            self.does(Did::SyncFile)
        }

        fn rename(&mut self, from: &OsStr, to: &OsStr) -> io::Result<()> {
            assert_eq!((from, to), ("disk.unfinished".as_ref(), "disk".as_ref()));
            self.does(Did::Rename)
        }

        fn sync(&mut self) -> io::Result<()> {
            self.does(Did::SyncFolder)
        }

        fn remove(&mut self, name: &OsStr) -> io::Result<()> {
            assert_eq!(name, "disk.unfinished");
            self.does(Did::Remove)
        }
    }

    fn access() -> Option<Access> {
        Some(Access {
            user: 1,
            group: 2,
            mode: 0o640,
        })
    }

    fn replaced(fails: Option<Did>) -> (Vec<Did>, io::Result<()>) {
        let mut log = Log {
            fails,
            ..Log::default()
        };
        let done = replace(&mut log, "disk".as_ref(), NEW, access());
        (log.did, done)
    }

    /// What `disk` may hold when power is lost after these steps: what is not synced has happened, or not, or in part.
    fn may_hold(did: &[Did]) -> Vec<Vec<u8>> {
        let done = |step| did.contains(&step);
        let before = |step, other| {
            did.iter().position(|d| *d == step) < did.iter().position(|d| *d == other)
        };
        let mut new = vec![NEW.to_vec()];
        if !(done(Did::SyncFile) && before(Did::Write, Did::SyncFile)) {
            new.extend([Vec::new(), NEW[..5].to_vec(), vec![0; NEW.len()]]);
        }
        let synced = done(Did::SyncFolder) && before(Did::Rename, Did::SyncFolder);
        match (done(Did::Rename), synced) {
            (false, _) => vec![OLD.to_vec()],
            (true, true) => new,
            (true, false) => new.into_iter().chain([OLD.to_vec()]).collect(),
        }
    }

    #[test]
    fn whenever_power_is_lost_there_is_the_old_file_or_the_new_one() {
        let (did, done) = replaced(None);
        done.expect("nothing fails");
        for cut in 0..=did.len() {
            for held in may_hold(&did[..cut]) {
                assert!(held == OLD || held == NEW, "{:?}", &did[..cut]);
            }
        }
        assert_eq!(may_hold(&did), [NEW], "what is done is done for good");
    }

    #[test]
    fn a_step_that_fails_leaves_the_old_file_alone() {
        for step in [Did::Give, Did::Write, Did::SyncFile, Did::Rename] {
            let (did, done) = replaced(Some(step));
            assert_eq!(
                done.expect_err("it fails").kind(),
                io::ErrorKind::StorageFull
            );
            assert_eq!(did.last(), Some(&Did::Remove), "{step:?}");
            assert_eq!(may_hold(&did), [OLD], "{step:?}");
        }
        let (did, done) = replaced(Some(Did::Create));
        assert!(done.is_err() && did.is_empty(), "another's file stays");
    }

    fn folder_with_disk() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("disk");
        fs::write(&path, OLD).expect("a file");
        (folder, path)
    }

    fn replace_really(path: &Path) -> io::Result<()> {
        let access = Access::of(&fs::metadata(path)?);
        let (mut folder, name) = Real::around(path)?;
        replace(&mut folder, name, NEW, Some(access))
    }

    #[test]
    fn the_mode_is_kept_and_nothing_else_is_left() {
        let (folder, path) = folder_with_disk();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).expect("a mode");
        replace_really(&path).expect("replaced");
        assert_eq!(fs::read(&path).expect("a file"), NEW);
        let mode = fs::metadata(&path).expect("a file").mode();
        assert_eq!(mode & 0o7777, 0o604);
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_is_replaced_and_a_link_is_not_followed() {
        let (folder, path) = folder_with_disk();
        let [unfinished, other] = ["disk.unfinished", "other"].map(|name| folder.path().join(name));
        fs::write(&unfinished, "half").expect("a file");
        replace_really(&path).expect("replaced");
        assert_eq!(fs::read(&path).expect("a file"), NEW);

        fs::write(&other, "somebody's").expect("a file");
        std::os::unix::fs::symlink(&other, &unfinished).expect("a link");
        replace_really(&path).expect("replaced");
        assert_eq!(fs::read(&other).expect("a file"), b"somebody's");
    }

    #[test]
    fn a_file_that_is_being_written_is_left_to_its_writer() {
        let (folder, path) = folder_with_disk();
        let unfinished = folder.path().join("disk.unfinished");
        let theirs = create_locked(&unfinished, Audience::Usual).expect("a file");
        let busy = replace_really(&path).expect_err("it is being written");
        assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
        assert!(unfinished.exists());
        assert_eq!(fs::read(&path).expect("a file"), OLD);
        drop(theirs);
        replace_really(&path).expect("replaced");
    }
}
