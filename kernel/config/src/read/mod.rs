//! One reader for each table of the language, from the parsed file to the model.
//!
//! A reader notes everything that is wrong and gives `None` for what cannot be
//! used: a configuration is only built where no reader found an error.

pub(crate) mod alg;
pub(crate) mod bounds;
pub(crate) mod dhcp;
pub(crate) mod forward;
pub(crate) mod nat;
pub(crate) mod outside;
pub(crate) mod route;
pub(crate) mod rule;
pub(crate) mod zone;
