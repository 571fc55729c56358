//! A NAT of a chosen kind, for tests of programs that have to live behind one.
//!
//! * [`NatKind`]: how it behaves; [`FromStr`] reads the names that people use.
//! * [`NatBuilder`]: the kind, the seed and the two networks; [`NatBuilder::start`] runs it.
//! * [`Nat`]: the running NAT. Dropping it ends it.
//!
//! ```no_run
//! use sekisho_qemu::{NatBuilder, Port};
//!
//! let (inside, outside) = (Port::new()?, Port::new()?);
//! let nat = NatBuilder::new("target/x86_64-unknown-linux-gnu/kernel/sekisho-kernel", inside.network(), outside.network())
//!     .kind("symmetric".parse().expect("a kind"))
//!     .seed(7)
//!     .start()?;
//! // Hosts in 10.99.0.0/24 behind `inside` reach hosts in 192.0.2.0/24 behind `outside`, as 192.0.2.1.
//! drop(nat);
//! # Ok::<(), sekisho_qemu::Error>(())
//! ```

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sekisho_config::model::{Behavior, Filtering, Mapping, Preset};
use tempfile::TempDir;

use crate::{ConfigSource, Error, Kind, Machine, Network, Nic, Vm};

/// The cards, inside and outside.
const CARDS: [[u8; 6]; 2] = [[0x52, 0x54, 0, 0, 0, 1], [0x52, 0x54, 0, 0, 0, 2]];

/// How long it may take until it forwards.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How a NAT behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatKind {
    /// Where idle times come from; netfilter's also let flows to different peers share a port.
    pub preset: Preset,
    /// Mapping, filtering, ports and hairpins.
    pub behavior: Behavior,
}

impl NatKind {
    /// Endpoint-independent mapping and filtering: who knows the outside port gets in (RFC 3489's full cone).
    pub const FULL_CONE: Self =
        Self::of(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    /// Endpoint-independent mapping, address-dependent filtering (RFC 3489's restricted cone).
    pub const RESTRICTED_CONE: Self =
        Self::of(Mapping::EndpointIndependent, Filtering::AddressDependent);
    /// Endpoint-independent mapping, address- and port-dependent filtering (RFC 3489's port restricted cone).
    pub const PORT_RESTRICTED_CONE: Self = Self::of(
        Mapping::EndpointIndependent,
        Filtering::AddressAndPortDependent,
    );
    /// Address- and port-dependent mapping and filtering (RFC 3489's symmetric NAT).
    pub const SYMMETRIC: Self = Self::of(
        Mapping::AddressAndPortDependent,
        Filtering::AddressAndPortDependent,
    );
    /// What netfilter does.
    pub const LINUX: Self = Self {
        preset: Preset::Linux,
        behavior: Preset::Linux.behavior(),
    };

    /// A pair of mapping and filtering, with everything else as the RFCs ask for it.
    pub const fn of(mapping: Mapping, filtering: Filtering) -> Self {
        Self {
            preset: Preset::Rfc,
            behavior: Behavior {
                mapping,
                filtering,
                ..Preset::Rfc.behavior()
            },
        }
    }

    /// The lines of `[nat]` that say this.
    fn lines(&self) -> String {
        let Self { preset, behavior } = self;
        format!(
            "preset = \"{}\"\nmapping = \"{}\"\nfiltering = \"{}\"\nport_preservation = {}\nport_parity = {}\nhairpin = {}\n",
            word_of(&Preset::WORDS, *preset),
            word_of(&Mapping::WORDS, behavior.mapping),
            word_of(&Filtering::WORDS, behavior.filtering),
            behavior.port_preservation,
            behavior.port_parity,
            behavior.hairpin,
        )
    }
}

/// The names that RFC 3489 gave, and others.
const NAMES: [(&str, NatKind); 5] = [
    ("full-cone", NatKind::FULL_CONE),
    ("restricted-cone", NatKind::RESTRICTED_CONE),
    ("port-restricted-cone", NatKind::PORT_RESTRICTED_CONE),
    ("symmetric", NatKind::SYMMETRIC),
    ("linux", NatKind::LINUX),
];

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    let found = words.iter().find(|(_, known)| *known == value);
    found.map_or("", |(word, _)| word)
}

