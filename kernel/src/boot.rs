//! From the loader to ring 3: the only code that runs in ring 0.
//!
//! [`prepare`] runs once, before the machine is divided: it reads what the
//! loader says, fills page tables and descriptor tables, and names where ring 3
//! begins. After that ring 0 is the assembly stubs of `entry.s` alone.
//!
//! * [`acpi`]: where the power switch is.
//! * [`build`]: which build this is.
//! * [`info`]: PVH's and Multiboot2's information, in one form.
//! * [`paging`]: what may be read, written and executed.
//! * [`tables`]: segments, ports, interrupts.

pub mod acpi;
pub mod build;
pub mod info;
mod paging;
mod tables;

use core::arch::{asm, global_asm, x86_64::__cpuid_count};
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use acpi::Acpi;
use info::BootInfo;

global_asm!(
    include_str!("boot/entry.s"),
    prepare = sym prepare,
    report = sym crate::hw::fault::report,
    shared_alias = const paging::SHARED_ALIAS,
    apic_alias = const paging::APIC_ALIAS,
);

/// Where the local APIC is, on every machine we boot on (Intel SDM volume 3, section 11.4.1).
pub const APIC: usize = 0xfee0_0000;

/// A page that ring 0's stubs write and ring 3 reads.
#[repr(C, align(4096))]
pub struct Shared {
    pending: [AtomicU8; 256],
    reserved: [u64; 32],
    fault: [AtomicU64; 23],
}

static SHARED: Shared = Shared {
    pending: [const { AtomicU8::new(0) }; 256],
    reserved: [0; 32],
    fault: [const { AtomicU64::new(0) }; 23],
};

/// A value that is written once, before the machine is divided.
struct Early<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: written by `prepare` only, which runs alone and once; read afterwards.
unsafe impl<T> Sync for Early<T> {}

impl<T> Early<T> {
    const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::zeroed()))
    }
}

#[unsafe(link_section = ".ring0")]
static TABLES: Early<paging::Tables> = Early::new();
#[unsafe(link_section = ".ring0")]
static SEGMENTS: Early<tables::Segments> = Early::new();
#[unsafe(link_section = ".ring0")]
static TASK: Early<tables::TaskState> = Early::new();
#[unsafe(link_section = ".ring0")]
static GATES: Early<tables::Gates> = Early::new();
static INFO: Early<BootInfo> = Early::new();
static ACPI: Early<Option<Acpi>> = Early::new();
static HANDOVER: Early<Handover> = Early::new();

/// What the last instructions of ring 0 need.
#[repr(C)]
struct Handover {
    root: u64,
    cr4: u64,
    stack: u64,
    entry: u64,
}

/// Vector of the gate that sleeps.
const SLEEP: u8 = 0x80;
/// Vector of the gate that maps devices from 4 GiB on.
const MAP: u8 = 0x81;
/// Ports that ring 3 uses: interrupt controllers, PIT, its gate, keyboard controller, IDE, exit, serial, VGA's cursor, fw_cfg,
/// ACPI, PCI, reset.
const PORTS: &[core::ops::RangeInclusive<u16>] = &[
    0x20..=0x21,
    0x40..=0x43,
    0x61..=0x61,
    0x64..=0x64,
    0xa0..=0xa1,
    0xf4..=0xf4,
    0x170..=0x177,
    0x1f0..=0x1f7,
    0x2f8..=0x2ff,
    0x376..=0x376,
    0x3d4..=0x3d5,
    0x3f6..=0x3f6,
    0x3f8..=0x3ff,
    0x510..=0x51b,
    0x600..=0x60f,
    0xb000..=0xb00f,
    0xcf8..=0xcff,
];

unsafe extern "C" {
    static fault_handlers: [u64; 32];
    static interrupt_handlers: [u64; 32];
    /// Where ring 3 begins: each program has its own.
    fn kernel_main() -> !;
    fn gate_sleep();
    fn gate_map();
    static mut window_directory: u64;
    fn gate_spurious();
    static boot_stack_top: u8;
}

/// Fills all tables. Runs in ring 0, once, before anything else.
extern "C" fn prepare(protocol: u32, info: usize) -> *const Handover {
    // SAFETY: called once by `entry.s` with what the loader left; nobody else runs.
    unsafe {
        let boot = match protocol {
            1 => info::from_pvh(info),
            _ => info::from_multiboot2(info),
        };
        (*INFO.0.get()).write(boot);
        let boot = (*INFO.0.get()).assume_init_ref();
        let ends = boot.regions().iter().map(|region| region.end);
        let memory_end = ends.filter(|&end| end <= 1 << 32).max().unwrap_or(0);

        let shared = &raw const SHARED as u64;
        let root = paging::build(
            (*TABLES.0.get()).assume_init_mut(),
            memory_end,
            shared,
            APIC as u64,
        );
        let task = (*TASK.0.get()).assume_init_mut();
        task.fill(&raw const boot_stack_top as u64);
        PORTS.iter().for_each(|ports| task.open(ports.clone()));
        let acpi = (*ACPI.0.get()).write(acpi::find(boot.rsdp));
        if let Some(acpi) = acpi {
            acpi.ports().for_each(|ports| task.open(ports));
        }
        let segments = (*SEGMENTS.0.get()).assume_init_mut();
        segments.fill(task);
        segments.load();
        let gates = (*GATES.0.get()).assume_init_mut();
        for vector in 0..=255 {
            gates.set(vector, gate_spurious as *const () as u64, 0);
        }
        for (vector, handler) in (0..).zip(fault_handlers) {
            gates.set(vector, handler, 0);
        }
        for (vector, handler) in (32..).zip(interrupt_handlers) {
            gates.set(vector, handler, 0);
        }
        gates.set(SLEEP, gate_sleep as *const () as u64, 3);
        gates.set(MAP, gate_map as *const () as u64, 3);
        window_directory = paging::window_directory((*TABLES.0.get()).assume_init_ref());
        gates.load();
        let handover = Handover {
            root,
            cr4: protections(),
            stack: paging::stack_top() - 8,
            entry: kernel_main as *const () as u64,
        };
        (*HANDOVER.0.get()).write(handover)
    }
}

