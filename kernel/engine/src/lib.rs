#![allow(missing_docs)]
#![no_std]
