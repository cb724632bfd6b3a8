//! A node as it was when the body ended, for the report.

use std::net::SocketAddr;

use crate::node::member::{Ending, State};
use crate::node::scope::Scope;
use crate::port::holders::{Holder, holders};

pub(super) struct Seen {
    pub(super) label: String,
    pub(super) state: State,
    /// Its child processes, with their pids.
    pub(super) processes: Vec<String>,
    pub(super) restarts: u32,
    /// By name, and who listens there.
    pub(super) ports: Vec<(&'static str, SocketAddr, Option<String>)>,
    /// The last lines.
    pub(super) log: Vec<String>,
}

/// How many lines of a log are looked at.
const LOG_LINES: usize = 10;

/// All nodes of the test.
pub(super) fn nodes(scope: &Scope) -> Vec<Seen> {
    let members: Vec<_> = scope
        .rosters()
        .iter()
        .flat_map(|roster| roster.members())
        .collect();
    let ports: Vec<_> = members
        .iter()
        .flat_map(|member| member.ports.named())
        .collect();
    let holders = holders(&|port| ports.iter().any(|(_, addr)| addr.port() == port));
    let seen = members.iter().map(|member| {
        let (state, restarts, processes) = {
            let run = member.run();
            (run.state.clone(), run.generation, run.processes.names())
        };
        let ports = member
            .ports
            .named()
            .map(|(name, addr)| (name, addr, listener(addr, &holders)));
        Seen {
            label: member.label.clone(),
            state,
            restarts,
            processes,
            ports: ports.collect(),
            log: member.log.tail(LOG_LINES),
        }
    });
    seen.collect()
}

/// Who listens on the port: this process, that is the test, or another by its name.
fn listener(addr: SocketAddr, holders: &[Holder]) -> Option<String> {
    let listening = holders
        .iter()
        .filter(|holder| holder.listening.contains(&addr.port()));
    // A child and its own children may share a listener; the oldest names it.
    let first = listening.min_by_key(|holder| holder.pid)?;
    Some(if first.pid == std::process::id() {
        "the test".to_owned()
    } else {
        first.to_string()
    })
}

impl Seen {
    /// Of nodes that run, and no rank is greater: the report has the nodes rank by rank.
    pub(super) const LAST_RANK: u8 = 3;

    /// Dead nodes before those that are not ready, and these before the others.
    pub(super) fn rank(&self) -> u8 {
        match &self.state {
            State::Down(Ending::Died(_) | Ending::NotStarted(_)) => 0,
            State::Down(_) => 1,
            State::Running => Self::LAST_RANK,
            _ => 2,
        }
    }

    /// In one line, without a cause that is in `told` already.
    pub(super) fn line(&self, told: &str) -> String {
        let mut text = match &self.state {
            State::Down(ending) if ending.cause().is_some_and(|cause| told.contains(cause)) => {
                format!("{}: {}", self.label, ending.short())
            }
            state => format!("{}: {state}", self.label),
        };
        match self.restarts {
            0 => {}
            1 => text.push_str(", restarted once"),
            times => text.push_str(&format!(", restarted {times} times")),
        }
        if !self.processes.is_empty() {
            text.push_str(&format!("; runs {}", self.processes.join(", ")));
        }
        for (name, addr, listener) in &self.ports {
            let listener = listener.as_deref().unwrap_or("nobody");
            text.push_str(&format!("; {name} {addr}: {listener} listens"));
        }
        text
    }
}
