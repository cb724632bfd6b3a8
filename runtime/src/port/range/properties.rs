use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::port::properties::{config, port};

/// `first` and `last`, in order.
fn bounds() -> impl Strategy<Value = (u16, u16)> {
    (port(), port()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just(" "), Just("\t"), Just("\n")]
}

/// Anything, and what comes near a range.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9 -]{0,13}",
        "[1-7][0-9]{3,4} ?[-,.] ?[1-7][0-9]{3,4}",
        (any::<i32>(), any::<i32>()).prop_map(|(a, b)| format!("{a}-{b}")),
    ]
}

/// Another reading of what a range is: numbers without a width, and as many parts as there are.
fn meaning(text: &str) -> Option<(u16, u16)> {
    let ports: Vec<u16> = text
        .split('-')
        .map(|part| part.trim().parse::<i128>().ok())
        .map(|number| {
            number
                .and_then(|n| u16::try_from(n).ok())
                .filter(|&n| n > 0)
        })
        .collect::<Option<_>>()?;
    match ports[..] {
        [port] => Some((port, port)),
        [first, last] if first <= last => Some((first, last)),
        _ => None,
    }
}

/// A few ports and runs of ports, as `ip_local_reserved_ports` has them; seldom nearly all there are.
fn reserved() -> impl Strategy<Value = Vec<(u16, u16)>> {
    let run = (port(), 0..2000u16).prop_map(|(first, more)| (first, first.saturating_add(more)));
    let run = prop_oneof![20 => port().prop_map(|port| (port, port)), 20 => run, 1 => bounds()];
    vec(run, 0..6)
}

fn set(runs: &[(u16, u16)]) -> PortSet {
    runs.iter()
        .flat_map(|&(first, last)| first..=last)
        .collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn legal_texts_mean_what_they_say((first, last) in bounds(), [a, b, c, d] in [space(), space(), space(), space()]) {
        let range = PortRange::of_variable(&format!("{a}{first}{b}-{c}{last}{d}")).expect("legal");
        prop_assert_eq!((range.first(), range.last()), (first, last));
        prop_assert_eq!(range.len(), u32::from(last - first) + 1);
        prop_assert_eq!(&PortRange::of_variable(&range.text()).expect("legal"), &range);
        prop_assert_eq!(&PortRange::of_builder(&(first..=last)).expect("legal"), &range);

        let one = PortRange::of_variable(&format!("{a}{first}{b}")).expect("legal");
        prop_assert_eq!((one.first(), one.last(), one.len()), (first, first, 1));
        prop_assert_eq!(one.text(), first.to_string());
    }

    #[test]
    fn any_text_is_a_range_or_an_error_that_names_it(text in text()) {
        match (PortRange::of_variable(&text), meaning(&text)) {
            (Ok(range), Some(bounds)) => prop_assert_eq!((range.first(), range.last()), bounds),
            (Err(error), None) => {
                let error = error.to_string();
                prop_assert!(error.contains(VARIABLE), "{}", error);
                prop_assert!(error.contains(&format!("{text:?}")), "{}", error);
            }
            (read, meant) => prop_assert!(false, "{read:?} and not {meant:?}"),
        }
    }

    #[test]
    fn places_and_ports_are_inverse((first, last) in bounds(), ports in vec(port(), 1..20)) {
        let range = PortRange::of_builder(&(first..=last)).expect("legal");
        for port in ports {
            match range.place(port) {
                Some(place) => prop_assert_eq!(range.port(place), port),
                None => prop_assert!(!(first..=last).contains(&port), "{}", port),
            }
        }
        for place in [0, range.len() / 2, range.len() - 1] {
            prop_assert_eq!(range.place(range.port(place)), Some(place));
        }
    }

    #[test]
    fn reserved_lists_are_read_whole(runs in reserved(), end in space()) {
        let parts: Vec<String> = runs
            .iter()
            .map(|&(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            })
            .collect();
        prop_assert_eq!(parse_reserved(&(parts.join(",") + end)), set(&runs));
    }

    #[test]
    fn a_bad_part_of_a_reserved_list_hides_no_other(
        runs in reserved(),
        bad in text().prop_filter("names a port", |bad| !bad.split(',').any(|part| meaning(part).is_some())),
    ) {
        let good = runs.iter().map(|(first, last)| format!("{first}-{last}"));
        let parts: Vec<String> = good.flat_map(|part| [part, bad.clone()]).collect();
        prop_assert_eq!(parse_reserved(&parts.join(",")), set(&runs));
    }

    #[test]
    fn services_are_read_whole(
        lines in vec((port(), "[a-z][a-z0-9-]{0,7}", "[ \t]{1,3}", "(tcp|udp|sctp)", "([ \t]+[a-z]{1,5}){0,2}", "( ?#[ -~]{0,9})?"), 0..9),
        bad in prop_oneof![
            "[a-z #/0-9]{0,9}",
            "[a-z]{0,5}( ?#[a-z]{0,4} [1-9][0-9]{0,3}/tcp)?",
        ],
    ) {
        // A line without two words in front of its comment names no port.
        prop_assume!(bad.split('#').next().is_none_or(|line| line.split_whitespace().count() < 2));
        let text: String = lines
            .iter()
            .map(|(port, name, gap, protocol, aliases, comment)| {
                format!("{bad}\n{name}{gap}{port}/{protocol}{aliases}{comment}\n")
            })
            .collect();
        let ports: Vec<u16> = lines.iter().map(|line| line.0).collect();
        prop_assert_eq!(parse_services(&text).collect::<Vec<_>>(), ports);
    }

    #[test]
    fn files_of_any_content_are_read_without_a_panic(text in any::<String>(), near in "[0-9\t\n ,/#a-z-]{0,60}") {
        for text in [text, near] {
            parse_ephemeral(&text);
            parse_reserved(&text);
            parse_services(&text).for_each(drop);
        }
    }

    #[test]
    fn the_ephemeral_range_is_read((low, high) in bounds(), [gap, end] in [prop_oneof![Just("\t"), Just(" ")], prop_oneof![Just("\n"), Just("")]]) {
        prop_assert_eq!(parse_ephemeral(&format!("{low}{gap}{high}{end}")), Some((low, high)));
    }
}

proptest! {
    // Each looks at all ports there are.
    #![proptest_config(ProptestConfig { cases: (config().cases / 4).max(1), ..config() })]

    #[test]
    fn the_default_range_has_nothing_that_is_taken(ephemeral in bounds(), runs in reserved()) {
        let taken = set(&runs);
        let free = |first: u16, last: u16| (first..=last).filter(|port| !taken.contains(*port)).count();
        let (low, high) = ephemeral;
        let Ok(range) = default_range(ephemeral, &taken) else {
            prop_assert_eq!(free(10_000, u16::MAX), 0);
            return Ok(());
        };
        let ports = &range.ports;
        prop_assert!(!ports.is_empty());
        prop_assert!(ports.windows(2).all(|pair| pair[0] < pair[1]), "not ascending");
        prop_assert!(ports[0] >= 1024, "{} is privileged, or 0", ports[0]);
        prop_assert!(!ports.iter().any(|port| taken.contains(*port)), "a reserved port");
        if ports.iter().any(|port| (low..=high).contains(port)) {
            let outside = [free(1024, low - 1), high.checked_add(1).map_or(0, |next| free(next.max(1024), u16::MAX))];
            prop_assert!(outside.iter().all(|&count| count < ENOUGH), "overlaps, beside {outside:?}");
        }
    }
}
