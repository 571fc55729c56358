//! A block device that is changed in place.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::plan::Step;

/// What keeps bytes when the power goes: [`File`] is the real one. Tests have one that loses power.
pub trait Medium {
    /// Writes whole sectors; they may reach the medium at any time until the next [`flush`](Self::flush), in any order.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns when all that was written is on the medium.
    fn flush(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Does all steps, each after the one before is on the medium.
///
/// # Errors
/// What the system says.
pub fn apply(medium: &mut impl Medium, steps: &[Step]) -> io::Result<()> {
    for step in steps {
        for write in step {
            medium.write_at(write.at, &write.bytes)?;
        }
        medium.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edit::plan::Write;

    /// What a medium was told; it fails when it was told so much.
    struct Log(Vec<String>, usize);

    impl Log {
        fn told(&mut self, what: String) -> io::Result<()> {
            if self.0.len() == self.1 {
                return Err(io::Error::other("power"));
            }
            self.0.push(what);
            Ok(())
        }
    }

    impl Medium for Log {
        fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
            self.told(format!("{at} {bytes:?}"))
        }

        fn flush(&mut self) -> io::Result<()> {
            self.told("flush".into())
        }
    }

    fn steps() -> Vec<Step> {
        let write = |at| Write { at, bytes: vec![7] };
        vec![vec![write(5), write(1)], vec![write(3)], vec![]]
    }

    #[test]
    fn each_step_is_on_the_medium_before_the_next() {
        let mut log = Log(Vec::new(), usize::MAX);
        apply(&mut log, &steps()).expect("nothing fails");
        let told = ["5 [7]", "1 [7]", "flush", "3 [7]", "flush", "flush"];
        assert_eq!(log.0, told);
    }

    #[test]
    fn nothing_follows_what_failed() {
        for most in 0..6 {
            let mut log = Log(Vec::new(), most);
            apply(&mut log, &steps()).expect_err("it fails");
            assert_eq!(log.0.len(), most);
        }
    }
}
