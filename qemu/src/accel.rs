//! KVM, or QEMU's own translator.

use std::fs::{self, File};

/// What runs the machine's instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accel {
    /// KVM where it works, else TCG.
    #[default]
    Auto,
    /// The processor itself.
    Kvm,
    /// QEMU's translator: slow, and everywhere.
    Tcg,
}

impl Accel {
    /// Whether KVM can be used here.
    #[must_use]
    pub fn kvm_works() -> bool {
        kvm_works()
    }

    /// What QEMU is told.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
            Self::Auto if kvm_works() => "kvm",
            Self::Auto => "tcg",
        }
    }
}

/// Whether KVM can be used here.
///
/// Some containers show a `/dev/kvm` that opens on a processor without virtualization; QEMU then fails at its first ioctl.
fn kvm_works() -> bool {
    let opens = File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    opens && fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| virtualizes(&info))
}

/// Whether the processor flags in `cpuinfo` name Intel's or AMD's virtualization.
fn virtualizes(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .any(|line| {
            line.split_whitespace()
                .any(|flag| flag == "vmx" || flag == "svm")
        })
}

#[cfg(test)]
mod tests {
    use super::virtualizes;

    #[test]
    fn virtualization_is_a_whole_word_among_the_flags() {
        assert!(virtualizes("model name : x\nflags\t\t: fpu vmx sse"));
        assert!(virtualizes("flags\t\t: fpu svm"));
        assert!(!virtualizes("flags\t\t: fpu vmx_preemption sse"));
        assert!(!virtualizes("vmx flags\t: vnmi vmx\nmodel name : svm"));
    }
}
