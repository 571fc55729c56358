//! What is measured, and what it should be.
//!
//! * [`Metric`]: one number.
//! * [`Goal`]: what it is held against.

use sekisho_bench::engine::Scenario;

use crate::options::Board;

/// One number that a round gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// One TCP stream from the DMZ to the WAN.
    TcpOut,
    /// One TCP stream through a forward.
    TcpIn,
    /// Four TCP streams from the DMZ to the WAN.
    TcpOutFour,
    /// Four TCP streams through a forward.
    TcpInFour,
    /// QEMU's processor time for [`Metric::TcpOut`].
    TcpCpu,
    /// Small datagrams from the DMZ to the WAN.
    UdpOut,
    /// Small datagrams through a forward.
    UdpIn,
    /// QEMU's processor time for [`Metric::UdpOut`].
    UdpCpu,
    /// New connections through a forward.
    Connections,
    /// QEMU's processor time for one of them.
    ConnectionCpu,
    /// Median round trip through a forward.
    RttMedian,
    /// The round trip that one in a hundred exceeds.
    RttHigh,
    /// Median round trip while QEMU and both hosts share one processor.
    RttOnOne,
    /// QEMU's processor time when nothing happens.
    Idle,
    /// QEMU's processor time when a thousand datagrams a second come, each alone.
    Light,
    /// The first round trip after a second of silence.
    FirstAfterIdle,
    /// The most datagrams that it carries at any load.
    Peak,
    /// What is offered in the overload.
    Offered,
    /// Datagrams that it carries at three times the load that gave its best.
    Overload,
    /// The share of its best that this is.
    Kept,
    /// QEMU's processor time at the load that gave the best.
    PeakCpu,
    /// QEMU's processor time in the overload.
    OverloadCpu,
    /// From QEMU's start to the first forwarded frame.
    Boot(BootBoard),
    /// The least memory with which it forwards.
    Memory,
    /// Flows for which it has room in 16 MiB.
    FlowsSmall,
    /// Flows for which it has room in 256 MiB.
    FlowsLarge,
    /// What a flow takes, its share of all tables included.
    FlowBytes,
    /// Time that the engine alone takes for a packet.
    EngineTime(Scenario),
    /// Instructions that it takes.
    EngineInstructions(Scenario),
}

/// A machine to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootBoard {
    /// `-M q35`.
    Q35,
    /// `-M pc`.
    Pc,
    /// `-M pc` with qboot instead of SeaBIOS.
    Qboot,
    /// `-M microvm,acpi=off`.
    Microvm,
}

/// Which direction is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What a ratio is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The wire, in the same round.
    Wire,
    /// The Linux guest, in the same round.
    Linux,
    /// The same router with few rules.
    FewRules,
    /// Another build of the firewall, in the same round.
    Before,
}

