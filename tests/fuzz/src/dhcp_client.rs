//! A DHCP server's messages, and time, to the client of one zone.

use std::net::Ipv4Addr;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use sekisho_engine::Instant;
use sekisho_services::client::{Change, Client, Lease};
use sekisho_services::datagram::{self, LONGEST, Route, Trust};

const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);

/// What happens to the client.
#[derive(Arbitrary, Debug)]
enum Step {
    Message(Says),
    /// Bytes as a frame.
    Raw(Vec<u8>),
    /// Seconds, or hours.
    Time {
        amount: u8,
        hours: bool,
    },
    Cable(bool),
}

/// What a server says.
#[derive(Arbitrary, Debug)]
struct Says {
    /// Whether it answers the client's last question, or another one.
    transaction: Option<u32>,
    kind: u8,
    address: u8,
    mask: u8,
    router: u8,
    lease: u16,
    options: Vec<u8>,
    change: Option<(u16, u8)>,
}

struct Run {
    client: Client,
    now: Instant,
    asked: [u8; 4],
    leased: Option<Lease>,
}

/// A sequence of steps.
pub fn run(data: &[u8]) {
    let mut source = Unstructured::new(data);
    let mut run = Run {
        client: Client::new(MAC, 1500, 7),
        now: Instant::from_micros(1_000_000),
        asked: [0; 4],
        leased: None,
    };
    run.turn();
    for _ in 0..60 {
        let Ok(step) = Step::arbitrary(&mut source) else {
            break;
        };
        run.take(step);
        if source.is_empty() {
            break;
        }
    }
}

impl Run {
    fn take(&mut self, step: Step) {
        match step {
            Step::Message(says) => {
                let frame = self.frame(&says);
                self.receive(&frame);
            }
            Step::Raw(bytes) => self.receive(&bytes),
            Step::Time { amount, hours } => {
                let unit = if hours { 3600 } else { 1 };
                self.now = self
                    .now
                    .after(Duration::from_secs(u64::from(amount) * unit));
            }
            Step::Cable(up) => self.client.set_link(up, self.now),
        }
        self.turn();
    }

    /// The kernel hands on only what the services could read as a datagram.
    fn receive(&mut self, frame: &[u8]) {
        if datagram::read(frame, Trust::Verify).is_some() {
            self.client.receive(frame, self.now);
        }
    }

    fn turn(&mut self) {
        let mut turns = 0;
        while let Some(change) = self.client.poll(self.now) {
            match change {
                Change::Bound(lease) => {
                    checked(&lease);
                    self.leased = Some(lease);
                }
                Change::Lost => {
                    assert!(self.leased.take().is_some(), "lost what it never had");
                }
            }
            turns += 1;
            assert!(turns < 10, "changes without end");
        }
        assert_eq!(self.client.lease(), self.leased.as_ref());
        while let Some(frame) = self.client.outgoing() {
            self.sent(&frame);
        }
        let _ = self.client.deadline(self.now);
    }

    fn sent(&mut self, frame: &[u8]) {
        let (route, payload) = datagram::read(frame, Trust::Verify).expect("a datagram");
        assert_eq!((route.macs.0, route.ports), (MAC, (68, 67)));
        assert!(payload.len() >= 240 && payload[0] == 1);
        self.asked.copy_from_slice(&payload[4..8]);
    }

    fn frame(&self, says: &Says) -> Vec<u8> {
        let message = self.message(says);
        let route = Route {
            macs: ([2; 6], MAC),
            addresses: (SERVER, Ipv4Addr::BROADCAST),
            ports: (67, 68),
        };
        let mut frame = [0; LONGEST];
        let len = datagram::write(&mut frame, &route, message.len(), |payload| {
            payload.copy_from_slice(&message);
            Some(())
        });
        frame[..len.unwrap_or(0)].to_vec()
    }

    fn message(&self, says: &Says) -> Vec<u8> {
        let mut bytes = vec![2, 1, 6, 0];
        bytes.extend(says.transaction.map_or(self.asked, u32::to_be_bytes));
        bytes.extend([0; 8]);
        bytes.extend(named(says.address).octets());
        bytes.extend([0; 8]);
        bytes.extend(MAC);
        bytes.resize(236, 0);
        bytes.extend([
            99,
            130,
            83,
            99,
            53,
            1,
            [2, 5, 6, says.kind][usize::from(says.kind % 4)],
        ]);
        bytes.extend([54, 4]);
        bytes.extend(SERVER.octets());
        bytes.extend([1, 4]);
        let mask = u32::MAX.checked_shl(u32::from(says.mask % 34)).unwrap_or(0);
        bytes.extend(mask.to_be_bytes());
        bytes.extend([3, 4]);
        bytes.extend(named(says.router).octets());
        bytes.extend([51, 4]);
        bytes.extend((u32::from(says.lease) * 10).to_be_bytes());
        bytes.extend(&says.options[..says.options.len().min(800)]);
        bytes.push(255);
        if let Some((at, to)) = says.change {
            let at = usize::from(at) % bytes.len();
            bytes[at] = to;
        }
        bytes
    }
}

fn named(choice: u8) -> Ipv4Addr {
    match choice % 8 {
        0..=3 => Ipv4Addr::new(192, 0, 2, choice),
        4 => Ipv4Addr::new(127, 0, 0, choice),
        5 => Ipv4Addr::new(169, 254, choice, 1),
        6 => Ipv4Addr::new(224, 0, 0, choice),
        _ => Ipv4Addr::new(255, 255, 255, choice),
    }
}

/// A lease that the engine can live with.
fn checked(lease: &Lease) {
    let (net, host) = (lease.address, lease.address.addr());
    assert!(!host.is_unspecified() && !host.is_loopback(), "{lease:?}");
    assert!(!host.is_multicast() && !host.is_broadcast(), "{lease:?}");
    let is_edge = net.prefix_len() < 31 && (host == net.network() || host == net.broadcast());
    assert!(!is_edge, "{lease:?}");
    let gateway = lease.gateway;
    assert!(gateway.is_none_or(|gateway| net.contains(&gateway) && gateway != host));
}
