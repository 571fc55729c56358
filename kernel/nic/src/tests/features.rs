//! What cards settle on together.

use super::fake::{ALL, BARE};
use crate::feature::*;
use crate::{Offer, max_parts, negotiate};

const TSO: u64 = GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN | HOST_TSO4 | HOST_TSO6 | HOST_ECN;
const GUEST: u64 = GUEST_CSUM | GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN;

fn settle(features: &[u64]) -> Vec<u64> {
    let offers: Vec<_> = features
        .iter()
        .map(|&features| Offer {
            features,
            transmit_size: 256,
        })
        .collect();
    negotiate(&offers, 8192)
        .iter()
        .map(|accepted| accepted.bits())
        .collect()
}

#[test]
fn two_full_cards_settle_on_everything() {
    assert_eq!(settle(&[ALL, ALL]), [ALL, ALL]);
}

#[test]
fn bare_cards_settle_on_the_version() {
    assert_eq!(settle(&[BARE, BARE]), [BARE, BARE]);
}

#[test]
fn nothing_unknown_is_ever_taken() {
    assert_eq!(settle(&[u64::MAX]), [ALL]);
}

#[test]
fn card_that_cannot_send_partial_checksums_spares_the_others_from_taking_them() {
    let poor = ALL & !CSUM;
    assert_eq!(settle(&[ALL, poor]), [ALL & !GUEST, poor & !TSO & !GUEST]);
}

#[test]
fn card_that_cannot_segment_one_kind_spares_the_others_from_taking_it() {
    let poor = ALL & !HOST_TSO6;
    assert_eq!(
        settle(&[ALL, poor, ALL]),
        [ALL & !GUEST_TSO6, poor & !GUEST_TSO6, ALL & !GUEST_TSO6]
    );
}

#[test]
fn ecn_is_taken_only_when_all_can_send_it() {
    let poor = ALL & !HOST_ECN;
    assert_eq!(settle(&[ALL, poor]), [ALL & !GUEST_ECN, poor & !GUEST_ECN]);
}

#[test]
fn card_without_mergeable_buffers_takes_no_large_frames() {
    let poor = ALL & !MRG_RXBUF;
    assert_eq!(
        settle(&[poor, ALL]),
        [poor & !(GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN), ALL]
    );
}

#[test]
fn large_frames_need_partial_checksums() {
    let poor = ALL & !GUEST_CSUM;
    assert_eq!(settle(&[poor, ALL]), [poor & !GUEST, ALL]);
}

#[test]
fn ecn_alone_means_nothing() {
    let poor = ALL & !(HOST_TSO4 | HOST_TSO6 | GUEST_TSO4 | GUEST_TSO6);
    assert_eq!(settle(&[poor]), [poor & !(HOST_ECN | GUEST_ECN)]);
}

#[test]
fn ring_too_short_for_a_large_frame_rules_them_out_for_all() {
    let long = Offer {
        features: ALL,
        transmit_size: 256,
    };
    // A large frame fits, but not beside the room for the box's own.
    let short = Offer {
        features: ALL,
        transmit_size: 35,
    };
    let settled = negotiate(&[long, short], 2048);
    assert_eq!(
        settled[0].bits(),
        ALL & !(GUEST_TSO4 | GUEST_TSO6 | GUEST_ECN)
    );
    assert_eq!(settled[1].bits(), ALL & !TSO);
    assert_eq!(negotiate(&[long, short], 8192)[1].bits(), ALL);
    assert_eq!((max_parts(2048), max_parts(8192)), (34, 10));
}

#[test]
fn what_one_takes_every_other_sends_for_all_offers() {
    let pairs = [
        (GUEST_CSUM, CSUM),
        (GUEST_TSO4, HOST_TSO4),
        (GUEST_TSO6, HOST_TSO6),
        (GUEST_ECN, HOST_ECN),
    ];
    let optional = [
        CSUM, GUEST_CSUM, GUEST_TSO4, HOST_TSO4, GUEST_ECN, HOST_ECN, MRG_RXBUF,
    ];
    let offer = |choice: usize| {
        let chosen = (0..7)
            .filter(|at| choice >> at & 1 != 0)
            .map(|at| optional[at]);
        chosen.fold(VERSION_1, |all, bit| all | bit)
    };
    for left in 0..128 {
        for right in 0..128 {
            let offers = [offer(left), offer(right)];
            let settled = settle(&offers);
            for (offered, settled) in offers.iter().zip(&settled) {
                assert_eq!(settled & !offered, 0);
            }
            for (guest, host) in pairs {
                let (taken, sent) = (settled[0] | settled[1], settled[0] & settled[1]);
                assert!(taken & guest == 0 || sent & host != 0);
            }
        }
    }
}
