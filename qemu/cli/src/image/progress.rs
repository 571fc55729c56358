//! What `sekisho image build` says while it works: the files on standard output, and where somebody watches, what it is at.

use std::io::{self, IsTerminal, Write};

use sekisho_image::Progress;

/// Says how far the work is.
pub struct Report {
    /// Whether there is a line to be written over.
    watched: bool,
}

impl Report {
    /// For the terminal, if there is one.
    pub fn new() -> Self {
        Self {
            watched: io::stderr().is_terminal(),
        }
    }

    /// Says it.
    pub fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Preparing { build } => {
                println!("kernel: build {build}");
                self.at("making the boot loaders and the disk");
            }
            Progress::Making(image) => self.at(&format!("making {}", image.file_name())),
            Progress::Placing => self.at(""),
            Progress::Placed { path, bytes } => {
                println!("{}  {} KiB", path.display(), bytes.div_ceil(1024));
            }
        }
    }

    fn at(&self, step: &str) {
        if self.watched {
            // Back to the line's beginning, and away with what stood there.
            let _ = write!(io::stderr(), "\r\x1b[K{step}");
        }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.at("");
    }
}