/// A kind that there is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKind(String);

impl std::error::Error for UnknownKind {}

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
        let words: Vec<_> = Mapping::WORDS.iter().map(|(word, _)| *word).collect();
        write!(
            f,
            "there is no NAT `{}`; it is one of {}, or MAPPING/FILTERING, each of them one of {}",
            self.0,
            names.join(", "),
            words.join(", ")
        )
    }
}

/// `symmetric`, or `endpoint-independent/address-dependent`: mapping, then filtering.
impl FromStr for NatKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let unknown = || UnknownKind(text.to_owned());
        if let Some((_, kind)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(*kind);
        }
        let (mapping, filtering) = text.split_once('/').ok_or_else(unknown)?;
        let mapping = Mapping::WORDS.iter().find(|(word, _)| *word == mapping);
        let filtering = Filtering::WORDS.iter().find(|(word, _)| *word == filtering);
        match (mapping, filtering) {
            (Some((_, mapping)), Some((_, filtering))) => Ok(Self::of(*mapping, *filtering)),
            (None, _) | (_, None) => Err(unknown()),
        }
    }
}

/// A NAT that is not running yet.
#[derive(Clone, Debug)]
pub struct NatBuilder {
    kernel: PathBuf,
    networks: [Network; 2],
    kind: NatKind,
    seed: u64,
    inside_address: String,
    outside_address: String,
    gateway: Option<String>,
}

impl NatBuilder {
    /// A NAT between two networks: a restricted cone with seed 1, 10.99.0.1/24 inside and 192.0.2.1/24 outside.
    pub fn new(kernel: impl Into<PathBuf>, inside: Network, outside: Network) -> Self {
        Self {
            kernel: kernel.into(),
            networks: [inside, outside],
            kind: NatKind::RESTRICTED_CONE,
            seed: 1,
            inside_address: "10.99.0.1/24".into(),
            outside_address: "192.0.2.1/24".into(),
            gateway: None,
        }
    }

    /// How it behaves.
    #[must_use]
    pub fn kind(mut self, kind: NatKind) -> Self {
        self.kind = kind;
        self
    }

    /// Where its random ports come from: with the same seed and the same packets at the same times they are the same.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Its address inside with the network's prefix length, as `10.99.0.1/24`.
    #[must_use]
    pub fn inside_address(mut self, address: impl Into<String>) -> Self {
        self.inside_address = address.into();
        self
    }

    /// Its address outside, as `192.0.2.1/24`; or `dhcp`.
    #[must_use]
    pub fn outside_address(mut self, address: impl Into<String>) -> Self {
        self.outside_address = address.into();
        self
    }

    /// The router outside by which everything else is reached.
    #[must_use]
    pub fn gateway(mut self, gateway: impl Into<String>) -> Self {
        self.gateway = Some(gateway.into());
        self
    }

    /// The firewall's configuration that makes it this NAT.
    pub fn config(&self) -> String {
        let [inside_card, outside_card] = CARDS.map(crate::mac_text);
        let gateway = self.gateway.iter();
        let gateway: String = gateway.map(|g| format!("gateway = \"{g}\"\n")).collect();
        format!(
            "version = 1\n\
             rule = [{{ name = \"out\", from = \"inside\", to = \"outside\", action = \"accept\" }}]\n\
             [zone.inside]\ncard = \"{inside_card}\"\naddress = \"{}\"\n\
             [zone.outside]\ncard = \"{outside_card}\"\naddress = \"{}\"\n{gateway}allow_private_sources = true\n\
             [nat]\nmasquerade = [{{ from = \"inside\", to = \"outside\" }}]\n{}",
            self.inside_address,
            self.outside_address,
            self.kind.lines()
        )
    }

