//! Listening sockets that a process inherits, by the protocol of systemd: they are the descriptors from 3
//! on, and `LISTEN_FDS`, `LISTEN_FDNAMES` and `LISTEN_PID` in its environment say so.

use std::env;
use std::ffi::{CString, NulError, OsStr, OsString};
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};

use super::sys::{self, Fd, Image};

const FIRST: Fd = 3;
const PID: &str = "LISTEN_PID";
const COUNT: &str = "LISTEN_FDS";
const NAMES: &str = "LISTEN_FDNAMES";

/// Prepared before the fork, because a process learns its pid, which is part of its environment, only
/// after it, when nothing may be allocated.
pub(super) struct Listeners {
    /// Open until the fork, by whoever prepared it.
    sockets: Vec<Fd>,
    image: Image,
    /// What was at the sockets' places in the process that executes the program: one of them may be the
    /// pipe on which std reports that the program cannot be executed.
    displaced: Vec<AtomicI32>,
}

impl Listeners {
    /// The sockets that come with it must stay open until the program has been started.
    ///
    /// # Errors
    ///
    /// The program, an argument or a variable contains a null byte, or there are too many open files.
    pub(super) fn new(
        command: &mut Command,
        sockets: Vec<(&str, TcpListener)>,
    ) -> io::Result<(Self, Vec<OwnedFd>)> {
        let count = Fd::try_from(sockets.len()).map_err(io::Error::other)?;
        let names: Vec<_> = sockets.iter().map(|(name, _)| *name).collect();
        let image = image(command, &names)?;
        let above = |(_, socket): (&str, TcpListener)| sys::own_above(&socket, FIRST + count);
        let sockets: Vec<_> = sockets.into_iter().map(above).collect::<io::Result<_>>()?;
        let listeners = Self {
            // Only their numbers: the hook that has them lives as long as the user's command, and a
            // listener of ours would make the port of a dead server look served.
            sockets: sockets.iter().map(|socket| socket.as_raw_fd()).collect(),
            image,
            displaced: (0..count).map(|_| AtomicI32::new(-1)).collect(),
        };
        Ok((listeners, sockets))
    }

    /// Puts the sockets in their places and executes the program. Between fork and exec: see [`sys`].
    pub(super) fn execute(&self) -> io::Error {
        let places = FIRST..;
        let above = FIRST + self.sockets.len() as Fd;
        for ((place, socket), displaced) in places.clone().zip(&self.sockets).zip(&self.displaced) {
            // An error is a place that is free. Relaxed: this process has one thread.
            displaced.store(
                sys::duplicate_above(place, above).unwrap_or(-1),
                Ordering::Relaxed,
            );
            if let Err(error) = sys::duplicate_onto(*socket, place) {
                return error;
            }
        }
        let error = self.image.execute();
        for (place, displaced) in places.zip(&self.displaced) {
            let displaced = displaced.load(Ordering::Relaxed);
            if displaced >= 0 {
                // This process is about to end. If its error cannot be told, it ends all the same.
                let _ = sys::duplicate_onto(displaced, place);
            }
        }
        error
    }
}

fn image(command: &mut Command, names: &[&str]) -> io::Result<Image> {
    let mut environment = environment(command);
    environment.push((COUNT.into(), names.len().to_string().into()));
    environment.push((NAMES.into(), names.join(":").into()));
    let args = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|arg| CString::new(arg.as_bytes()))
        .collect::<Result<_, NulError>>()?;
    let variables = environment
        .iter()
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<Result<_, NulError>>()?;
    Ok(Image::new(args, variables, PID))
}

/// The environment that std would execute the program with, less the protocol's own variables.
fn environment(command: &mut Command) -> Vec<(OsString, OsString)> {
    // std does not say whether `env_clear` was called, but only then forgets a variable that is removed
    // instead of noting that it is.
    command.env_remove(PID);
    let noted = |(name, value): (&OsStr, Option<&OsStr>)| name == PID && value.is_none();
    let cleared = !command.get_envs().any(noted);
    let mut environment = Vec::new();
    // Of a name that is there twice std passes on the last.
    let mut set = |name: OsString, value: Option<OsString>| {
        environment.retain(|(other, _)| *other != name);
        environment.extend(value.map(|value| (name, value)));
    };
    if !cleared {
        env::vars_os().for_each(|(name, value)| set(name, Some(value)));
    }
    for (name, value) in command.get_envs() {
        set(name.to_owned(), value.map(OsStr::to_owned));
    }
    environment.retain(|(name, _)| ![PID, COUNT, NAMES].iter().any(|own| name == own));
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_the_one_that_std_would_pass_on() {
        let mut command = Command::new("env");
        command
            .env("PORT_TEST_X", "1")
            .env_remove("PATH")
            .env("LISTEN_PID", "7");
        let kept = environment(&mut command);
        let values = |name| kept.iter().filter(move |(other, _)| other == name);
        assert!(values("PORT_TEST_X").map(|(_, value)| value).eq(["1"]));
        assert!(kept.len() > 1, "what is inherited is there");
        assert_eq!(values("PATH").count(), 0);
        assert_eq!(values(PID).count(), 0);

        command.env_clear().env("PORT_TEST_X", "2");
        assert_eq!(
            environment(&mut command),
            [("PORT_TEST_X".into(), "2".into())]
        );
    }
}
