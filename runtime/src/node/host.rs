//! The thread and runtime of one run of an in-process node.
//!
//! Everything that the node does happens on this thread's runtime, so dropping it is the node's end:
//! tasks that nobody holds a handle of die with it, and their sockets close.

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tracing::Dispatch;

use super::capture;
use super::context::NodeContext;
use super::life::{Life, TaskEnd};
use super::member::{Ending, Member, State};
use super::process::Processes;
use super::scope::scaled;
use super::service::Service;
use super::threads::Threads;
use crate::block_on::block_on;
use crate::error::{BoxError, chain};
use crate::panic;
use crate::port::holders::holders;
use crate::retry::{Delays, poll_until};

/// What a node's thread is asked to do.
pub(crate) enum Command {
    /// Since when it is asked to: what ended before did so unasked.
    Kill(Instant),
    /// As `Kill`.
    Stop(Instant),
    /// Blocks the thread until the other end of `resume` sends or drops.
    Pause {
        parked: oneshot::Sender<()>,
        resume: blocking::Receiver<()>,
    },
}

/// How long a node that was asked to stop may take before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// How long a port may still be listened on after everything of its node was dropped. A child that
/// another thread forks holds a copy of every socket until it executes its program: up to 5 ms were
/// measured.
const LAST_LISTENER: Duration = Duration::from_secs(1);

/// [`GRACE`], by the factor of the environment.
pub(crate) fn grace() -> Duration {
    scaled(GRACE)
}

/// Starts the next run of `member`, whose state says what becomes of it.
///
/// # Errors
///
/// The test is over, the ports cannot be opened, or the thread cannot be made.
pub(crate) fn launch(member: &Arc<Member>, service: &Service) -> io::Result<()> {
    member.ports.open()?;
    member.log.begin_run();
    let (sender, commands) = mpsc::unbounded_channel();
    let (host, service) = (Arc::clone(member), service.clone());
    let processes = Arc::<Processes>::default();
    let started = Arc::clone(&processes);
    // In one: either the end of the test finds this thread, or this finds the end of the test.
    let launched = member.update(|run| {
        if run.condemned {
            return Err(io::Error::other("the test is over"));
        }
        let generation = run.generation;
        let spawned = std::thread::Builder::new()
            .name(member.name.clone())
            .spawn(move || live(&host, generation, &service, commands, started));
        match spawned {
            Ok(thread) => {
                run.state = State::Starting;
                run.commands = Some(sender);
                run.processes = processes;
                run.threads.retain(|thread| !thread.is_finished());
                run.threads.push(thread);
                // Said here, so that the new thread has no reason to wait for this lock.
                run.doing = "running a task that does not yield";
                Ok(())
            }
            Err(error) => {
                let cause = format!("its thread cannot be made: {error}");
                run.state = State::Down(Ending::NotStarted(cause));
                Err(error)
            }
        }
    });
    if launched.is_err() {
        // What could not be started must not leave its port to others.
        member.ports.close()?;
    }
    launched
}

fn live(
    member: &Arc<Member>,
    generation: u32,
    service: &Service,
    commands: mpsc::UnboundedReceiver<Command>,
    processes: Arc<Processes>,
) {
    let _entered = member.roster.scope.enter();
    let events = capture::dispatch(&member.log);
    events.iter().for_each(capture::enter);
    let threads = Threads::default();
    let ending = match runtime(member, &threads, events.clone()) {
        Ok(runtime) => {
            let (life, tasks) = Life::new(runtime.handle().clone(), processes);
            let cx = NodeContext::new(member, generation, &life);
            let driven = catch_unwind(AssertUnwindSafe(|| {
                block_on(&runtime, drive(member, service, cx, &life, commands, tasks))
            }));
            let ending = driven.unwrap_or_else(|payload| {
                let text = panic::text(&payload);
                member.leaked(format!("dropping its start panicked: {text}"));
                Ending::Killed
            });
            take_down(member, &life, runtime, &threads);
            ending
        }
        Err(error) => Ending::NotStarted(format!("its runtime cannot be made: {}", chain(&error))),
    };
    capture::leave();
    member.update(|run| {
        run.commands = None;
        run.state = State::Down(ending);
    });
}

fn runtime(
    member: &Arc<Member>,
    threads: &Threads,
    events: Option<Dispatch>,
) -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    threads.watch(&mut builder, &member.roster.scope, &member.name, events);
    builder.on_thread_unpark(capture::give_way);
    builder.enable_all().build()
}

/// Runs the node until something ends it.
async fn drive(
    member: &Arc<Member>,
    service: &Service,
    cx: NodeContext,
    life: &Life,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut tasks: mpsc::UnboundedReceiver<TaskEnd>,
) -> Ending {
    let mut starting = pin!(panic::catch(async {
        let handle = service.start(cx).await?;
        wait_for_listener(member).await?;
        Ok::<_, BoxError>(handle)
    }));
    let mut ready = false;
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Kill(at) | Command::Stop(at)) if let Some(end) = before(&mut tasks, at) => {
                    return unasked(member, &end, ready);
                }
                Some(Command::Stop(_)) if ready => return stop(member, life, commands, tasks).await,
                Some(Command::Pause { parked, resume }) => {
                    life.processes().pause();
                    let _ = parked.send(());
                    // Blocks the whole runtime; that is what a pause is.
                    let resumed = resume.recv().is_ok();
                    if resumed || nothing_asked(member, &commands) {
                        life.processes().resume();
                    }
                }
                Some(Command::Kill(_) | Command::Stop(_)) | None => return Ending::Killed,
            },
            Some(end) = tasks.recv() => return unasked(member, &end, ready),
            started = &mut starting, if !ready => match started {
                Ok(Ok(handle)) => {
                    ready = true;
                    member.update(|run| {
                        run.handle = Some(handle);
                        run.state = State::Running;
                    });
                }
                Ok(Err(error)) => return Ending::NotStarted(chain(&*error)),
                Err(panicked) => {
                    let text = panic::text(&panicked.payload);
                    return Ending::NotStarted(format!("its start panicked: {text}"));
                }
            }
        }
    }
}

