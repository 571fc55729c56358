//! Requirements that a frame on the wire can show, on the booted firewall: several share one machine.
//!
//! What must not pass is sent before a marker that does; what has not arrived before the marker never will. The frames
//! that one check has caused are looked at by that check alone.

/// Makes one test of several functions, which run on one machine, each after the frames of the one before have settled.
macro_rules! on_one_machine {
    ($($test:ident: $($check:ident),+;)+) => {$(
        #[test]
        fn $test() {
            let mut wire = crate::support::Wire::boot();
            $(
                println!("{}", stringify!($check));
                wire.settle();
                $check(&wire);
            )+
            wire.end();
        }
    )+};
}

mod attacks;
mod floods;
mod ftp;
mod icmp;
mod large_table;
mod routing;
mod support;
mod tcp;
mod udp;
