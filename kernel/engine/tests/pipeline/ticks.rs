//! What the caller may spare itself: random words that nobody used, and polls that have nothing to say.

use std::time::Duration;

use crate::support::ip::{ping, syn, udp};
use crate::support::setup::masquerading;
use crate::support::world::{dmz, wan};

#[test]
fn a_random_word_is_used_by_a_new_flow_and_by_nothing_else() {
    let mut world = masquerading();
    let used = world.engine.drawn();
    world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    assert_eq!(world.engine.drawn(), used + 1);

    // The flow's further packets, answers, refused packets, and what the box itself answers.
    world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    world.pass(wan(), &udp("192.0.2.9:53", "203.0.113.1:40000", b"!"));
    world.refuse(wan(), &syn("192.0.2.9:1", "203.0.113.1:22"));
    world.refuse(wan(), &udp("192.0.2.9:53", "10.99.0.2:40000", b"!"));
    let _ = world.send(dmz(), &ping("10.99.0.2", "10.99.0.1", 7));
    let _ = world.pass_time(Duration::from_secs(400));
    assert_eq!(world.engine.drawn(), used + 1);

    world.pass(dmz(), &syn("10.99.0.2:5000", "192.0.2.9:443"));
    assert_eq!(world.engine.drawn(), used + 2);
}

#[test]
fn a_known_flows_packets_leave_nothing_for_poll_and_a_question_does() {
    let mut world = masquerading();
    world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    assert!(!world.engine.has_output());
    world.pass(dmz(), &udp("10.99.0.2:40000", "192.0.2.9:53", b"?"));
    assert!(!world.engine.has_output());

    // To a host on the segment whose card is not known: the engine asks.
    let mut frame = world.frame(dmz(), &udp("10.99.0.2:40000", "203.0.113.77:53", b"?"));
    let tick = world.tick();
    let mut whole = sekisho_engine::frame::Frame::whole(&mut frame);
    let verdict = world.engine.receive(dmz(), &mut whole, tick);
    assert!(matches!(verdict, sekisho_engine::Verdict::Held(_)));
    assert!(world.engine.has_output());
    while world.engine.poll(tick).is_some() {}
    assert!(!world.engine.has_output());
}