    /// The machine that it runs on, without its configuration.
    pub fn machine(&self) -> Machine {
        let board = Machine::new(&self.kernel)
            .kind(Kind::MicrovmAcpi)
            .memory_mib(32)
            .exit_on_panic()
            .seed(self.seed);
        let cards = CARDS.into_iter().zip(self.networks.clone());
        cards.fold(board, |board, (mac, network)| {
            board.nic(Nic::new(mac, network))
        })
    }

    /// Starts it and waits until it forwards; with an address from DHCP, until it asks for one.
    ///
    /// # Errors
    /// An address that cannot be, or whatever keeps the machine from starting.
    pub fn start(&self) -> Result<Nat, Error> {
        let config = self.config();
        sekisho_config::parse(config.as_bytes())
            .map_err(|report| Error::Config(report.to_string()))?;
        let folder = tempfile::Builder::new()
            .prefix("sekisho-nat-")
            .tempdir()
            .map_err(Error::system("making a temporary folder"))?;
        let path = folder.path().join("sekisho.toml");
        fs::write(&path, config).map_err(Error::system("writing the configuration"))?;
        let vm = self.machine().config(ConfigSource::Module(path)).start()?;
        vm.wait_for(|line| line.starts_with("sekisho: ready after"), READY_LIMIT)?;
        Ok(Nat {
            vm,
            _folder: folder,
        })
    }
}

/// A running NAT. Dropping it ends it.
pub struct Nat {
    vm: Vm,
    _folder: TempDir,
}

impl Nat {
    /// The machine that it runs on.
    pub fn vm(&self) -> &Vm {
        &self.vm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> NatBuilder {
        let user = Network::User { forwards: vec![] };
        NatBuilder::new("kernel", user.clone(), user)
    }

    #[test]
    fn every_kind_is_a_configuration_that_behaves_like_it() {
        let pairs = Mapping::WORDS.into_iter().flat_map(|(mapping, _)| {
            Filtering::WORDS.map(|(filtering, _)| format!("{mapping}/{filtering}"))
        });
        let names = NAMES.map(|(name, _)| name.to_owned());
        for name in pairs.chain(names) {
            let kind: NatKind = name.parse().expect("a kind");
            let text = builder().kind(kind).config();
            let config = sekisho_config::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(config.nat.masquerade[0].behavior, kind.behavior, "{name}");
            assert_eq!(config.nat.preset, kind.preset, "{name}");
            assert_eq!(config.nat.port_overlapping, name == "linux", "{name}");
        }
    }

    #[test]
    fn a_pair_says_mapping_first() {
        let kind: NatKind = "endpoint-independent/address-and-port-dependent"
            .parse()
            .expect("a kind");
        assert_eq!(kind, NatKind::PORT_RESTRICTED_CONE);
    }

    #[test]
    fn unknown_kinds_are_refused_with_those_there_are() {
        for text in [
            "cone",
            "",
            "endpoint-independent",
            "symmetric/symmetric",
            "/",
        ] {
            let error = text.parse::<NatKind>().expect_err("no kind").to_string();
            assert!(
                error.contains("one of full-cone, restricted-cone"),
                "{error}"
            );
        }
    }

    #[test]
    fn an_address_that_cannot_be_is_refused_before_anything_starts() {
        let error = builder().outside_address("10.99.0.7/24").start().err();
        let error = error.expect("the networks overlap").to_string();
        assert!(error.contains("overlaps"), "{error}");
    }

    #[test]
    fn seed_and_cards_reach_the_machine() {
        let command = builder().seed(7).machine().command();
        let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
        assert!(
            words.iter().any(|word| word.contains("seed=7")),
            "{words:?}"
        );
        assert!(
            words.iter().any(|word| word.contains("52:54:00:00:00:02")),
            "{words:?}"
        );
    }
}
