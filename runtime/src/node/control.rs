//! What a test does to a node: kill, stop, restart, pause, resume.

use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::host::{self, Command};
use super::member::{Ending, Member, Run, State};
use super::scope::teardown_deadline;
use super::start::{Caller, start_all};
use crate::error::{Error, ErrorKind};

impl Member {
    /// Ends the node at once. A node that is down already stays so.
    ///
    /// # Errors
    ///
    /// The node is bare, hangs, or left something behind.
    pub(crate) async fn kill(&self) -> Result<(), Error> {
        self.not_bare("kill")?;
        let _turn = self.turn.lock().await;
        self.end(Command::Kill(Instant::now())).await
    }

    /// Lets the node end, and ends it after the grace period.
    ///
    /// # Errors
    ///
    /// As [`Self::kill`]; or a task of the node failed while it stopped.
    pub(crate) async fn stop(&self) -> Result<(), Error> {
        self.not_bare("stop")?;
        let _turn = self.turn.lock().await;
        self.end(Command::Stop(Instant::now())).await
    }

    /// Kills the node if it runs, and starts it again on the same ports and directory.
    ///
    /// # Errors
    ///
    /// As [`Self::kill`] and [`start_all`].
    pub(crate) async fn restart(self: &Arc<Self>, caller: Caller) -> Result<(), Error> {
        self.not_bare("restart")?;
        let _turn = self.turn.lock().await;
        self.end(Command::Kill(Instant::now())).await?;
        self.run().generation += 1;
        start_all(std::slice::from_ref(self), caller).await
    }

    /// Stops the node's thread where it is. Its sockets stay open and its peers get no answer.
    ///
    /// # Errors
    ///
    /// The node is bare, does not run, or does not yield.
    pub(crate) async fn pause(&self) -> Result<(), Error> {
        self.not_bare("pause")?;
        let _turn = self.turn.lock().await;
        let (parked, is_parked) = oneshot::channel();
        let (resume, resumed) = blocking::channel();
        {
            let run = self.run();
            self.expect_state(&run, &State::Running, "pause")?;
            if let Some(commands) = &run.commands {
                // An error is a node that has just ended by itself; then `is_parked` says so.
                let _ = commands.send(Command::Pause {
                    parked,
                    resume: resumed,
                });
            }
        }
        match tokio::time::timeout_at(teardown_deadline().into(), is_parked).await {
            Ok(Ok(())) => self.update(|run| {
                // Its kill is behind the pause in the queue: without `resume` it goes on at once.
                self.expect_state(run, &State::Running, "pause")?;
                if run.condemned {
                    return Err(
                        self.error(ErrorKind::InvalidState, "cannot pause: the test is over")
                    );
                }
                run.state = State::Paused;
                run.resume = Some(resume);
                Ok(())
            }),
            Ok(Err(_)) => {
                let message = format!("is {}, so it cannot be paused", self.state());
                Err(self.error(ErrorKind::InvalidState, &message))
            }
            Err(_) => {
                let message = "cannot be paused: a task of it does not yield";
                Err(self.error(ErrorKind::InvalidState, message))
            }
        }
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    ///
    /// The node is not paused.
    pub(crate) async fn resume(&self) -> Result<(), Error> {
        self.not_bare("resume")?;
        let _turn = self.turn.lock().await;
        self.update(|run| {
            self.expect_state(run, &State::Paused, "resume")?;
            run.state = State::Running;
            // An error is a node that was taken down in between.
            let _ = run.resume.take().map(|resume| resume.send(()));
            Ok(())
        })
    }

    /// Sends the wish to end, for good, without waiting for it.
    pub(crate) fn condemn(&self) {
        self.run().condemned = true;
        self.ask(Command::Kill(Instant::now()));
    }

    /// Blocks until the node is down and its thread is gone; what is left or went wrong, a line each.
    pub(crate) fn await_down(&self, deadline: Instant) -> Vec<String> {
        let lines = |what: Vec<String>| {
            let line = |what| format!("{} went down, but {what}", self.label);
            what.into_iter().map(line).collect()
        };
        if self.service.is_none() {
            return lines(host::close_ports(self).err().into_iter().collect());
        }
        let never_started = |run: &Run| run.state == State::New;
        if !self.block_until(deadline, |run| run.is_down() || never_started(run)) {
            return vec![self.hangs()];
        }
        self.join();
        lines(self.run().leaks.clone())
    }

    fn ask(&self, command: Command) {
        let mut run = self.run();
        // A paused node can neither see its end nor stop by itself.
        run.resume = None;
        if let Some(commands) = &run.commands {
            let kill = matches!(command, Command::Kill(_));
            // An error is a node that has just ended by itself.
            let _ = commands.send(command);
            if kill {
                // The node's thread does so as well; but that may hang. After the command, so that their
                // end is no death.
                run.processes.kill();
            }
        }
    }

    async fn end(&self, command: Command) -> Result<(), Error> {
        let stopping = matches!(command, Command::Stop(_));
        if matches!(self.state(), State::New) {
            return Ok(());
        }
        let (was_down, leaks) = {
            let run = self.run();
            (run.is_down(), run.leaks.len())
        };
        let command = if self.state() == State::Paused {
            Command::Kill(Instant::now())
        } else {
            command
        };
        self.ask(command);
        let grace = if stopping {
            host::grace()
        } else {
            Duration::ZERO
        };
        let down = self.until(|run| run.is_down().then_some(()));
        if tokio::time::timeout_at((teardown_deadline() + grace).into(), down)
            .await
            .is_err()
        {
            return Err(Error::new(ErrorKind::Teardown, self.hangs()));
        }
        let run = self.run();
        match (&run.state, run.leaks.get(leaks)) {
            (_, Some(what)) => {
                Err(self.error(ErrorKind::Teardown, &format!("went down, but {what}")))
            }
            (State::Down(Ending::Died(cause)), None) if !was_down => {
                Err(self.error(ErrorKind::Died, &format!("died: {cause}")))
            }
            _ => Ok(()),
        }
    }

    /// Waits for the threads of all runs, which are past all of the node's own code.
    fn join(&self) {
        let threads = std::mem::take(&mut self.run().threads);
        for thread in threads {
            // Its panics are caught inside.
            let _ = thread.join();
        }
    }

    fn hangs(&self) -> String {
        format!(
            "{} did not go down in time: it hangs in {}",
            self.label,
            self.run().doing
        )
    }

    fn not_bare(&self, action: &str) -> Result<(), Error> {
        match self.service {
            Some(_) => Ok(()),
            None => Err(self.error(
                ErrorKind::InvalidState,
                &format!("is bare, the test itself runs what is on its ports: there is nothing to {action}"),
            )),
        }
    }

    fn expect_state(&self, run: &Run, state: &State, action: &str) -> Result<(), Error> {
        if run.state == *state {
            return Ok(());
        }
        let message = format!("is {}: only a node that is {state} can {action}", run.state);
        Err(self.error(ErrorKind::InvalidState, &message))
    }

    pub(crate) fn error(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind, format!("{} {message}", self.label))
    }
}
