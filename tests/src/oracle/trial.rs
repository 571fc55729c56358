//! Both routers side by side.

use std::collections::{BTreeMap, HashMap};

use super::Side;
use super::differences::{self, Difference};
use super::linux::Linux;
use super::ours::Ours;
use super::outcome::{Outcome, of_linux, of_ours};
use super::packet::{self, ICMP, TCP, UDP, word};
use super::recorded::{RECORDED, Recording};
use super::script::{Injection, Script};
use super::tcp::RST;

/// Frames in a round; each begins with fresh routers.
pub const ROUND: usize = 100_000;

/// Examples of each unexplained difference that are kept.
const SHOWN: usize = 4;

/// Where a trial's frames come from: conversations, each with a number.
pub trait Source {
    /// The next frame, if there is one.
    fn inject(&mut self) -> Option<Injection>;

    /// The ports that the routers drew for a conversation.
    fn outside(&self, talk: u64) -> [Option<u16>; 2];

    /// What the routers sent for a frame.
    fn heard(&mut self, injection: &Injection, sent: [&[(Side, Vec<u8>)]; 2]);

    /// Ends a conversation: its state may be another one in each router now.
    fn end(&mut self, talk: u64);
}

/// What a trial found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Frames that both got.
    pub frames: usize,
    /// Frames that both forwarded alike.
    pub forwarded: usize,
    /// Frames that each got with a port of its own.
    pub adapted: usize,
    /// How often each row of the list held.
    pub meant: BTreeMap<String, usize>,
    /// Differences that no row explains: how often, and the first few.
    pub unexplained: BTreeMap<String, (usize, Vec<String>)>,
}

/// Sends so many frames through both routers.
pub fn run(seed: u64, frames: usize) -> Findings {
    let rows = differences::read();
    let mut findings = Findings::default();
    let mut round = 0;
    while findings.frames < frames {
        let count = (frames - findings.frames).min(ROUND);
        let seed = seed ^ round << 32;
        one_round(seed, count, &mut Script::new(seed), &rows, &mut findings);
        round += 1;
    }
    findings
}

/// Plays a recording to both routers.
pub fn play(recording: &mut Recording) -> Findings {
    let mut findings = Findings::default();
    one_round(
        1,
        usize::MAX,
        recording,
        &differences::read(),
        &mut findings,
    );
    findings
}

fn one_round(
    seed: u64,
    frames: usize,
    script: &mut impl Source,
    rows: &[Difference],
    findings: &mut Findings,
) {
    let linux = Linux::new();
    let mut ours = Ours::new(seed);
    let mut history: HashMap<u64, Vec<String>> = HashMap::new();
    for _ in 0..frames {
        let Some(injection) = script.inject() else {
            return;
        };
        let side = injection.side;
        let did = ours.receive(side, &injection.frames[0]);
        let sent = linux.receive(side, &injection.frames[1]);
        script.heard(&injection, [&did.sent, &sent]);
        let outside = match names_no_drawn_port(&injection) {
            true => [None; 2],
            false => script.outside(injection.talk),
        };
        let mine = of_ours(side, &did, outside[0]);
        let its = of_linux(side, &sent, outside[1]);
        findings.frames += 1;
        findings.adapted += usize::from(injection.frames[0] != injection.frames[1]);
        let told = history.entry(injection.talk).or_default();
        told.push(format!(
            "{} {} ({}; {})",
            side.name(),
            sekisho_replay::describe::frame(&injection.frames[0]),
            mine.did,
            its.did
        ));
        if mine.packets == its.packets {
            findings.forwarded += usize::from(its.did == "forwarded");
            if leaves_doubt(&injection, &mine.did) {
                script.end(injection.talk);
            }
            continue;
        }
        findings.note(&injection, (&mine, &its), rows, told);
        script.end(injection.talk);
    }
}

/// A frame from outside that is the same for both names no port that each drew for itself, nor does what it brings about.
fn names_no_drawn_port(injection: &Injection) -> bool {
    let [ours, linux] = &injection.frames;
    injection.side == Side::Wan && ours == linux
}

