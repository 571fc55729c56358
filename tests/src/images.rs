//! Images of the firewall, made for a test.
//!
//! * [`Images`]: some of them, in a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};

use sekisho_image::disk::Contents;
use sekisho_image::{Existing, Image, build};
use tempfile::TempDir;

use crate::kernel;

/// Images of one configuration. Dropping it removes them.
pub struct Images(TempDir);

impl Images {
    /// Makes them, with these words on the kernel's command line.
    ///
    /// # Panics
    /// When they cannot be made.
    #[track_caller]
    pub fn make(images: &[Image], config: &str, words: &str) -> Images {
        let folder = TempDir::new().expect("a folder");
        let kernel = fs::read(kernel::firewall()).expect("the kernel");
        let contents = Contents {
            kernel: &kernel,
            config: config.as_bytes(),
            words,
        };
        build(&contents, images, folder.path(), Existing::Keep, |_| ())
            .unwrap_or_else(|error| panic!("no images: {error}"));
        Images(folder)
    }

    /// The folder that they are in.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Where one is.
    pub fn path(&self, image: Image) -> PathBuf {
        self.folder().join(image.file_name())
    }

    /// All of its bytes.
    ///
    /// # Panics
    /// When it was not made.
    #[track_caller]
    pub fn read(&self, image: Image) -> Vec<u8> {
        let path = self.path(image);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}
