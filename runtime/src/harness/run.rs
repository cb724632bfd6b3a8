//! One test from beginning to end: the only thing that expanded code calls.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};

use super::inject::Slot;
use super::multi_thread;
use super::outcome::{self, Body};
use super::report;
use super::seen::{self, Seen};
use super::start;
use super::test::{Flavor, Test};
use super::verdict::{End, Verdict};
use crate::block_on::block_on;
use crate::config;
use crate::error::chain;
use crate::node::roster::Roster;
use crate::node::scope::{DEFAULT_TIMEOUT, Scope, scaled, teardown_deadline};
use crate::node::threads::Threads;
use crate::port::PortAllocator;

/// Runs a test that has no arguments and returns nothing, as [`run`] does; the compiler gets through a
/// call of it faster.
///
/// # Panics
///
/// The test failed.
#[track_caller]
pub fn run_alone(test: &Test, body: Box<dyn Future<Output = ()> + '_>) {
    run(test, &[], outcome::body(body));
}

/// Runs a test: starts the nodes, runs the body, takes everything down, and panics if it failed.
///
/// # Panics
///
/// The test failed: with the body's own panic, or else with what went wrong.
#[track_caller]
pub fn run(test: &Test, slots: &[&Slot], body: Body<'_>) {
    let timeout = scaled(test.timeout().unwrap_or(DEFAULT_TIMEOUT));
    let scope = Scope::new(
        test.package.unwrap_or("unknown-package"),
        test.name,
        Some(timeout),
    );
    let threads = Threads::default();
    let end = match (
        config::get().error(),
        runtime(test.flavor, &threads, &scope),
    ) {
        (Some(error), _) => End::NotStarted(error.to_owned()),
        (None, Err(error)) => End::NotStarted(format!(
            "the test's runtime cannot be made: {}",
            chain(&error)
        )),
        (None, Ok(runtime)) => {
            scope.directory.remove_earlier();
            let end = live(test, &scope, slots, body, &runtime, Location::caller());
            return conclude(test, &scope, end, runtime, &threads);
        }
    };
    Verdict::new(end, Vec::new()).conclude(test, &scope, &[], &[]);
}

fn runtime(flavor: Flavor, threads: &Threads, scope: &Arc<Scope>) -> std::io::Result<Runtime> {
    let mut builder = match flavor {
        Flavor::CurrentThread => Builder::new_current_thread(),
        Flavor::MultiThread { worker_threads } => {
            let mut builder = multi_thread::builder()?;
            worker_threads.map(|count| builder.worker_threads(count));
            builder
        }
    };
    threads.watch(&mut builder, scope, "test-body", None);
    builder.enable_all().build()
}

/// Starts the nodes and runs the body, until the first of them fails or time is up.
fn live(
    test: &Test,
    scope: &Arc<Scope>,
    slots: &[&Slot],
    body: Body<'_>,
    runtime: &Runtime,
    caller: &'static Location<'static>,
) -> End {
    let _entered = scope.enter();
    let roster = Roster::of_arguments(scope);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        // The body is moved into the future, so that what it holds is dropped inside the runtime.
        block_on(runtime, async move {
            let mut lived = pin!(async {
                if let Err(error) = start::start(test, slots, &roster, caller).await {
                    return End::NotStarted(chain(&error));
                }
                body.await.map_or_else(End::Failed, |()| End::Passed)
            });
            let deadline = scope.deadline.expect("a test has a deadline");
            let end = tokio::select! {
                biased;
                end = &mut lived => match end {
                    End::Passed if Instant::now() >= deadline => {
                        End::TimedOut("; it blocked its thread, so it could not be interrupted".to_owned())
                    }
                    end => end,
                },
                // Described here, while the waits that are pending have not been dropped yet.
                () = tokio::time::sleep_until(deadline.into()) => End::TimedOut(report::pending(scope)),
            };
            scope.end_of_body();
            end
        })
    }));
    // Once more for a panic.
    scope.end_of_body();
    ended.unwrap_or_else(End::Panicked)
}

/// Takes everything down, whatever happened, and judges the test.
fn conclude(test: &Test, scope: &Arc<Scope>, end: End, runtime: Runtime, threads: &Threads) {
    let verdict = Verdict::new(end, scope.deaths());
    let passed = verdict.passed(&test.should_panic);
    // Seen as they were when the body ended; only a report needs it.
    let (nodes, events) = match passed {
        true => (Vec::new(), Vec::new()),
        false => (seen::nodes(scope), scope.events(report::EVENTS)),
    };
    let deadline = teardown_deadline();
    let mut failures = Vec::new();
    // Clients before servers, as far as their runtime has one thread.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| runtime.shutdown_background())) {
        let text = crate::panic::text(&payload);
        failures.push(format!("a task of the test panicked when dropped: {text}"));
    }
    let rosters = scope.disown();
    rosters.iter().for_each(|roster| roster.close());
    match threads.wait_until(deadline) {
        0 => {}
        left => failures.push(format!(
            "{left} threads of the test's runtime did not end: a blocking task hangs"
        )),
    }
    for roster in rosters {
        failures.extend(roster.take_down(deadline));
    }
    if config::get().debug {
        eprintln!(
            "port-test: {}: {}",
            test.name,
            PortAllocator::global().stats()
        );
    }
    verdict
        .and_deaths(scope.deaths())
        .and_failures(failures)
        .conclude(test, scope, &nodes, &events);
}

impl Verdict {
    /// Keeps or removes the directory, reports a failure, and panics with it.
    fn conclude(self, test: &Test, scope: &Scope, nodes: &[Seen], events: &[String]) {
        let passed = self.passed(&test.should_panic);
        let (kept, unremoved) = match scope.directory.finish(!passed) {
            Ok(kept) => (kept, None),
            Err(error) => (
                None,
                Some(format!("the test's directory cannot be removed: {error}")),
            ),
        };
        let verdict = self.and_failures(unremoved);
        let passed = verdict.passed(&test.should_panic);
        if !passed {
            eprintln!(
                "{}",
                report::failure(test, &verdict, nodes, events, kept.as_deref())
            );
        }
        if let Some(payload) = verdict.into_panic(passed, &test.should_panic) {
            resume_unwind(payload);
        }
    }
}
