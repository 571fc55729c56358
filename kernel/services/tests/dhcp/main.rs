//! DHCP end to end: a server against hand-made clients, and our client against our server.

mod client;
mod hosts;
mod server;
