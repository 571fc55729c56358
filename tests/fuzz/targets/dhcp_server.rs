//! The target `dhcp_server` under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sekisho_fuzz::dhcp_server::run(data));
