//! Where the files go.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sekisho_image::Existing;
use sekisho_vmconfig::{File, Mode};

use crate::failure::Failure;

/// Writes the files into a folder and names them, or a single one to the standard output.
///
/// # Errors
/// Several files without a folder, one that is there already, or whatever the system says. Nothing is written if one is there.
pub fn write(files: &[File], folder: Option<&Path>, existing: Existing) -> Result<(), Failure> {
    match (folder, files) {
        (Some(folder), files) => into_folder(files, folder, existing),
        (None, [file]) => {
            io::stdout()
                .write_all(file.text.as_bytes())
                .map_err(|why| Failure::Unwritable {
                    path: "the standard output".into(),
                    why,
                })
        }
        (None, files) => Err(Failure::SeveralFiles(
            files.iter().map(|file| file.name.clone()).collect(),
        )),
    }
}

fn into_folder(files: &[File], folder: &Path, existing: Existing) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|why| Failure::Unwritable {
        path: folder.into(),
        why,
    })?;
    let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(&file.name)).collect();
    if existing == Existing::Keep
        && let Some(path) = paths.iter().find(|path| path.exists())
    {
        return Err(Failure::Replaces(path.clone()));
    }
    for (file, path) in files.iter().zip(&paths) {
        put(file, path, existing).map_err(|why| match why.kind() {
            // It came up after the look.
            io::ErrorKind::AlreadyExists => Failure::Replaces(path.clone()),
            _ => Failure::Unwritable {
                path: path.clone(),
                why,
            },
        })?;
        println!("{}", path.display());
    }
    Ok(())
}

fn put(file: &File, path: &Path, existing: Existing) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    let options = match existing {
        Existing::Keep => options.create_new(true),
        Existing::Replace => options.create(true).truncate(true),
    };
    let mut open = options.open(path)?;
    open.write_all(file.text.as_bytes())?;
    match file.mode {
        Mode::Data => Ok(()),
        Mode::Script => open.set_permissions(Permissions::from_mode(0o755)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, mode: Mode) -> File {
        File {
            name: name.into(),
            text: format!("{name}\n"),
            mode,
        }
    }

    #[test]
    fn nothing_is_replaced_unless_told_and_scripts_can_be_run() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("new");
        let files = [file("a", Mode::Data), file("b.sh", Mode::Script)];
        write(&files[1..], Some(&out), Existing::Keep).unwrap();
        let refused = write(&files, Some(&out), Existing::Keep).unwrap_err();
        assert!(
            refused.to_string().contains("b.sh is there already"),
            "{refused}"
        );
        assert!(!out.join("a").exists(), "nothing is written in part");
        write(&files, Some(&out), Existing::Replace).unwrap();
        assert_eq!(fs::read_to_string(out.join("a")).unwrap(), "a\n");
        let mode = fs::metadata(out.join("b.sh")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111);
    }

    #[test]
    fn several_files_want_a_folder() {
        let files = [file("a", Mode::Data), file("b", Mode::Data)];
        let refused = write(&files, None, Existing::Keep).unwrap_err();
        assert!(
            refused.to_string().contains("a, b; name a folder"),
            "{refused}"
        );
    }
}
