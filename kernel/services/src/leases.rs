//! Which client has which address: one place for each address that can be given out.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use sekisho_config::model::DhcpServer;
use sekisho_engine::Instant;

use crate::Mac;
use crate::message::ClientKey;

/// How long an offer is kept for its client.
const OFFER: Duration = Duration::from_secs(60);
/// How long an address is avoided after a client found it in use (RFC 2131 section 4.3.3).
const AVOIDED: Duration = Duration::from_secs(600);

/// The table of one zone.
#[derive(Debug)]
pub struct Leases {
    places: Vec<Place>,
    lease: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    address: Ipv4Addr,
    /// Only this client may have it.
    reserved: Option<Mac>,
    state: State,
    /// Who has it, or had it last.
    client: Option<ClientKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Offered(Instant),
    Bound(Instant),
    Avoided(Instant),
}

impl State {
    fn until(self) -> Instant {
        match self {
            Self::Free => Instant::default(),
            Self::Offered(until) | Self::Bound(until) | Self::Avoided(until) => until,
        }
    }

    fn is_over(self, now: Instant) -> bool {
        self.until() <= now
    }
}

/// A client as the table knows it.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its identity.
    pub key: ClientKey,
    /// Its Ethernet address, by which addresses are reserved.
    pub mac: Mac,
}

/// Why a client does not get an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not one of ours, or reserved for somebody else.
    NotYours,
    /// Somebody has it.
    Taken,
}

impl Leases {
    /// All addresses of a server's range and its reservations, free.
    #[must_use]
    pub fn new(server: &DhcpServer) -> Self {
        let range = u32::from(server.first)..=u32::from(server.last);
        let outside = server
            .reservations
            .iter()
            .map(|reservation| u32::from(reservation.address))
            .filter(|address| !range.contains(address));
        let mut addresses: Vec<u32> = range.clone().chain(outside).collect();
        addresses.sort_unstable();
        let place = |address: u32| {
            let address = Ipv4Addr::from(address);
            let mut reservations = server.reservations.iter();
            Place {
                address,
                reserved: reservations.find(|r| r.address == address).map(|r| r.mac),
                state: State::Free,
                client: None,
            }
        };
        Self {
            places: addresses.into_iter().map(place).collect(),
            lease: server.lease,
        }
    }

    /// Keeps an address for a client for a while: its own, the one that it asks for, or the next best.
    pub fn offer(
        &mut self,
        client: Client,
        wanted: Option<Ipv4Addr>,
        now: Instant,
    ) -> Option<Ipv4Addr> {
        let index = self.choose(client, wanted, now)?;
        let place = &mut self.places[index];
        if !matches!(place.state, State::Bound(until) if until > now) {
            place.state = State::Offered(now.after(OFFER));
        }
        place.client = Some(client.key);
        Some(place.address)
    }

    /// Gives an address to a client; says whether it was not its own before.
    ///
    /// # Errors
    /// It may not have this one.
    pub fn bind(
        &mut self,
        client: Client,
        address: Ipv4Addr,
        now: Instant,
    ) -> Result<bool, Refused> {
        let index = self.find(address).ok_or(Refused::NotYours)?;
        let elsewhere = self.reserved_for(client.mac);
        let lease = self.lease;
        let place = &mut self.places[index];
        if !place.is_for(client.mac) || elsewhere.is_some_and(|own| own != index) {
            return Err(Refused::NotYours);
        }
        if !place.is_open_to(client, now) {
            return Err(Refused::Taken);
        }
        let is_new = place.state.is_over(now) || !matches!(place.state, State::Bound(_));
        place.state = State::Bound(now.after(lease));
        place.client = Some(client.key);
        self.let_go_of_others(client.key, index);
        Ok(is_new)
    }

    /// A client gives its address back; it is remembered for it.
    pub fn release(&mut self, client: Client, address: Ipv4Addr) {
        if let Some(place) = self.held(client, address) {
            place.state = State::Free;
        }
    }

    /// A client found somebody else on the address that it was given.
    pub fn decline(&mut self, client: Client, address: Ipv4Addr, now: Instant) {
        if let Some(place) = self.held(client, address) {
            place.state = State::Avoided(now.after(AVOIDED));
            place.client = None;
        }
    }

    /// A client took another server's offer: ours need not be kept.
    pub fn withdraw(&mut self, client: Client) {
        for place in &mut self.places {
            if place.client == Some(client.key) && matches!(place.state, State::Offered(_)) {
                place.state = State::Free;
            }
        }
    }

    /// How many addresses are bound.
    #[must_use]
    pub fn bound(&self, now: Instant) -> usize {
        let is_bound =
            |place: &&Place| matches!(place.state, State::Bound(_)) && !place.state.is_over(now);
        self.places.iter().filter(is_bound).count()
    }

    /// The length of a lease.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    fn choose(&self, client: Client, wanted: Option<Ipv4Addr>, now: Instant) -> Option<usize> {
        let open = |index: &usize| {
            let place = &self.places[*index];
            place.is_for(client.mac) && place.is_open_to(client, now)
        };
        if let Some(own) = self.reserved_for(client.mac) {
            return Some(own).filter(open);
        }
        let known = self
            .places
            .iter()
            .position(|place| place.client == Some(client.key));
        let wanted = wanted.and_then(|address| self.find(address));
        known
            .filter(open)
            .or_else(|| wanted.filter(open))
            .or_else(|| self.next_best(client, now))
    }

    /// An address that nobody ever had, from a point that depends on the client; else the one longest unused.
    fn next_best(&self, client: Client, now: Instant) -> Option<usize> {
        let count = self.places.len();
        let start = (client.key.spread() % count.max(1) as u64) as usize;
        let open = |index: &usize| {
            let place = &self.places[*index];
            place.reserved.is_none() && place.is_open_to(client, now)
        };
        let order = (start..count).chain(0..start);
        let fresh = order
            .clone()
            .find(|index| open(index) && self.places[*index].client.is_none());
        fresh.or_else(|| {
            order
                .filter(open)
                .min_by_key(|index| self.places[*index].state.until())
        })
    }

    fn find(&self, address: Ipv4Addr) -> Option<usize> {
        self.places
            .binary_search_by_key(&address, |place| place.address)
            .ok()
    }

    fn reserved_for(&self, mac: Mac) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.reserved == Some(mac))
    }

    fn held(&mut self, client: Client, address: Ipv4Addr) -> Option<&mut Place> {
        let index = self.find(address)?;
        Some(&mut self.places[index]).filter(|place| place.client == Some(client.key))
    }

    /// One client, one address.
    fn let_go_of_others(&mut self, client: ClientKey, kept: usize) {
        for (index, place) in self.places.iter_mut().enumerate() {
            if index != kept && place.client == Some(client) {
                place.state = State::Free;
                place.client = None;
            }
        }
    }
}

impl Place {
    fn is_for(&self, mac: Mac) -> bool {
        self.reserved.is_none_or(|owner| owner == mac)
    }

    /// Whether nobody else has it now.
    fn is_open_to(&self, client: Client, now: Instant) -> bool {
        let own = self.client == Some(client.key) && !matches!(self.state, State::Avoided(_));
        // A reservation is by Ethernet address: the same card may call itself something else now.
        let own = own || self.reserved == Some(client.mac);
        own || self.state.is_over(now)
    }
}