/// Whether the two may have noted different things although they did the same, and both may be right.
///
/// netfilter notes what it then does not send on; ours does not. And what follows a segment out of turn depends on
/// what each remembers of it.
fn leaves_doubt(injection: &Injection, did: &str) -> bool {
    if injection.what == RECORDED {
        // Real hosts send what fits what they have seen, and go on as both routers know it.
        return false;
    }
    const UNSENT: [&str; 4] = ["ttl-exceeded", "too-big", "group-destination", "ip-options"];
    let frame = &injection.frames[0];
    let is_tcp = frame.get(23) == Some(&TCP);
    let flags = frame.get(47).copied().unwrap_or_default();
    let (is_reset, is_syn) = (flags & 4 != 0, flags & 2 != 0);
    // Even a SYN that both drop is remembered, for the answer that it may get.
    let out_of_turn = injection.what != "segment" && (did == "forwarded" || is_syn);
    is_tcp && (is_reset || out_of_turn) || UNSENT.iter().any(|unsent| did.starts_with(unsent))
}

impl Findings {
    fn note(
        &mut self,
        injection: &Injection,
        (mine, its): (&Outcome, &Outcome),
        rows: &[Difference],
        history: &[String],
    ) {
        let words = words(injection);
        let row = rows
            .iter()
            .find(|row| row.holds(&words, &mine.did, &its.did));
        match row {
            Some(row) => *self.meant.entry(row.why.clone()).or_default() += 1,
            None => {
                let key = format!("ours: {}, Linux: {}", mine.did, its.did);
                let first = || {
                    format!(
                        "{words:?}\n    {}\n  frame: {:02x?}\n  ours:  {:02x?}\n  Linux: {:02x?}",
                        history.join("\n    "),
                        injection.frames[0],
                        mine.packets,
                        its.packets
                    )
                };
                let entry = self.unexplained.entry(key).or_default();
                if entry.0 < SHOWN {
                    entry.1.push(first());
                }
                entry.0 += 1;
            }
        }
    }
}

/// What can be said of an ICMP error's quote.
fn quoted(body: &[u8], say: &mut impl FnMut(&str)) {
    if !matches!(body.first(), Some(3 | 4 | 5 | 11 | 12)) {
        return;
    }
    let quote = body.get(8..).unwrap_or_default();
    match quote.get(..20) {
        Some(header) if quote.len() >= 28 => {
            if packet::sum(&[header]) != 0xffff {
                say("damaged quote");
            }
            let mtu = word(body, 6);
            match quote[9] {
                TCP => say("quoted tcp"),
                ICMP if quote[21] != 0 => say("quoted code"),
                _ => {}
            }
            if body[..2] == [3, 4] && (mtu < 68 || mtu >= word(header, 2)) {
                say("impossible MTU");
            }
        }
        _ => say("short quote"),
    }
}

/// What can be said of a frame, for the list to choose by.
fn words(injection: &Injection) -> Vec<String> {
    let frame = &injection.frames[0];
    let mut words = vec![injection.what.to_owned(), injection.side.name().to_owned()];
    let mut say = |word: &str| words.push(word.to_owned());
    let Some(ip) = frame.get(14..).filter(|ip| ip.len() >= 20) else {
        return words;
    };
    let len = usize::from(ip[0] & 15) * 4;
    let body = ip.get(len..).unwrap_or_default();
    match ip[9] {
        ICMP => {
            say("icmp");
            if let Some(kind) = body.first() {
                say(&format!("icmp type {kind}"));
            }
            quoted(body, &mut say);
        }
        TCP => say("tcp"),
        UDP => say("udp"),
        _ => say("other protocol"),
    }
    if len > 20 {
        say("options");
    }
    if ip[8] <= 1 {
        say("ttl over");
    }
    if word(ip, 6) & 0x3fff != 0 {
        say("fragment");
    }
    let end = usize::from(word(ip, 2)).min(ip.len());
    let ends = (packet::address(ip, 12), packet::address(ip, 16));
    if let Some(body) = ip.get(len..end)
        && word(ip, 6) & 0x3fff == 0
        && !packet::is_complete(ip[9], ends, body)
    {
        say("wrong checksum");
    }
    if ip[9] == TCP && body.len() >= 20 {
        let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
        let set = names
            .iter()
            .enumerate()
            .filter(|(bit, _)| body[13] >> bit & 1 == 1);
        set.for_each(|(_, name)| say(name));
        if body[13] & RST != 0 && body.len() > usize::from(body[12] >> 4) * 4 {
            say("text");
        }
    }
    if matches!(ip[9], TCP | UDP) && body.len() >= 4 && (word(body, 0) == 0 || word(body, 2) == 0) {
        say("port 0");
    }
    words
}
