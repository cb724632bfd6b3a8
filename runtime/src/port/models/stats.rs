//! No count is lost, and a snapshot makes sense while leases come and go.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::atomics::{Flaw, check, check_in_part, check_with};
use crate::port::stats::Counters;

const TIME: Duration = Duration::from_nanos(5);

/// A lease that comes and goes while a snapshot is taken.
fn snapshots() {
    let counters = Arc::new(Counters::new());
    let thread = {
        let counters = Arc::clone(&counters);
        thread::spawn(move || {
            counters.leased(1, TIME);
            counters.given_back();
        })
    };
    let during = counters.snapshot();
    // Minus one would be the highest of all numbers.
    assert!(
        during.held() <= during.successes() && during.successes() <= 1,
        "held is negative: {during}"
    );
    thread.join().expect("no panic");
    let after = counters.snapshot();
    assert_eq!((after.successes(), after.held()), (1, 0));
}

/// Leases that come and go at once, and a search that fails.
fn counts() {
    let counters = Arc::new(Counters::new());
    let threads = [2, 5].map(|probes| {
        let counters = Arc::clone(&counters);
        thread::spawn(move || {
            counters.leased(probes, TIME);
            counters.given_back();
        })
    });
    for thread in threads {
        thread.join().expect("no panic");
    }
    let stats = counters.snapshot();
    assert_eq!(
        (stats.successes(), stats.held(), stats.busy_probes()),
        (2, 0, 5),
        "a count was lost"
    );
    assert_eq!(stats.worst_probes(), 5, "the worst was lost");
}

#[test]
fn a_snapshot_makes_sense_while_leases_come_and_go() {
    check(snapshots);
}

#[test]
fn no_count_is_lost() {
    check_in_part(counts);
}

#[test]
#[should_panic(expected = "a count was lost")]
fn a_lost_update_is_found() {
    check_with(Flaw::Torn, counts);
}
