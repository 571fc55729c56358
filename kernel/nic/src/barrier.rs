//! Order between what the driver writes and what it then reads, as its device sees it.

/// All stores before it are seen before any load after it is done.
///
/// Both sides of a ring tell the other of something and then look whether it sleeps: one load done early, and
/// each finds the other awake.
///
/// Where it may choose, the compiler makes a locked instruction of `fence(SeqCst)`. That is as good on a processor,
/// but QEMU without processor virtualisation emulates it for a machine of a single processor as a load and a store
/// like all others (`CF_PARALLEL` is not set), which the host's processor does order as it likes, while QEMU's own
/// threads, the device, run beside it. Only an instruction that is a barrier and nothing else stays one.
#[inline]
pub fn full() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it only orders memory accesses; the processor has had it since SSE2, which is part of x86-64.
    unsafe {
        core::arch::asm!("mfence", options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "x86_64"))]
    core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
}
