use super::*;
use std::vec::Vec;

const HOST: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 2);
const MAC: Mac = [2, 0, 0, 0, 0, 2];
const THIEF: Mac = [2, 0, 0, 0, 0, 66];

struct Segment {
    table: Neighbors,
    holds: Holds,
    asked: Vec<Question>,
    now: Instant,
}

impl Segment {
    fn new() -> Self {
        Self {
            table: Neighbors::new(7),
            holds: Holds::default(),
            asked: Vec::new(),
            now: Instant::default(),
        }
    }

    fn resolve(&mut self, address: Ipv4Addr) -> Resolution {
        let asked = &mut self.asked;
        self.table
            .resolve(zone(), address, self.now, &mut |question| {
                asked.push(question)
            })
    }

    fn heard(&mut self, mac: Mac) -> Result<(), DropReason> {
        let asked = &mut self.asked;
        self.table.heard(
            zone(),
            HOST,
            mac,
            self.now,
            &mut self.holds,
            &mut |question| asked.push(question),
        )
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now = self.now.after(Duration::from_secs(1));
            let asked = &mut self.asked;
            self.table.poll(self.now, &mut self.holds, &mut |question| {
                asked.push(question)
            });
        }
    }

    fn hold(&mut self, resolution: Resolution) -> Option<HoldSlot> {
        match resolution {
            Resolution::Asked(id) => self.table.hold(id, &mut self.holds),
            other => panic!("not asked: {other:?}"),
        }
    }
}

fn zone() -> ZoneId {
    ZoneId::new(1).expect("a zone")
}

fn question(owner: Option<Mac>) -> Question {
    Question {
        zone: zone(),
        address: HOST,
        owner,
    }
}

#[test]
fn an_unknown_neighbor_is_asked_once_and_its_frames_resume_in_order() {
    let mut segment = Segment::new();
    let first = segment.resolve(HOST);
    let second = segment.resolve(HOST);
    let slots = [segment.hold(first), segment.hold(second)].map(|slot| slot.expect("room"));
    assert_eq!(segment.asked, [question(None)]);

    segment.heard(MAC).expect("the answer is taken");
    assert_eq!(segment.holds.pop(), Some((slots[0], Fate::Resume)));
    assert_eq!(segment.holds.pop(), Some((slots[1], Fate::Resume)));
    assert!(matches!(segment.resolve(HOST), Resolution::Known(_, MAC)));
}

#[test]
fn a_silent_neighbor_is_asked_three_times_and_its_frames_are_given_up() {
    let mut segment = Segment::new();
    let asked = segment.resolve(HOST);
    let slot = segment.hold(asked).expect("room");
    segment.pass(3);
    assert_eq!(segment.asked, [question(None); 3]);
    assert_eq!(
        segment.holds.pop(),
        Some((slot, Fate::GiveUp(DropReason::NeighborUnreachable)))
    );
    assert_eq!(segment.table.unanswered, 0);
    assert_eq!(segment.table.free.len(), NEIGHBORS);
}

#[test]
fn a_thief_does_not_get_a_fresh_neighbors_address_while_its_owner_answers() {
    let mut segment = Segment::new();
    segment.resolve(HOST);
    segment.heard(MAC).expect("the answer is taken");
    assert_eq!(segment.heard(THIEF), Err(DropReason::ArpRefused));
    assert_eq!(segment.asked.last(), Some(&question(Some(MAC))));
    assert!(matches!(segment.resolve(HOST), Resolution::Known(_, MAC)));
    segment.heard(MAC).expect("the owner answers");
    assert!(matches!(segment.resolve(HOST), Resolution::Known(_, MAC)));
}

#[test]
fn a_neighbor_that_moved_is_found_again_once_its_old_card_is_silent() {
    let mut segment = Segment::new();
    segment.resolve(HOST);
    segment.heard(MAC).expect("the answer is taken");
    segment.heard(THIEF).expect_err("asks the owner first");
    segment.pass(3);
    assert!(matches!(segment.resolve(HOST), Resolution::Asked(_)));
    segment.heard(THIEF).expect("the answer is taken");
    assert!(matches!(segment.resolve(HOST), Resolution::Known(_, THIEF)));
}

#[test]
fn an_old_entry_is_probed_when_it_is_used_again() {
    let mut segment = Segment::new();
    segment.resolve(HOST);
    segment.heard(MAC).expect("the answer is taken");
    segment.pass(31);
    assert!(matches!(segment.resolve(HOST), Resolution::Known(_, MAC)));
    assert_eq!(segment.asked.last(), Some(&question(Some(MAC))));
    segment.heard(MAC).expect("the owner answers");
    let before = segment.asked.len();
    segment.resolve(HOST);
    assert_eq!(segment.asked.len(), before);
}

#[test]
fn unasked_claims_create_no_entry() {
    let mut segment = Segment::new();
    segment.heard(THIEF).expect("ignored");
    assert_eq!(segment.table.free.len(), NEIGHBORS);
}

#[test]
fn a_full_table_gives_up_answered_entries_but_never_waiting_ones() {
    let mut segment = Segment::new();
    for host in 0..NEIGHBORS as u32 + 50 {
        let address = Ipv4Addr::from_bits(0x0a63_0000 + host);
        segment.resolve(address);
        let (now, asked) = (segment.now, &mut segment.asked);
        let mut ask = |question| asked.push(question);
        let heard = segment
            .table
            .heard(zone(), address, MAC, now, &mut segment.holds, &mut ask);
        heard.expect("the answer is taken");
    }
    assert!(segment.table.free.is_empty());
    for host in 0..UNANSWERED as u32 {
        let address = Ipv4Addr::from_bits(0x0b00_0000 + host);
        assert!(matches!(segment.resolve(address), Resolution::Asked(_)));
    }
    assert_eq!(
        segment.resolve(Ipv4Addr::new(12, 0, 0, 1)),
        Resolution::Full
    );
}

#[test]
fn a_flushed_zone_gives_its_waiting_frames_up() {
    let mut segment = Segment::new();
    let asked = segment.resolve(HOST);
    let slot = segment.hold(asked).expect("room");
    segment.table.flush(zone(), &mut segment.holds);
    assert_eq!(
        segment.holds.pop(),
        Some((slot, Fate::GiveUp(DropReason::NeighborUnreachable)))
    );
    assert_eq!((segment.table.held, segment.table.unanswered), (0, 0));
}