/// CR4's protections that this processor has: SMEP, SMAP, UMIP.
fn protections() -> u64 {
    let leaf = __cpuid_count(7, 0);
    let bit = |set: u32, cr4: u64| if set != 0 { 1 << cr4 } else { 0 };
    bit(leaf.ebx & 1 << 7, 20) | bit(leaf.ebx & 1 << 20, 21) | bit(leaf.ecx & 1 << 2, 11)
}

/// What the loader said.
pub fn info() -> &'static BootInfo {
    // SAFETY: written by `prepare` before ring 3 began, and never again.
    unsafe { (*INFO.0.get()).assume_init_ref() }
}

/// What ACPI says of the power switch, if the machine has one.
pub fn acpi() -> Option<&'static Acpi> {
    // SAFETY: written by `prepare` before ring 3 began, and never again.
    unsafe { (*ACPI.0.get()).assume_init_ref().as_ref() }
}

/// Takes and clears a vector's flag.
pub fn take_pending(vector: u8) -> bool {
    let flag = &SHARED.pending[usize::from(vector)];
    flag.load(Ordering::Relaxed) != 0 && flag.swap(0, Ordering::Relaxed) != 0
}

/// A fault, as ring 0 noted it.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// RAX, RBX, RCX, RDX, RSI, RDI, RBP, R8 to R15.
    pub registers: [u64; 15],
    /// Which exception (Intel SDM volume 3, section 6.3.1).
    pub vector: u64,
    /// The processor's error code, 0 where there is none.
    pub error: u64,
    /// Where it happened.
    pub rip: u64,
    /// RFLAGS.
    pub flags: u64,
    /// The stack.
    pub rsp: u64,
    /// The address that was touched, for page faults.
    pub address: u64,
}

/// The last fault; the order is that of `entry.s`.
pub fn fault() -> Fault {
    let word = |index: usize| SHARED.fault[index].load(Ordering::Relaxed);
    Fault {
        registers: core::array::from_fn(word),
        vector: word(15),
        error: word(16),
        rip: word(17),
        flags: word(19),
        rsp: word(20),
        address: word(21),
    }
}

/// Whether an address lies in the program's text.
pub fn is_text(address: u64) -> bool {
    paging::text().contains(&address)
}

/// An address that ring 3 may not touch, for a test.
pub fn ring0_address() -> u64 {
    &raw const TABLES as u64
}

/// The words on the program's stack from a stack pointer on; none if it points elsewhere.
pub fn stack_words(rsp: u64) -> impl Iterator<Item = u64> {
    let stack = paging::stack();
    let first = rsp.max(stack.start).next_multiple_of(8);
    (first..stack.end).step_by(8).map(|at| {
        // SAFETY: the program's own stack, mapped for good; nobody else runs.
        unsafe { (at as *const u64).read_volatile() }
    })
}

/// Ends everything: the processor meets a fault that it cannot deliver, and the machine restarts.
pub fn reset() -> ! {
    // SAFETY: the first privileged instruction faults, ring 0 sees a fault inside the report, and resets.
    unsafe {
        SHARED.fault[22].store(1, Ordering::Relaxed);
        asm!("2:", "hlt", "jmp 2b", options(noreturn))
    }
}

/// Halts the processor until the next interrupt.
pub fn sleep() {
    // SAFETY: the gate halts and returns; its handlers keep all registers.
    unsafe { asm!("int 0x80") }
}

/// Makes a device's memory reachable and says where; `None` if the window is full.
pub fn map_device(physical: u64, len: usize) -> Option<usize> {
    const SLOT: u64 = 2 << 20;
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if physical + len as u64 <= 1 << 32 {
        return Some(physical as usize);
    }
    let first = physical & !(SLOT - 1);
    let slots = (physical + len as u64 - first).div_ceil(SLOT);
    let slot = NEXT.fetch_add(slots, Ordering::Relaxed);
    for index in 0..slots {
        let refused: u64;
        // SAFETY: the gate maps nothing but devices into the window, and keeps all registers but RAX.
        unsafe {
            asm!("int 0x81", in("rdi") first + index * SLOT, in("rsi") slot + index, out("rax") refused);
        }
        if refused != 0 {
            return None;
        }
    }
    Some((paging::WINDOW + slot * SLOT + (physical - first)) as usize)
}