/// Whether a pause ended because whoever wanted it did not wait for it, and not by another command.
fn nothing_asked(member: &Member, commands: &mpsc::UnboundedReceiver<Command>) -> bool {
    // Commands are sent under the lock under which the pause is ended for them.
    let _run = member.run();
    commands.is_empty()
}

/// The end of a task that came before the node was asked to end: it must not pass for what was asked.
fn before(tasks: &mut mpsc::UnboundedReceiver<TaskEnd>, asked: Instant) -> Option<TaskEnd> {
    tasks.try_recv().ok().filter(|end| end.at < asked)
}

/// The node ends because one of its tasks did.
fn unasked(member: &Member, end: &TaskEnd, ready: bool) -> Ending {
    let cause = end.cause();
    if !ready {
        return Ending::NotStarted(cause);
    }
    member
        .roster
        .scope
        .died(member.label.clone(), cause.clone(), end.at);
    Ending::Died(cause)
}

/// Waits until somebody listens on the first port. Servers that are given a listener, or bind before
/// they return, pass at once; no kernel event tells of the others, so they are asked for.
async fn wait_for_listener(member: &Member) -> io::Result<()> {
    if !member.ports.must_listen() || member.ports.is_listening(0)? {
        return Ok(());
    }
    member.update(|run| run.state = State::Silent);
    let mut delays = Delays::new();
    while !member.ports.is_listening(0)? {
        tokio::time::sleep(delays.next()).await;
    }
    Ok(())
}

/// Lets the node end by itself: until none of its tasks and processes is left, or the grace period is
/// over. If it never asked to be told, its tasks need not be waited for.
async fn stop(
    member: &Member,
    life: &Life,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut tasks: mpsc::UnboundedReceiver<TaskEnd>,
) -> Ending {
    member.update(|run| run.state = State::Stopping);
    let listens = life.stop();
    // Supervised tasks are among the runtime's tasks.
    let busy = || (listens && life.alive_tasks() > 0) || life.processes().running() > 0;
    let mut grace = pin!(tokio::time::sleep(grace()));
    let mut delays = Delays::new();
    while busy() {
        tokio::select! {
            biased;
            _ = commands.recv() => return Ending::Stopped,
            Some(end) = tasks.recv() => if !end.is_well() {
                return unasked(member, &end, true);
            },
            () = &mut grace => return Ending::Stopped,
            () = tokio::time::sleep(delays.next()) => {}
        }
    }
    // The last task may have reported its failure just before it was gone.
    while let Ok(end) = tasks.try_recv() {
        if !end.is_well() {
            return unasked(member, &end, true);
        }
    }
    Ending::Stopped
}

/// Drops all that the node is made of and sees to it that nothing is left.
fn take_down(member: &Member, life: &Life, runtime: Runtime, threads: &Threads) {
    // First: tasks may be waiting for them.
    life.processes().kill();
    let handle = member.begin_end();
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        let _context = runtime.enter();
        drop(handle);
        member.run().doing = "dropping its tasks";
    }));
    let shut = catch_unwind(AssertUnwindSafe(|| runtime.shutdown_background()));
    for payload in [dropped, shut].into_iter().filter_map(Result::err) {
        member.leaked(format!("dropping it panicked: {}", panic::text(&payload)));
    }
    member.run().doing = "waiting for its processes to end";
    life.processes().wait_until_gone();
    member.run().doing = "waiting for its blocking tasks (spawn_blocking)";
    threads.wait_until_gone();
    member.run().doing = "waiting for its port to be free";
    if let Err(what) = close_ports(member) {
        member.leaked(what);
    }
}

/// Waits until nobody listens on the node's ports any more, and makes them exclusive; gives them back, if
/// the test is over.
pub(super) fn close_ports(member: &Member) -> Result<(), String> {
    let deadline = Instant::now() + scaled(LAST_LISTENER);
    let mut listening = Ok(None);
    poll_until(deadline, || {
        listening = member.ports.anybody_listening();
        !matches!(listening, Ok(Some(_)))
    });
    let closed = if member.run().condemned {
        // Nobody comes back to these ports: given back here, by all nodes at once.
        member.ports.give_back();
        Ok(())
    } else {
        member.ports.close()
    };
    match (listening, closed) {
        (Ok(Some(addr)), _) => Err(still_listens(addr)),
        (Err(error), _) | (_, Err(error)) => Err(chain(&error)),
        (Ok(None), Ok(())) => Ok(()),
    }
}

/// Who listens on `addr` although nobody should, and what to do about it.
fn still_listens(addr: SocketAddr) -> String {
    let holders = holders(&|port| port == addr.port());
    let listening = holders
        .iter()
        .find(|holder| holder.listening.contains(&addr.port()));
    match listening {
        Some(holder) if holder.pid != std::process::id() => {
            format!("{holder} still listens on {addr}: end it before the test ends")
        }
        _ => format!(
            "the test itself still listens on {addr}: drop the listener, and what holds it, before the test ends"
        ),
    }
}
