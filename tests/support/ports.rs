//! Ports for servers that a test starts itself and may restart on the same port.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A loopback port on which nothing listens. This process never returns it twice.
///
/// It is below the ephemeral range, so that no outgoing connection takes it while its server is down.
pub(crate) fn free() -> u16 {
    const FIRST: u32 = 22_000;
    const COUNT: u32 = 10_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);

    for _ in 0..COUNT {
        let nth = TAKEN.fetch_add(1, Ordering::Relaxed);
        let spread = process::id().wrapping_mul(97).wrapping_add(nth) % COUNT;
        let port = u16::try_from(FIRST + spread).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port from {FIRST} on");
}
