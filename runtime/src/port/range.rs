//! The ports that an allocator may hand out.
//!
//! Parsing is done by functions of texts; only [`PortRange::of_machine`] reads files. A range that
//! somebody wrote down, in `PORT_TEST_RANGE` or in the builder, is taken as it stands. Only the
//! default leaves out what the kernel or the services database has reserved, since nobody chose it.

use std::fs;
use std::ops::RangeInclusive;

use super::error::RangeError;

pub(super) const VARIABLE: &str = "PORT_TEST_RANGE";

/// Fewer ports than this are not worth calling a range: a few hundred tests at once with a
/// handful of ports each would wait for one another.
pub(super) const ENOUGH: usize = 1000;

/// The ports of an allocator, ascending.
///
/// Invariant: never empty, and never has port 0, which would ask the kernel to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PortRange {
    ports: Box<[u16]>,
}

impl PortRange {
    /// What the builder was given.
    pub(super) fn of_builder(range: &RangeInclusive<u16>) -> Result<Self, RangeError> {
        between(*range.start(), *range.end())
            .map_err(|problem| RangeError::in_builder(format!("{range:?}"), problem))
    }

    /// What `PORT_TEST_RANGE` says: `20000-29999`, or one port.
    pub(super) fn of_variable(text: &str) -> Result<Self, RangeError> {
        parse(text).map_err(|problem| RangeError::in_variable(text, problem))
    }

    /// The default: what this machine does not use by itself.
    pub(super) fn of_machine(ci: bool) -> Result<Self, RangeError> {
        // A file that cannot be read is taken for an absent one: every choice is a safe one,
        // because the kernel never hands out a guarded port; a good one only saves probes.
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let ephemeral = parse_ephemeral(&read("/proc/sys/net/ipv4/ip_local_port_range"));
        let mut taken = parse_reserved(&read("/proc/sys/net/ipv4/ip_local_reserved_ports"));
        if !ci {
            // A developer's database may be down now and started while the tests run. In CI,
            // where nobody works beside the tests, all ports are welcome.
            taken.extend(parse_services(&read("/etc/services")));
        }
        default_range(ephemeral.unwrap_or(EPHEMERAL), &taken)
    }

    /// What a default range may look like.
    #[cfg(test)]
    pub(super) fn of_ports(ports: impl IntoIterator<Item = u16>) -> Self {
        PortRange {
            ports: ports.into_iter().collect(),
        }
    }

    pub(super) fn len(&self) -> u32 {
        self.ports.len() as u32
    }

    pub(super) fn first(&self) -> u16 {
        self.ports[0]
    }

    pub(super) fn last(&self) -> u16 {
        self.ports[self.ports.len() - 1]
    }

    /// The port at a place of the [`Cursor`](super::cursor::Cursor).
    pub(super) fn port(&self, place: u32) -> u16 {
        self.ports[place as usize]
    }

    /// The place of a port, if it is in the range.
    pub(super) fn place(&self, port: u16) -> Option<u32> {
        self.ports.binary_search(&port).ok().map(|n| n as u32)
    }

    /// For messages: `20000-29999`, or one number.
    pub(super) fn text(&self) -> String {
        match (self.first(), self.last()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        }
    }
}

/// Some ports. Not a `HashSet`, which would be asked for each of 20,000 ports at the start of every test
/// process, and takes tens of milliseconds for them in a debug build.
#[derive(Debug, PartialEq, Eq)]
struct PortSet(Box<[bool]>);

impl PortSet {
    fn new() -> Self {
        Self(vec![false; 65_536].into())
    }

    fn contains(&self, port: u16) -> bool {
        self.0[usize::from(port)]
    }
}

impl Extend<u16> for PortSet {
    fn extend<I: IntoIterator<Item = u16>>(&mut self, ports: I) {
        for port in ports {
            self.0[usize::from(port)] = true;
        }
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut set = Self::new();
        set.extend(ports);
        set
    }
}