impl Metric {
    /// What it is, for tables.
    pub fn title(self) -> &'static str {
        match self {
            Self::TcpOut => "TCP out, 1 stream",
            Self::TcpIn => "TCP in, 1 stream",
            Self::TcpOutFour => "TCP out, 4 streams",
            Self::TcpInFour => "TCP in, 4 streams",
            Self::TcpCpu => "host CPU per GB of TCP",
            Self::UdpOut => "UDP out, 18 bytes",
            Self::UdpIn => "UDP in, 18 bytes",
            Self::UdpCpu => "host CPU per datagram",
            Self::Connections => "new TCP connections",
            Self::ConnectionCpu => "host CPU per connection",
            Self::RttMedian => "round trip, median",
            Self::RttHigh => "round trip, p99",
            Self::RttOnOne => "round trip, median, on one processor",
            Self::Idle => "host CPU when idle",
            Self::Light => "host CPU at 1,000 datagrams/s",
            Self::FirstAfterIdle => "first round trip after idle",
            Self::Peak => "best goodput",
            Self::Offered => "offered in overload",
            Self::Overload => "goodput in overload",
            Self::Kept => "goodput in overload, share of the best",
            Self::PeakCpu => "host CPU at the best load",
            Self::OverloadCpu => "host CPU in overload",
            Self::Boot(BootBoard::Q35) => "start to first frame, q35",
            Self::Boot(BootBoard::Pc) => "start to first frame, pc",
            Self::Boot(BootBoard::Qboot) => "start to first frame, pc with qboot",
            Self::Boot(BootBoard::Microvm) => "start to first frame, microvm",
            Self::Memory => "least memory that forwards",
            Self::FlowsSmall => "room for flows in 16 MiB",
            Self::FlowsLarge => "room for flows in 256 MiB",
            Self::FlowBytes => "memory for a flow of a million",
            Self::EngineTime(scenario) | Self::EngineInstructions(scenario) => scenario.title(),
        }
    }

    /// In what.
    pub fn unit(self) -> &'static str {
        match self {
            Self::TcpOut | Self::TcpIn | Self::TcpOutFour | Self::TcpInFour => "Gbit/s",
            Self::TcpCpu => "s",
            Self::UdpOut | Self::UdpIn | Self::Peak | Self::Offered | Self::Overload => "kpps",
            Self::UdpCpu
            | Self::ConnectionCpu
            | Self::RttMedian
            | Self::RttHigh
            | Self::RttOnOne
            | Self::FirstAfterIdle => "µs",
            Self::Connections => "/s",
            Self::Idle | Self::Light | Self::Kept | Self::PeakCpu | Self::OverloadCpu => "%",
            Self::Boot(_) => "ms",
            Self::Memory => "MiB",
            Self::FlowsSmall | Self::FlowsLarge => "flows",
            Self::FlowBytes => "bytes",
            Self::EngineTime(_) => "ns",
            Self::EngineInstructions(_) => "instructions",
        }
    }

    /// The key in JSON.
    pub fn key(self) -> String {
        let key = match self {
            Self::TcpOut => "tcp_out",
            Self::TcpIn => "tcp_in",
            Self::TcpOutFour => "tcp_out_4",
            Self::TcpInFour => "tcp_in_4",
            Self::TcpCpu => "tcp_cpu_per_gb",
            Self::UdpOut => "udp_out",
            Self::UdpIn => "udp_in",
            Self::UdpCpu => "udp_cpu",
            Self::Connections => "connections",
            Self::ConnectionCpu => "connection_cpu",
            Self::RttMedian => "rtt_median",
            Self::RttHigh => "rtt_p99",
            Self::RttOnOne => "rtt_median_one_cpu",
            Self::Idle => "idle_cpu",
            Self::Light => "light_cpu",
            Self::FirstAfterIdle => "first_after_idle",
            Self::Peak => "peak",
            Self::Offered => "offered",
            Self::Overload => "overload",
            Self::Kept => "kept",
            Self::PeakCpu => "peak_cpu",
            Self::OverloadCpu => "overload_cpu",
            Self::Boot(BootBoard::Q35) => "boot_q35",
            Self::Boot(BootBoard::Pc) => "boot_pc",
            Self::Boot(BootBoard::Qboot) => "boot_qboot",
            Self::Boot(BootBoard::Microvm) => "boot_microvm",
            Self::Memory => "memory",
            Self::FlowsSmall => "flows_16_mib",
            Self::FlowsLarge => "flows_256_mib",
            Self::FlowBytes => "flow_bytes",
            Self::EngineTime(scenario) => return format!("engine_ns_{}", scenario.name()),
            Self::EngineInstructions(scenario) => {
                return format!("engine_instructions_{}", scenario.name());
            }
        };
        key.to_owned()
    }

    /// Which direction is good.
    pub fn better(self) -> Better {
        match self {
            Self::TcpOut
            | Self::TcpIn
            | Self::TcpOutFour
            | Self::TcpInFour
            | Self::UdpOut
            | Self::UdpIn
            | Self::Connections
            | Self::Peak
            | Self::Offered
            | Self::Overload
            // What QEMU does not get, the hosts took.
            | Self::PeakCpu
            | Self::OverloadCpu
            | Self::FlowsSmall
            | Self::FlowsLarge
            | Self::Kept => Better::Higher,
            Self::TcpCpu
            | Self::UdpCpu
            | Self::ConnectionCpu
            | Self::RttMedian
            | Self::RttHigh
            | Self::RttOnOne
            | Self::Idle
            | Self::Light
            | Self::FirstAfterIdle
            | Self::Boot(_)
            | Self::Memory
            | Self::FlowBytes
            | Self::EngineTime(_)
            | Self::EngineInstructions(_) => Better::Lower,
        }
    }

    /// What the ratio should be, where there is a goal.
    pub fn ratio_goal(self, against: Against) -> Option<f64> {
        match (against, self) {
            (Against::Wire, Self::TcpOut | Self::TcpIn | Self::TcpOutFour | Self::TcpInFour) => {
                Some(0.9)
            }
            (Against::Wire, Self::UdpOut | Self::UdpIn | Self::Connections) => Some(0.9),
            (Against::Wire, Self::RttMedian | Self::RttHigh | Self::RttOnOne) => Some(1.15),
            (Against::Wire, Self::TcpCpu | Self::UdpCpu) => Some(1.1),
            (Against::Linux, Self::TcpOut | Self::TcpIn | Self::TcpOutFour | Self::TcpInFour) => {
                Some(2.9)
            }
            (Against::Linux, Self::UdpOut | Self::UdpIn) => Some(3.0),
            (Against::Linux, Self::Connections) => Some(3.2),
            (Against::Linux, Self::RttMedian | Self::RttHigh | Self::TcpCpu | Self::UdpCpu) => {
                Some(0.3)
            }
            (Against::Linux, Self::Boot(_)) => Some(0.05),
            (Against::FewRules, Self::UdpCpu | Self::ConnectionCpu) => Some(1.05),
            (Against::FewRules, Self::UdpOut | Self::UdpIn | Self::Connections) => Some(0.95),
            (
                Against::FewRules,
                Self::EngineTime(
                    Scenario::Udp | Scenario::Tcp | Scenario::New | Scenario::Connection,
                )
                | Self::EngineInstructions(
                    Scenario::Udp | Scenario::Tcp | Scenario::New | Scenario::Connection,
                ),
            ) => Some(1.05),
            (Against::Wire | Against::Linux | Against::FewRules | Against::Before, _) => None,
        }
    }

    /// What the firewall's own number should be, where there is a goal.
    pub fn goal(self) -> Option<f64> {
        match self {
            Self::Idle => Some(1.0),
            Self::FirstAfterIdle => Some(1000.0),
            Self::Boot(BootBoard::Q35 | BootBoard::Pc) => Some(140.0),
            Self::Boot(BootBoard::Qboot) => Some(70.0),
            Self::Boot(BootBoard::Microvm) => Some(45.0),
            Self::Memory => Some(16.0),
            Self::Kept => Some(90.0),
            Self::FlowsSmall => Some(16_384.0),
            Self::FlowsLarge => Some(1_000_000.0),
            Self::FlowBytes => Some(160.0),
            Self::EngineTime(Scenario::Udp | Scenario::Tcp) => Some(50.0),
            Self::EngineTime(Scenario::Million) => Some(200.0),
            _ => None,
        }
    }

    /// Whether a number, or a ratio, is as good as its goal.
    pub fn meets(self, value: f64, goal: f64) -> bool {
        match self.better() {
            Better::Higher => value >= goal,
            Better::Lower => value <= goal,
        }
    }
}

impl BootBoard {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Q35, Self::Pc, Self::Qboot, Self::Microvm];

    /// The board.
    pub fn board(self) -> Board {
        match self {
            Self::Q35 => Board::Q35,
            Self::Pc | Self::Qboot => Board::Pc,
            Self::Microvm => Board::Microvm,
        }
    }
}

impl Against {
    /// For the head of a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Wire => "÷ wire",
            Self::Linux => "÷ Linux",
            Self::FewRules => "÷ 5 rules",
            Self::Before => "÷ before",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_from_its_good_side() {
        assert!(Metric::UdpOut.meets(0.91, 0.9) && !Metric::UdpOut.meets(0.89, 0.9));
        assert!(Metric::RttMedian.meets(1.1, 1.15) && !Metric::RttMedian.meets(1.2, 1.15));
    }
}
