//! Starting nodes, all at once, and waiting until they are ready.

use std::panic::Location;
use std::sync::Arc;

use super::host;
use super::member::{Ending, Member, State};
use super::pending::Pending;
use crate::error::{Error, ErrorKind, chain};

/// The line of the user's code that a wait is reported with.
pub(crate) type Caller = &'static Location<'static>;

/// Starts `members`, which are of one test, and waits until all are ready. Bare nodes always are.
///
/// # Errors
///
/// One did not start, which ends the wait at once; a node died meanwhile; or time is up.
pub(crate) async fn start_all(members: &[Arc<Member>], caller: Caller) -> Result<(), Error> {
    for member in members {
        let started = match &member.service {
            Some(service) => host::launch(member, service),
            None => member.ports.open(),
        };
        started.map_err(|error| {
            member.error(
                ErrorKind::Start,
                &format!("cannot start: {}", chain(&error)),
            )
        })?;
    }
    let hosted: Vec<_> = members
        .iter()
        .filter(|member| member.service.is_some())
        .collect();
    let Some(first) = hosted.first() else {
        return Ok(());
    };
    let scope = &first.roster.scope;
    let what = match hosted.len() {
        1 => format!("{} to start", first.label),
        count => format!("{count} nodes to start"),
    };
    let settled = first.until_any(|| settled(&hosted));
    let unready = || Some(describe_unready(&hosted));
    match scope
        .wait(Pending::new(what, caller), settled, unready)
        .await?
    {
        None => Ok(()),
        Some((member, Ending::NotStarted(cause))) => Err(member
            .error(ErrorKind::Start, "did not start")
            .caused_by(cause)),
        Some((member, ending)) => Err(member.error(
            ErrorKind::Start,
            &format!("ended before all were ready: {ending}"),
        )),
    }
}

/// `Some(None)` once all are ready; the first that ended, as soon as one has. Others that wait for it
/// fail in turn, so the earliest is the one to name.
fn settled<'a>(members: &[&'a Arc<Member>]) -> Option<Option<(&'a Arc<Member>, Ending)>> {
    let mut all_ready = true;
    let mut ended = Vec::new();
    for &member in members {
        let run = member.run();
        match &run.state {
            State::Running | State::Paused => {}
            State::Down(ending) => ended.push((run.since, member, ending.clone())),
            _ => all_ready = false,
        }
    }
    let first = ended.into_iter().min_by_key(|(since, ..)| *since);
    match first {
        Some((_, member, ending)) => Some(Some((member, ending))),
        None => all_ready.then_some(None),
    }
}

fn describe_unready(members: &[&Arc<Member>]) -> String {
    let unready = members.iter().filter_map(|member| {
        let state = member.state();
        (state != State::Running).then(|| format!("{} is {state}", member.label))
    });
    unready.collect::<Vec<_>>().join(", ")
}
