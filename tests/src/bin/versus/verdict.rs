//! Whether a library lost a round that it must not lose.

use super::figures::{Figures, Row};
use super::rows;
use super::stolen::{Beside, Share};

/// One line for each row with which the library lost a round, but the rows that promise nothing. An
/// error if there is no such library.
///
/// Beside a library that tries ports by their numbers, this one loses a round now and then whose servers
/// are told a number: a guard has to be open until they have bound. Nothing else may ever be lost.
pub(crate) fn losses(figures: &Figures, library: &str) -> Result<Vec<String>, String> {
    let mut losses = Vec::new();
    let mut note = |share: Share, row: &Row, how: &str| {
        if share.lost() > 0 {
            let (lost, rounds, call) = (share.lost(), share.rounds, row.call);
            losses.push(format!(
                "{library} lost {lost} of {rounds} rounds{how}: {call}"
            ));
        }
    };
    let mut known = false;
    for row in &figures.rows {
        if row.library == library && row.promises {
            known = true;
            note(row.alone, row, "");
        }
        let Some(Beside { theirs, ours }) = row.beside else {
            continue;
        };
        if row.library == library {
            note(theirs, row, " beside port-test");
        }
        if library == rows::OURS {
            let [told, handed, _bare] = ours;
            if row.names_none {
                note(
                    told,
                    row,
                    &format!(", told a number, beside {}", row.library),
                );
            }
            note(
                handed,
                row,
                &format!(", handed a listener, beside {}", row.library),
            );
        }
    }
    match known {
        true => Ok(losses),
        false => Err(format!("nothing was measured of {library}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lost_nothing_passes() {
        // The row that promises nothing has lost a round, and one was lost to a stranger who
        // names ports.
        assert_eq!(losses(&Figures::sample(), rows::OURS), Ok(Vec::new()));
    }

    #[test]
    fn a_round_lost_alone_is_named() {
        let mut figures = Figures::sample();
        figures.rows[1].alone = Share::sample(1);
        let lost = losses(&figures, rows::OURS).expect("known");
        assert_eq!(lost, ["port-test lost 1 of 40 rounds: lease()"]);
    }

    #[test]
    fn a_number_that_was_not_given_is_lost_too() {
        let mut figures = Figures::sample();
        figures.rows[1].alone.refused = 2;
        let lost = losses(&figures, rows::OURS).expect("known");
        assert_eq!(lost, ["port-test lost 2 of 40 rounds: lease()"]);
    }

    #[test]
    fn a_listener_is_never_lost() {
        let mut figures = Figures::sample();
        let beside = figures.rows[3].beside.as_mut().expect("a peer");
        beside.ours[1] = Share::sample(3);
        let lost = losses(&figures, rows::OURS).expect("known");
        let expected =
            "port-test lost 3 of 40 rounds, handed a listener, beside peer: Peer::pick(<T>)";
        assert_eq!(lost, [expected]);
    }

    #[test]
    fn a_number_is_never_lost_to_those_who_name_none() {
        let mut figures = Figures::sample();
        // It has lost a round already, to one who does.
        figures.rows[3].names_none = true;
        let lost = losses(&figures, rows::OURS).expect("known");
        let expected = "port-test lost 1 of 40 rounds, told a number, beside peer: Peer::pick(<T>)";
        assert_eq!(lost, [expected]);
    }

    #[test]
    fn other_libraries_can_be_asked_about() {
        let lost = losses(&Figures::sample(), "peer").expect("known");
        let expected = [
            "peer lost 10 of 40 rounds: Peer::pick(<T>)",
            "peer lost 2 of 40 rounds beside port-test: Peer::pick(<T>)",
        ];
        assert_eq!(lost, expected);
        assert_eq!(losses(&Figures::sample(), "the limit"), Ok(Vec::new()));
        assert!(losses(&Figures::sample(), "nobody").is_err());
    }
}
