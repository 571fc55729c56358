//! Random numbers: from the processor or a virtio device, or from a seed for runs that repeat.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

use alloc::string::String;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use virtio_drivers::device::rng::VirtIORng;

use super::cards::Devices;
use super::fw_cfg;
use super::pci::Memory;
use crate::console;

/// A stream of random words.
pub struct Random {
    chacha: ChaCha12Rng,
}

impl Random {
    /// A stream that nobody can guess.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self {
            chacha: ChaCha12Rng::from_seed(seed),
        }
    }

    /// A stream that is the same each time.
    #[must_use]
    pub fn repeated(seed: u64) -> Self {
        Self {
            chacha: ChaCha12Rng::seed_from_u64(seed),
        }
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        self.chacha.next_u64()
    }
}

/// Neither the processor nor a device gives random numbers.
#[derive(Clone, Copy, Debug)]
pub struct NoEntropy;

impl core::fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(
            "sekisho: no source of random numbers: the processor has neither RDRAND nor RDSEED, and there is no \
             virtio-rng device; add one (QEMU: -device virtio-rng-pci), choose another processor (-cpu max), or give a \
             fixed seed for a test (-append seed=NUMBER)",
        )
    }
}

/// The machine's stream of random numbers: by `seed=` on the command line, else by the processor, else by virtio-rng.
///
/// # Errors
/// There is no source at all.
pub fn stream(devices: &mut Devices, command_line: &str) -> Result<Random, NoEntropy> {
    const FW_CFG: &str = "opt/org.sekisho/seed";
    let words = command_line.split_ascii_whitespace();
    let given = words
        .filter_map(|word| word.strip_prefix("seed="))
        .next_back()
        .map(String::from);
    let given =
        given.or_else(|| fw_cfg::read(FW_CFG).and_then(|bytes| String::from_utf8(bytes).ok()));
    if let Some(seed) = given.and_then(|text| text.trim().parse().ok()) {
        console!("sekisho: fixed seed {seed}: this run repeats itself, and its secrets are known");
        return Ok(Random::repeated(seed));
    }
    from_processor()
        .or_else(|| from_device(devices))
        .map(Random::new)
        .ok_or(NoEntropy)
}

fn from_device(devices: &mut Devices) -> Option<[u8; 32]> {
    let mut device = VirtIORng::<Memory, _>::new(devices.rng.take()?).ok()?;
    let mut seed = [0; 32];
    let mut got = 0;
    while got < seed.len() {
        got += device
            .request_entropy(&mut seed[got..])
            .ok()
            .filter(|&more| more > 0)?;
    }
    Some(seed)
}

/// A seed from the processor: RDSEED, else RDRAND; `None` if it has neither, or they fail.
#[must_use]
pub fn from_processor() -> Option<[u8; 32]> {
    let seed_too = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 18 != 0;
    let rand_too = __cpuid(1).ecx & 1 << 30 != 0;
    let draw = || (seed_too.then(rdseed).flatten()).or_else(|| rand_too.then(rdrand).flatten());
    let mut seed = [0; 32];
    for chunk in seed.chunks_mut(8) {
        chunk.copy_from_slice(&draw()?.to_le_bytes());
    }
    Some(seed)
}

/// How often an instruction may fail before it counts as broken (Intel's advice is 10 for RDRAND).
const TRIES: u32 = 64;

fn rdrand() -> Option<u64> {
    (0..TRIES).find_map(|_| {
        let (word, ok): (u64, u8);
        // SAFETY: CPUID says that the instruction exists.
        unsafe {
            asm!("rdrand {}", "setc {}", out(reg) word, out(reg_byte) ok, options(nomem, nostack))
        }
        (ok == 1).then_some(word)
    })
}

fn rdseed() -> Option<u64> {
    (0..TRIES).find_map(|_| {
        let (word, ok): (u64, u8);
        // SAFETY: CPUID says that the instruction exists.
        unsafe {
            asm!("rdseed {}", "setc {}", out(reg) word, out(reg_byte) ok, options(nomem, nostack))
        }
        (ok == 1).then_some(word)
    })
}
