//! `sekisho nat`

use std::path::PathBuf;
use std::process::ExitCode;

use sekisho_qemu::{NatBuilder, NatKind, Network, Symbols};

use crate::failure::Failure;
use crate::follow::{self, Events};
use crate::spec::{self, FORMS};
use crate::{kernel, plan};

/// What NAT, and between which networks.
#[derive(clap::Args)]
pub struct Arguments {
    /// How it behaves
    #[arg(long, default_value = "restricted-cone", long_help = KIND_HELP)]
    kind: NatKind,

    /// Where its random ports come from; the same seed gives the same ports again
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    seed: u64,

    /// The network inside
    #[arg(long, value_name = "SPEC", value_parser = spec::network, long_help = net_help("inside"))]
    inside: Network,

    /// The network outside
    #[arg(long, value_name = "SPEC", value_parser = spec::network, long_help = net_help("outside"))]
    outside: Network,

    /// Its address inside
    #[arg(long, value_name = "ADDRESS/LENGTH", default_value = "10.99.0.1/24")]
    inside_address: String,

    /// Its address outside, or dhcp
    #[arg(long, value_name = "ADDRESS/LENGTH", default_value = "192.0.2.1/24")]
    outside_address: String,

    /// The router outside by which everything else is reached
    #[arg(long, value_name = "ADDRESS")]
    gateway: Option<String>,

    /// Each mapping gets a random port, not the inside one where it is free
    #[arg(long)]
    random_ports: bool,

    /// Even ports get even ones, odd ports odd ones
    #[arg(long)]
    port_parity: bool,

    /// Hosts inside do not reach each other by their outside endpoints
    #[arg(long)]
    no_hairpin: bool,

    /// The kernel; by default the one that was built beside this program
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,

    /// Print the firewall's configuration and do nothing
    #[arg(long)]
    print_config: bool,
}

const KIND_HELP: &str = "How it behaves: full-cone, restricted-cone, port-restricted-cone or symmetric, as RFC 3489 \
    called them; linux, as netfilter does; or MAPPING/FILTERING, each of them endpoint-independent, address-dependent or \
    address-and-port-dependent, as RFC 4787 has it.";

fn net_help(side: &str) -> String {
    format!("The network {side}.\n\nSPEC is {FORMS}.")
}

impl Arguments {
    fn kind(&self) -> NatKind {
        let mut kind = self.kind;
        kind.behavior.port_preservation &= !self.random_ports;
        kind.behavior.port_parity |= self.port_parity;
        kind.behavior.hairpin &= !self.no_hairpin;
        kind
    }

    fn builder(&self, kernel: PathBuf) -> NatBuilder {
        let builder = NatBuilder::new(kernel, self.inside.clone(), self.outside.clone())
            .kind(self.kind())
            .seed(self.seed)
            .inside_address(&self.inside_address)
            .outside_address(&self.outside_address);
        match &self.gateway {
            Some(gateway) => builder.gateway(gateway),
            None => builder,
        }
    }
}

/// Boots the NAT and follows its console.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn nat(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if arguments.print_config {
        print!("{}", arguments.builder(PathBuf::new()).config());
        return Ok(ExitCode::SUCCESS);
    }
    let kernel = kernel::path(arguments.kernel.as_deref())?;
    plan::host_has(&arguments.inside)?;
    plan::host_has(&arguments.outside)?;
    let symbols = Symbols::load(&kernel).ok();
    let events = Events::catch()?;
    let nat = arguments.builder(kernel).start()?;
    follow::follow(nat.vm(), &events, symbols.as_ref())
}
