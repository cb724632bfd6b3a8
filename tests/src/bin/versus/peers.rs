//! The peers' rows. Each library is called as its documentation says; one that has several sensible
//! uses has several rows.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;

use openport::PortReservation;
use port_selector::Selector;
use port_test::BoxError;
use random_port::{PortPicker, Protocol};
use reserve_port::ReservedPort;
use tpt_port_scout::PortSet;

use super::contender::{Contender, Held, Looks, Part, Scene};

/// What a peer leaves with the caller.
pub(crate) enum Kept {
    /// Off limits for this library in this process.
    Reserved(ReservedPort),
    ReservedListener(ReservedPort, TcpListener),
    Set(PortSet),
    Booked(Booked),
}

impl Kept {
    pub(crate) fn port(&self) -> u16 {
        match self {
            Kept::Reserved(port) | Kept::ReservedListener(port, _) => port.port(),
            Kept::Set(ports) => ports.port(0),
            Kept::Booked(booked) => booked.port,
        }
    }

    /// A listener is closed, because the server is to listen; a reservation stays.
    pub(crate) fn make_way(self) -> Option<Self> {
        match self {
            Kept::Reserved(_) | Kept::Booked(_) => Some(self),
            Kept::ReservedListener(port, listener) => {
                drop(listener);
                Some(Kept::Reserved(port))
            }
            Kept::Set(_) => None,
        }
    }
}

/// A port of openport's reservations.
pub(crate) struct Booked {
    book: &'static PortReservation,
    port: u16,
}

impl Drop for Booked {
    fn drop(&mut self) {
        self.book.release_port(self.port);
    }
}

/// Of portpicker, and of openport's examples.
const FIFTEEN_TO_TWENTY_FIVE: Looks = Looks::Fixed(15_000..=24_999);
/// Of reserve-port, which leaves out its last port.
const EIGHT_TO_SIXTEEN: Looks = Looks::Fixed(8_000..=15_998);

pub(crate) fn rows() -> Vec<Contender> {
    vec![
        number(
            ("portpicker", "pick_unused_port()", Part::SUMMARY),
            FIFTEEN_TO_TWENTY_FIVE,
            |_| held(portpicker::pick_unused_port()),
        ),
        Contender {
            library: "reserve-port",
            call: "ReservedPort::random()",
            keeps: "a number, reserved in this process",
            looks: EIGHT_TO_SIXTEEN,
            take: |_| Ok(Held::Peer(Kept::Reserved(ReservedPort::random()?))),
            part: Part::ALL,
        },
        Contender {
            library: "reserve-port",
            call: "ReservedPort::random_with_tcp()",
            keeps: "a listener, dropped just before the bind",
            looks: EIGHT_TO_SIXTEEN,
            take: |_| {
                let (port, listener) = ReservedPort::random_with_tcp(Ipv4Addr::LOCALHOST)?;
                Ok(Held::Peer(Kept::ReservedListener(port, listener)))
            },
            part: Part::SUMMARY,
        },
        number(
            ("openport", "pick_unused_port(range)", Part::ALL),
            Looks::Told,
            |scene| held(openport::pick_unused_port(scene.range.clone())),
        ),
        Contender {
            library: "openport",
            call: "PortReservation::reserve_port()",
            keeps: "a number, reserved in this process",
            looks: Looks::Told,
            take: |scene| {
                static BOOK: OnceLock<PortReservation> = OnceLock::new();
                let range = &scene.range;
                booked(BOOK.get_or_init(|| PortReservation::new(*range.start()..*range.end())))
            },
            part: Part::SUMMARY,
        },
        Contender {
            library: "openport",
            call: "reserve_port() in a window",
            keeps: "a number, reserved in this process",
            looks: Looks::Told,
            take: |scene| {
                static BOOK: OnceLock<PortReservation> = OnceLock::new();
                let range = &scene.window;
                booked(BOOK.get_or_init(|| PortReservation::new(*range.start()..*range.end())))
            },
            part: Part::ALL,
        },
        number(
            ("port-selector", "random_free_tcp_port()", Part::ALL),
            Looks::Ephemeral,
            |_| held(port_selector::random_free_tcp_port()),
        ),
        number(
            ("port-selector", "select_free_port(range)", Part::SUMMARY),
            Looks::Told,
            |scene| {
                held(port_selector::select_free_port(Selector {
                    port_range: (*scene.range.start(), *scene.range.end()),
                    ..Selector::default()
                }))
            },
        ),
        Contender {
            library: "tpt-port-scout",
            call: "PortSet::reserve_one()",
            keeps: "a listener, dropped just before the bind",
            looks: Looks::Ephemeral,
            take: |_| Ok(Held::Peer(Kept::Set(PortSet::reserve_one()?))),
            part: Part::SUMMARY,
        },
        number(
            ("port_check", "free_local_port()", Part::SUMMARY),
            Looks::Ephemeral,
            |_| held(port_check::free_local_port()),
        ),
        number(
            ("random-port", "PortPicker::new().pick()", Part::ALL),
            Looks::Told,
            |scene| Ok(Held::Number(picker(scene).pick()?)),
        ),
        number(
            (
                "random-port",
                "random(true), TCP on 127.0.0.1",
                Part::SUMMARY,
            ),
            Looks::Told,
            |scene| {
                let picker = picker(scene).random(true).protocol(Protocol::Tcp);
                let picker = picker.host("127.0.0.1".to_owned());
                Ok(Held::Number(picker.pick()?))
            },
        ),
    ]
}

/// A row that leaves a number and nothing else.
fn number(
    (library, call, part): (&'static str, &'static str, Part),
    looks: Looks,
    take: fn(&'static Scene) -> Result<Held, BoxError>,
) -> Contender {
    Contender {
        library,
        call,
        keeps: "a number",
        looks,
        take,
        part,
    }
}

fn held(port: Option<u16>) -> Result<Held, BoxError> {
    Ok(Held::Number(port.ok_or("no port")?))
}

fn booked(book: &'static PortReservation) -> Result<Held, BoxError> {
    let port = book.reserve_port().ok_or("no port")?;
    Ok(Held::Peer(Kept::Booked(Booked { book, port })))
}

fn picker(scene: &Scene) -> PortPicker {
    PortPicker::new().port_range(scene.range.clone())
}
