//! All processes of one run of a node.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::handle::Process;
use super::listeners::Listeners;
use super::spawn::{self, Started};
use super::watched::Watched;
use crate::error::{Error, ErrorKind};
use crate::node::member::Member;
use crate::node::ports::io_error;
use crate::sync::lock;

#[derive(Default)]
pub(crate) struct Processes(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The node is going down: nothing is started any more.
    closed: bool,
    /// In the order in which they were started.
    running: Vec<Running>,
}

struct Running {
    process: Arc<Watched>,
    watcher: JoinHandle<()>,
}

impl Processes {
    /// Starts `command` for `member`. `died` is told of its end, on another thread.
    ///
    /// # Errors
    ///
    /// It cannot be started, or the node is going down.
    pub(crate) fn spawn(
        &self,
        member: &Arc<Member>,
        directory: &Path,
        command: &mut Command,
        sockets: Vec<(&str, std::net::TcpListener)>,
        died: impl FnOnce(String, Instant) + Send + 'static,
    ) -> Result<Process, Error> {
        let name = spawn::name(command.get_program());
        // Held until it is in the list, so that whoever ends the processes finds it there.
        let mut inner = lock(&self.0);
        if inner.closed {
            let message = format!("is going down: it cannot run `{name}` any more");
            return Err(member.error(ErrorKind::InvalidState, &message));
        }
        let listeners = match sockets.is_empty() {
            true => Ok(None),
            false => Listeners::new(command, sockets).map(Some),
        };
        let started = listeners.and_then(|listeners| spawn::spawn(command, directory, listeners));
        let Started {
            pid,
            supervisor,
            socket,
            output,
        } = started.map_err(|error| {
            let message = spawn::explain(command, directory, &error);
            member.error(ErrorKind::Io, &message).caused_by(error)
        })?;
        let process = Watched::new(name.clone(), pid, socket);
        let (watched, log) = (Arc::clone(&process), Arc::clone(&member.log));
        let watcher = thread::Builder::new()
            .name(format!("{} {name}", member.name))
            .spawn(move || watched.watch(supervisor, output, &log, died))
            // The socket goes with the closure, and with it the process.
            .map_err(|error| io_error(&member.label, &error))?;
        member
            .roster
            .scope
            .note(&member.label, format!("started {process}"));
        inner.running.push(Running { process, watcher });
        Ok(Process::new(&name, pid))
    }

    /// Those that were started in this run, as messages call them.
    pub(crate) fn names(&self) -> Vec<String> {
        lock(&self.0)
            .running
            .iter()
            .map(|running| running.process.to_string())
            .collect()
    }

    /// How many of the processes that were started have not ended yet.
    pub(crate) fn running(&self) -> usize {
        self.count(|process| !process.has_exited())
    }

    fn count(&self, which: impl Fn(&Watched) -> bool) -> usize {
        let inner = lock(&self.0);
        inner
            .running
            .iter()
            .filter(|running| which(&running.process))
            .count()
    }

    /// Asks all to end, and starts no more.
    pub(crate) fn terminate(&self) {
        self.close(Watched::terminate);
    }

    /// Ends all and their descendants, and starts no more.
    pub(crate) fn kill(&self) {
        self.close(Watched::kill);
    }

    fn close(&self, tell: impl Fn(&Watched)) {
        let mut inner = lock(&self.0);
        inner.closed = true;
        inner
            .running
            .iter()
            .for_each(|running| tell(&running.process));
    }

    /// Waits for the end of processes that were killed, of their descendants, and of the threads that
    /// read what they print.
    pub(crate) fn wait_until_gone(&self) {
        // Unlocked while it waits, so that others can look.
        let running = std::mem::take(&mut lock(&self.0).running);
        for Running { watcher, .. } in running {
            // Nothing in there panics; if it did, the node's end is not the place to say so.
            let _ = watcher.join();
        }
    }

    /// Stops all and their descendants, and returns when they are stopped.
    pub(crate) fn pause(&self) {
        let processes: Vec<_> = {
            let inner = lock(&self.0);
            inner
                .running
                .iter()
                .map(|running| Arc::clone(&running.process))
                .collect()
        };
        // All are told before one is waited for.
        let stops: Vec<_> = processes.iter().map(|process| process.pause()).collect();
        for (process, stops) in processes.iter().zip(stops) {
            process.wait_until_stopped(stops);
        }
    }

    /// Lets paused processes go on.
    pub(crate) fn resume(&self) {
        lock(&self.0)
            .running
            .iter()
            .for_each(|running| running.process.resume());
    }
}
