//! The machine's devices, driven from ring 3.

pub mod apic;
pub mod cards;
pub mod clock;
pub mod dma;
pub mod entropy;
pub mod fault;
pub mod fw_cfg;
pub mod heap;
pub mod logger;
pub mod memory;
pub mod mmio;
pub mod pci;
pub mod port;
pub mod power;
pub mod screen;
pub mod serial;
pub mod storage;
