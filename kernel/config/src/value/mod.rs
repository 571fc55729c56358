//! The grammars of single values: each turns a string into its type or says
//! what is wrong with it, without knowing where it is written.
//!
//! Numbers have one spelling throughout: decimal digits without sign or leading zeros.

pub(crate) mod address;
pub(crate) mod duration;
pub(crate) mod mac;
pub(crate) mod name;
pub(crate) mod service;

use core::str::FromStr;

/// A decimal number in its one spelling.
fn decimal<N: FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let spelled_once = text == "0" || !text.starts_with('0');
    if plain && spelled_once {
        text.parse().ok()
    } else {
        None
    }
}
