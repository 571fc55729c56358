//! How much processor time a process has taken.

use nix::sys::time::TimeValLike;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Seconds of processor time, of all its threads, in user and kernel mode.
///
/// # Panics
/// When the process is gone.
pub fn seconds(pid: u32) -> f64 {
    let pid = Pid::from_raw(i32::try_from(pid).expect("process ids are small"));
    let now = clock_getcpuclockid(pid).and_then(|clock| clock.now());
    let now = now.unwrap_or_else(|_| panic!("QEMU has ended while it was measured"));
    now.num_nanoseconds() as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time() {
        let before = seconds(std::process::id());
        let mut x = 1_u64;
        for _ in 0..1_000_000 {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(seconds(std::process::id()) > before);
    }
}
