//! Free ports on loopback.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{LabError, Result};

const LOWEST: u16 = 10_000;
/// Linux's default start of the ports it gives to outgoing connections.
const EPHEMERAL: u16 = 32_768;

/// Chooses `count` ports by binding them.
///
/// They lie below the range of outgoing connections: a node that is down for a while would otherwise find its port taken by
/// some client's end of a connection.
pub(crate) fn free_ports(count: usize) -> Result<Vec<u16>> {
    let end = ephemeral_start().unwrap_or(EPHEMERAL).max(LOWEST + 1_000);
    let width = u64::from(end - LOWEST);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.subsec_nanos());
    // Neighbouring test processes begin their search far apart.
    let start = u64::from(process::id())
        .wrapping_mul(7_919)
        .wrapping_add(u64::from(now / 1_000))
        % width;
    let mut held = Vec::with_capacity(count);
    for step in 0..width {
        if held.len() == count {
            break;
        }
        let port = LOWEST + u16::try_from((start + step) % width).unwrap_or(0);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
    }
    if held.len() < count {
        return Err(LabError::Specification {
            reason: format!("fewer than {count} ports are free on loopback"),
        });
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

fn ephemeral_start() -> Option<u16> {
    fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{Ipv4Addr, TcpListener};

    use super::free_ports;

    #[test]
    fn chosen_ports_differ_and_can_be_bound() {
        let ports = free_ports(12).unwrap();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 12);
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