/// What the kernel hands out by itself, where it does not say: Linux's default, and elsewhere
/// what IANA recommends and macOS, Windows and the BSDs use.
const EPHEMERAL: (u16, u16) = if cfg!(target_os = "linux") {
    (32_768, 60_999)
} else {
    (49_152, 65_535)
};

fn parse(text: &str) -> Result<PortRange, String> {
    let number = |text: &str| {
        let text = text.trim();
        text.parse::<u16>().map_err(|_| match text {
            "" => "a port number is missing".to_owned(),
            _ => format!("{text:?} is not a port number from 1 to 65535"),
        })
    };
    match text.split_once('-') {
        _ if text.trim().is_empty() => Err("it is empty".to_owned()),
        Some((first, last)) => between(number(first)?, number(last)?),
        None => number(text).and_then(|port| between(port, port)),
    }
}

fn between(first: u16, last: u16) -> Result<PortRange, String> {
    if first == 0 {
        return Err("port 0 stands for a port that the kernel chooses".to_owned());
    }
    if first > last {
        return Err(format!("its first port {first} is above its last, {last}"));
    }
    Ok(PortRange {
        ports: (first..=last).collect(),
    })
}

/// `ip_local_port_range`: two numbers.
fn parse_ephemeral(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (Some(Ok(low)), Some(Ok(high)), None) = (numbers.next(), numbers.next(), numbers.next())
    else {
        return None;
    };
    Some((low, high))
}

/// `ip_local_reserved_ports`: `8080,9148,30000-30010`, often empty.
fn parse_reserved(text: &str) -> PortSet {
    text.trim()
        .split(',')
        .filter_map(|part| parse(part).ok())
        .flat_map(|range| range.ports)
        .collect()
}

/// The services database: `name port/protocol aliases # comment`, one a line.
fn parse_services(text: &str) -> impl Iterator<Item = u16> + '_ {
    text.lines().filter_map(|line| {
        let line = line.split('#').next()?;
        let (port, _protocol) = line.split_whitespace().nth(1)?.split_once('/')?;
        port.parse().ok()
    })
}

