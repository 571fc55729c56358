//! The target `dhcp_client` under the fuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sekisho_fuzz::dhcp_client::run(data));
