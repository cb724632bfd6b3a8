//! Processes of a node: started, supervised, and ended with all that they have started.
//!
//! ```text
//! test process ──socket── supervisor ──parent of── server ── what it starts
//!      └─ a thread that reads the log pipe and the socket      (the node's log is their stdout and stderr)
//! ```
//!
//! A supervisor is forked for each server, between the fork and the exec of [`std::process::Command`]. It
//! adopts whatever the server leaves behind and kills everything when the test process ends, however that
//! ends: the kernel then closes the socket between them. Nothing here signals by a remembered pid.
//!
//! Only on Linux; elsewhere there are no processes, and `spawn_process` does not exist.

#[cfg(target_os = "linux")]
mod context;
#[cfg(target_os = "linux")]
mod descendants;
#[cfg(target_os = "linux")]
mod handle;
#[cfg(target_os = "linux")]
mod lines;
#[cfg(target_os = "linux")]
mod listeners;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(target_os = "linux")]
mod spawn;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod supervisor;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod watched;
#[cfg(target_os = "linux")]
pub use handle::Process;
#[cfg(target_os = "linux")]
pub(crate) use processes::Processes;

#[cfg(not(target_os = "linux"))]
mod without;
#[cfg(not(target_os = "linux"))]
pub(crate) use without::Processes;