fn default_range(ephemeral: (u16, u16), taken: &PortSet) -> Result<PortRange, RangeError> {
    // Bounds in u32: `low - 1` and `high + 1` may leave the 16 bits.
    let free = |first: u32, last: u32| -> Box<[u16]> {
        (first..=last.min(65_535))
            .map(|port| port as u16)
            .filter(|port| !taken.contains(*port))
            .collect()
    };
    let (low, high) = (u32::from(ephemeral.0), u32::from(ephemeral.1));

    // From 10000: below are the well-known ports of half of all servers.
    let mut ports = free(10_000, low.saturating_sub(1));
    if ports.len() < ENOUGH {
        let below = free(1024, low.saturating_sub(1));
        let above = free((high + 1).max(1024), 65_535);
        ports = if above.len() > below.len() {
            above
        } else {
            below
        };
    }
    if ports.len() < ENOUGH {
        // Overlaps the ephemeral range, which costs probes and nothing else: measured, bind(0)
        // and connect() never choose a guarded port.
        ports = free(10_000, 65_535);
    }
    if ports.is_empty() {
        return Err(RangeError::of_machine(
            "every port from 10000 to 65535 is reserved",
        ));
    }
    Ok(PortRange { ports })
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> PortSet {
        PortSet::new()
    }

    #[test]
    fn well_formed_texts() {
        for (text, first, last, length) in [
            ("20000-29999", 20_000, 29_999, 10_000),
            ("20000", 20_000, 20_000, 1),
            (" 20000 - 20001\n", 20_000, 20_001, 2),
            ("1-65535", 1, 65_535, 65_535),
            ("65535", 65_535, 65_535, 1),
            ("5-5", 5, 5, 1),
        ] {
            let range = PortRange::of_variable(text).expect(text);
            assert_eq!((range.first(), range.last()), (first, last), "{text}");
            assert_eq!(range.len(), length, "{text}");
            assert_eq!(range.port(length - 1), last, "{text}");
        }
    }

    #[test]
    fn malformed_texts_are_named_with_the_variable() {
        for text in [
            "",
            " ",
            "-",
            "0",
            "0-100",
            "20000-",
            "-20000",
            "20001-20000",
            "65536",
            "60000-65536",
            "20000-20001-20002",
            "20000..20001",
            "many",
            "20000-many",
            "\u{fffd}",
        ] {
            let error = PortRange::of_variable(text).expect_err(text).to_string();
            assert!(error.contains("PORT_TEST_RANGE"), "{error}");
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "the mistake under test")]
    fn the_builder_is_named_with_its_argument() {
        for range in [0..=5, 7..=6] {
            let error = PortRange::of_builder(&range).expect_err("malformed");
            let error = error.to_string();
            assert!(error.contains(&format!("{range:?}")), "{error}");
            assert!(error.contains("range("), "{error}");
            assert!(!error.contains("PORT_TEST_RANGE"), "{error}");
        }
    }

    #[test]
    fn places_and_ports_are_inverse() {
        let range = default_range((32_768, 60_999), &[10_001].into_iter().collect()).expect("free");
        for place in 0..range.len() {
            assert_eq!(range.place(range.port(place)), Some(place));
        }
        assert_eq!(range.place(10_001), None);
        assert_eq!(range.text(), "10000-32767");
    }

    #[test]
    fn default_lies_below_the_ephemeral_range() {
        for (ephemeral, first, last) in [
            ((32_768, 60_999), 10_000, 32_767),
            ((49_152, 65_535), 10_000, 49_151),
            ((11_000, 65_535), 10_000, 10_999),
            // Too few from 10000: all below, or all above, whichever are more.
            ((10_999, 65_535), 1024, 10_998),
            ((10_240, 60_000), 1024, 10_239),
            ((1025, 60_000), 60_001, 65_535),
            // Too few everywhere: overlap.
            ((1024, 65_535), 10_000, 65_535),
            ((1, 65_000), 10_000, 65_535),
            // No privileged ports above either.
            ((1, 1), 1024, 65_535),
        ] {
            let range = default_range(ephemeral, &none()).expect("free ports");
            assert_eq!(
                (range.first(), range.last()),
                (first, last),
                "{ephemeral:?}"
            );
            assert_eq!(range.len(), u32::from(last - first) + 1);
        }
    }

    #[test]
    fn default_leaves_out_what_is_reserved() {
        let mut taken = parse_reserved("10000,10002-10004,32767\n");
        taken.extend(parse_services(
            "# comment\nwebmin 10010/tcp # 10011/tcp\nbad line\nnoport x/tcp\n\nz 10012/udp alias\n",
        ));
        let range = default_range((32_768, 60_999), &taken).expect("free ports");
        assert_eq!((range.first(), range.last()), (10_001, 32_766));
        assert_eq!(range.len(), 22_768 - 7);
        for port in [10_000, 10_002, 10_003, 10_004, 10_010, 10_012, 32_767] {
            assert_eq!(range.place(port), None, "{port}");
        }
        assert!(range.place(10_011).is_some());
    }

    #[test]
    fn an_explicit_range_is_taken_as_it_stands() {
        // 10010 is Webmin's in some services databases; whoever names it gets it.
        let range = PortRange::of_variable("10010-10012").expect("well-formed");
        assert_eq!(range.len(), 3);
    }

    #[test]
    fn everything_reserved_is_an_error() {
        let error = default_range((32_768, 60_999), &(1..=65_535).collect()).expect_err("no port");
        assert!(error.to_string().contains("PORT_TEST_RANGE"), "{error}");
    }

    #[test]
    fn kernel_files() {
        assert_eq!(parse_ephemeral("32768\t60999\n"), Some((32_768, 60_999)));
        for text in ["", "32768", "1 2 3", "low high", "1 70000"] {
            assert_eq!(parse_ephemeral(text), None, "{text:?}");
        }
        assert_eq!(parse_reserved("\n"), none());
    }

    #[test]
    fn this_machine_has_a_range() {
        for ci in [false, true] {
            assert!(PortRange::of_machine(ci).expect("some port").len() > 0);
        }
    }
}
