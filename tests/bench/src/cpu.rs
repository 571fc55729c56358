//! How much processor time a process has taken, and where it runs.

use std::fs;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
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

/// Processes of which all threads share one processor, until this is dropped.
pub struct OnOne {
    /// Where each thread may run otherwise.
    former: Vec<(Pid, CpuSet)>,
}

impl OnOne {
    /// Binds all threads of these processes to the first processor that this one may run on. Threads that begin
    /// later run where the one that begins them does.
    ///
    /// # Errors
    /// What the host's kernel says.
    pub fn bind(processes: &[u32]) -> Result<Self, String> {
        let refused = |error| format!("cannot bind threads to one processor: {error}");
        let ours = sched_getaffinity(Pid::from_raw(0)).map_err(refused)?;
        let first = (0..CpuSet::count()).find(|cpu| ours.is_set(*cpu) == Ok(true));
        let mut one = CpuSet::new();
        one.set(first.unwrap_or(0)).map_err(refused)?;
        let mut bound = Self { former: Vec::new() };
        for thread in processes.iter().flat_map(|process| threads(*process)) {
            // One that has just ended needs no place.
            let Ok(former) = sched_getaffinity(thread) else {
                continue;
            };
            sched_setaffinity(thread, &one).map_err(refused)?;
            bound.former.push((thread, former));
        }
        Ok(bound)
    }
}

impl Drop for OnOne {
    fn drop(&mut self) {
        for (thread, former) in &self.former {
            let _ = sched_setaffinity(*thread, former);
        }
    }
}

fn threads(process: u32) -> Vec<Pid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    let names = tasks.filter_map(|task| task.ok()?.file_name().into_string().ok());
    names
        .filter_map(|name| name.parse().ok().map(Pid::from_raw))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_one_processor_for_a_while() {
        let here = || sched_getaffinity(Pid::from_raw(0)).expect("an affinity");
        let count = |set: CpuSet| {
            (0..CpuSet::count())
                .filter(|cpu| set.is_set(*cpu) == Ok(true))
                .count()
        };
        let before = here();
        let bound = OnOne::bind(&[std::process::id()]).expect("it may");
        assert_eq!(count(here()), 1);
        drop(bound);
        assert_eq!(here(), before);
    }

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
