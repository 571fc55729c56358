//! A small TCP/IP host in this process, on smoltcp.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};

use super::cable::Cable;
use super::host::{Connected, Identity, Server};
use super::web;

/// Requests that can be answered at the same time.
const SERVERS: usize = 8;

/// Room for what a browser sends, and for the page.
const BUFFER: usize = 8192;

/// Ports for connections and datagrams that go out.
const OWN_PORTS: std::ops::Range<u16> = 49152..65535;

/// Interface, sockets and cable of one host.
pub struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    servers: Vec<SocketHandle>,
    datagrams: SocketHandle,
    next_port: u16,
    /// Its cable, for frames as they are.
    pub cable: Cable,
}

impl Stack {
    /// A host on `cable`.
    pub fn new(mut cable: Cable, identity: Identity, server: Server) -> Self {
        let mut config = Config::new(EthernetAddress(identity.mac).into());
        config.random_seed = u64::from(identity.address.to_bits());
        let mut interface = Interface::new(config, &mut cable, Instant::now());
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(IpAddress::Ipv4(identity.address), 24);
            addresses.push(own).expect("room for a first address");
        });
        interface
            .routes_mut()
            .add_default_ipv4_route(identity.gateway)
            .expect("room for a first route");

        let mut sockets = SocketSet::new(Vec::new());
        let servers = match server {
            Server::Web => (0..SERVERS).map(|_| sockets.add(tcp_socket())).collect(),
            Server::None => Vec::new(),
        };
        let mut datagrams = udp_socket();
        datagrams.bind(OWN_PORTS.end).expect("a fresh socket");
        Self {
            datagrams: sockets.add(datagrams),
            interface,
            sockets,
            servers,
            next_port: OWN_PORTS.start,
            cable,
        }
    }

    /// Waits for frames no longer than `limit`, and does what they and the clock ask for.
    pub fn step(&mut self, limit: Duration) {
        let delay = self.interface.poll_delay(Instant::now(), &self.sockets);
        self.cable
            .wait(delay.map_or(limit, |delay| limit.min(delay.into())));
        self.poll();
        for server in &self.servers {
            serve(self.sockets.get_mut(*server));
        }
        self.poll();
    }

    fn poll(&mut self) {
        self.interface
            .poll(Instant::now(), &mut self.cable, &mut self.sockets);
    }

    /// Begins a connection.
    pub fn connect(&mut self, to: SocketAddrV4) -> SocketHandle {
        let port = self.next_port;
        self.next_port = port.saturating_add(1).min(OWN_PORTS.end - 1);
        let mut socket = tcp_socket();
        socket
            .connect(self.interface.context(), (*to.ip(), to.port()), port)
            .expect("a fresh socket and real addresses");
        self.sockets.add(socket)
    }

    /// What became of a connection, once that is known.
    pub fn outcome(&self, socket: SocketHandle) -> Option<Connected> {
        match self.sockets.get::<tcp::Socket>(socket).state() {
            tcp::State::SynSent => None,
            tcp::State::Closed => Some(Connected::Refused),
            _ => Some(Connected::Yes),
        }
    }

    /// Ends a connection with a reset.
    pub fn forget(&mut self, socket: SocketHandle) {
        self.sockets.get_mut::<tcp::Socket>(socket).abort();
        self.poll();
        self.sockets.remove(socket);
    }

    /// Sends one datagram.
    pub fn send_datagram(&mut self, to: SocketAddrV4, payload: &[u8]) {
        let socket = self.sockets.get_mut::<udp::Socket>(self.datagrams);
        // A full buffer loses it, as a network may.
        let _ = socket.send_slice(payload, (*to.ip(), to.port()));
        self.poll();
    }
}

fn tcp_socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    // A peer that is gone must not keep its socket for ever.
    socket.set_timeout(Some(Duration::from_secs(20).into()));
    socket
}

fn udp_socket() -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; BUFFER]);
    udp::Socket::new(buffer(), buffer())
}

/// One round of a server's life: listen, read, answer, close.
fn serve(socket: &mut tcp::Socket<'_>) {
    if !socket.is_open() {
        socket.listen(80).expect("a closed socket and a real port");
    }
    let Some(from) = socket.remote_endpoint() else {
        return;
    };
    let from = SocketAddr::new(IpAddr::from(from.addr), from.port);
    if socket.can_recv() && socket.may_send() {
        let answer = socket.recv(|request| {
            let done = web::complete(request);
            let answer = done.then(|| web::answer(request, from));
            (if done { request.len() } else { 0 }, answer)
        });
        if let Ok(Some(answer)) = answer {
            // The buffer is empty and longer than the page.
            let _ = socket.send_slice(&answer);
            socket.close();
        }
    } else if socket.state() == tcp::State::CloseWait {
        // It went without a whole request.
        socket.close();
    }
}
