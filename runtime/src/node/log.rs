//! What one node says, in all its runs: whole in a file, the last of it in memory.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

use super::pending::Pending;
use super::roster::Roster;
use super::scope::Scope;
use super::start::Caller;
use crate::config;
use crate::error::{Error, ErrorKind};
use crate::sync::lock;

/// What is kept in memory, whatever a node prints. A report shows ten lines.
const RECENT_LINES: usize = 200;
const RECENT_BYTES: usize = 64 * 1024;
/// Longer lines are cut in memory, so that one alone does not push out all others.
const LONGEST_RECENT: usize = 4 * 1024;
/// How much a wait reads before it lets others have the thread.
const CHUNK: usize = 64 * 1024;
/// How many of the last lines a wait in vain shows.
const SHOWN: usize = 5;

pub(crate) struct Log {
    /// What the node is called in messages.
    label: String,
    scope: Arc<Scope>,
    /// Of the file, in the directory of the test.
    name: PathBuf,
    inner: Mutex<Inner>,
    /// Signalled after each line.
    grown: Notify,
}

#[derive(Default)]
struct Inner {
    /// From the first line on.
    file: Option<(File, PathBuf)>,
    /// Why the file could not be made or written. It is not tried again: a file with gaps misleads.
    failure: Option<String>,
    /// How much of the file is complete lines, whatever a failed write has left behind them.
    end: Position,
    /// Where the present run of the node begins.
    run: Position,
    recent: Recent,
    /// The line that is being written, with its end: one write(2).
    buffer: Vec<u8>,
    /// Where the node's tracing events go, if not here.
    elsewhere: bool,
}

#[derive(Clone, Copy, Default)]
struct Position {
    bytes: u64,
    lines: u64,
}

impl Log {
    /// The log of the node `name` of `roster`. There is no file before the first line.
    pub(crate) fn new(roster: &Roster, name: &str) -> Arc<Self> {
        Arc::new(Self {
            label: roster.label(name),
            scope: Arc::clone(&roster.scope),
            name: roster.directory_of(&format!("{name}.log")),
            inner: Mutex::default(),
            grown: Notify::new(),
        })
    }

    /// Adds a line, given without its end; any bytes will do. Several, with the ends between them, are
    /// written at once.
    ///
    /// It is in the file when this returns, so that nothing is lost if the process is killed.
    pub(crate) fn line(&self, bytes: &[u8]) {
        {
            let inner = &mut *lock(&self.inner);
            if inner.failure.is_none()
                && let Err(error) = self.write(inner, bytes)
            {
                let failure = format!("port_test: this log cannot be written any more: {error}");
                inner.recent.push(failure.as_bytes());
                inner.failure = Some(failure);
            }
            for line in bytes.split(|byte| *byte == b'\n') {
                inner.end.lines += 1;
                inner.recent.push(line);
                if config::get().log {
                    // eprintln, which the test harness captures and shows beside its test.
                    // It panics if stderr is closed, which is no reason to lose the node.
                    let line = format!("{} | {}", self.label, text(line));
                    let _ = std::panic::catch_unwind(|| eprintln!("{line}"));
                }
            }
        }
        self.grown.notify_waiters();
    }

    /// A run of the node begins: what it waits for is no line of an earlier one.
    pub(crate) fn begin_run(&self) {
        let mut inner = lock(&self.inner);
        inner.run = inner.end;
    }

    /// The node's tracing events go to a subscriber of the user's, or do not.
    pub(crate) fn events_elsewhere(&self, elsewhere: bool) {
        lock(&self.inner).elsewhere = elsewhere;
    }

    /// How long the test has run, for those who write lines.
    pub(crate) fn elapsed(&self) -> Duration {
        self.scope.started.elapsed()
    }

    /// The last lines, `count` at most; long ones are cut.
    pub(crate) fn tail(&self, count: usize) -> Vec<String> {
        lock(&self.inner).recent.last(count)
    }

    /// How many lines there are.
    #[cfg(test)]
    pub(crate) fn lines(&self) -> u64 {
        lock(&self.inner).end.lines
    }

    /// All lines of all runs. If they are not all in the file, those that are in memory.
    pub(crate) fn text(&self) -> String {
        let (path, length) = {
            let inner = lock(&self.inner);
            match (&inner.file, &inner.failure) {
                (Some((_, path)), None) => (path.clone(), inner.end.bytes),
                _ => return inner.recent.text(),
            }
        };
        // Read without the lock: a long file must not hold up the node.
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(length).read_to_end(&mut bytes));
        match read {
            Ok(_) => text(&bytes).into_owned(),
            Err(_) => lock(&self.inner).recent.text(),
        }
    }

    /// Waits for a line of the present run that contains `needle`, and returns it. Without a `waiter`
    /// it is the test's body that waits.
    ///
    /// # Errors
    ///
    /// Time is up, a node died, or the log cannot be written.
    pub(crate) fn wait_for(
        self: &Arc<Self>,
        needle: &str,
        waiter: Option<&str>,
        caller: Caller,
    ) -> impl Future<Output = Result<String, Error>> + Send + use<> {
        let whose = match waiter {
            Some(_) => "its log".to_owned(),
            None => format!("the log of {}", self.label),
        };
        let mut wait = Pending::new(format!("a line with `{needle}` in {whose}"), caller);
        wait.waiter = waiter.map(str::to_owned);
        let (log, needle) = (Arc::clone(self), needle.to_owned());
        let start = lock(&self.inner).run;
        async move {
            let detail = || Some(log.seen_since(start));
            let found = log
                .scope
                .wait(wait, log.find(start, &needle), detail)
                .await??;
            log.scope.note(&log.label, format!("logged `{needle}`"));
            Ok(found)
        }
    }

    async fn find(&self, start: Position, needle: &str) -> Result<String, Error> {
        let mut reader = Reader::new(start);
        loop {
            // Made before the look at the log, so that no line falls between the two.
            let grown = self.grown.notified();
            while let Some(chunk) = reader.next(self).map_err(|error| self.error(&error))? {
                if let Some(line) = line_with(&chunk, needle) {
                    return Ok(line);
                }
                tokio::task::yield_now().await;
            }
            grown.await;
        }
    }

    fn error(&self, error: &io::Error) -> Error {
        let message = format!("cannot wait for a line in the log of {}", self.label);
        Error::new(ErrorKind::Io, format!("{message}: {error}"))
    }

    /// For a wait in vain.
    fn seen_since(&self, start: Position) -> String {
        let inner = lock(&self.inner);
        let count = inner.end.lines - start.lines;
        let mut text = match count {
            0 => "there is none".to_owned(),
            1 => "there is one line".to_owned(),
            _ => format!("there are {count} lines"),
        };
        text.push_str(" since the node's start");
        if inner.elsewhere {
            text.push_str(" (tracing events go to the subscriber that is set globally)");
        }
        let shown = usize::try_from(count).map_or(SHOWN, |count| count.min(SHOWN));
        match inner.recent.last(shown).as_slice() {
            [] => {}
            [line] => text.push_str(&format!(":\n    {line}")),
            lines => text.push_str(&format!(
                ", the last of them:\n    {}",
                lines.join("\n    ")
            )),
        }
        text
    }

    fn write(&self, inner: &mut Inner, bytes: &[u8]) -> io::Result<()> {
        let (file, _) = match &mut inner.file {
            Some(file) => file,
            none => none.insert(self.create()?),
        };
        inner.buffer.clear();
        inner.buffer.extend_from_slice(bytes);
        inner.buffer.push(b'\n');
        file.write_all(&inner.buffer)?;
        inner.end.bytes += inner.buffer.len() as u64;
        // A huge line was in memory once; it need not stay there.
        inner.buffer.clear();
        inner.buffer.shrink_to(RECENT_BYTES);
        Ok(())
    }

    fn create(&self) -> io::Result<(File, PathBuf)> {
        let parent = self.name.parent().unwrap_or(Path::new(""));
        let directory = self.scope.directory.create(parent)?;
        let path = directory.join(self.name.file_name().unwrap_or_default());
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok((options.open(&path)?, path))
    }
}

/// Reads a log's file as it grows, each line once.
struct Reader {
    file: Option<File>,
    /// What has been read from the file, or is to be skipped.
    offset: u64,
    /// Behind the last complete line that was handed out.
    rest: Vec<u8>,
}

impl Reader {
    fn new(start: Position) -> Self {
        Self {
            file: None,
            offset: start.bytes,
            rest: Vec::new(),
        }
    }

    /// The next complete lines; none if all have been read.
    fn next(&mut self, log: &Log) -> io::Result<Option<Vec<u8>>> {
        let end = {
            let inner = lock(&log.inner);
            match (&inner.file, &inner.failure) {
                (Some((_, path)), _) if self.offset < inner.end.bytes => {
                    if self.file.is_none() {
                        let mut file = File::open(path)?;
                        file.seek(SeekFrom::Start(self.offset))?;
                        self.file = Some(file);
                    }
                    inner.end.bytes
                }
                (_, Some(failure)) => return Err(io::Error::other(failure.clone())),
                _ => return Ok(None),
            }
        };
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        // The file ends with a complete line, so this comes to an end even if one is longer.
        while self.offset < end {
            let mut part = file.take(CHUNK.min((end - self.offset) as usize) as u64);
            let read = part.read_to_end(&mut self.rest)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.offset += read as u64;
            if let Some(last) = self.rest.iter().rposition(|byte| *byte == b'\n') {
                let rest = self.rest.split_off(last + 1);
                return Ok(Some(std::mem::replace(&mut self.rest, rest)));
            }
        }
        Ok(None)
    }
}

/// The first of the `lines` that contains `needle`.
fn line_with(lines: &[u8], needle: &str) -> Option<String> {
    let lines = text(lines);
    // Most chunks are passed over by this one search, which std has compiled to be fast.
    if !lines.contains(needle) {
        return None;
    }
    lines
        .lines()
        .find(|line| line.contains(needle))
        .map(str::to_owned)
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// The last lines, bounded in number and in bytes.
#[derive(Default)]
struct Recent {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Recent {
    fn push(&mut self, line: &[u8]) {
        let mut kept = line[..line.len().min(LONGEST_RECENT)].to_vec();
        if kept.len() < line.len() {
            kept.extend_from_slice("…".as_bytes());
        }
        self.bytes += kept.len();
        self.lines.push_back(kept);
        while self.lines.len() > RECENT_LINES || self.bytes > RECENT_BYTES {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }

    fn last(&self, count: usize) -> Vec<String> {
        let skipped = self.lines.len().saturating_sub(count);
        let lines = self.lines.iter().skip(skipped);
        lines
            .map(|line| text(line).trim_end_matches('\r').to_owned())
            .collect()
    }

    fn text(&self) -> String {
        let lines = self.last(RECENT_LINES).into_iter();
        lines.map(|line| line + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::pin::pin;
    use std::task::Poll;

    use super::*;

    /// A log whose test is called `name`, and that test.
    fn log(name: &str) -> (Arc<Log>, Arc<Scope>) {
        let scope = Scope::new("port-test", &format!("log::{name}"), None);
        let roster = Roster::of_arguments(&scope);
        scope.disown();
        (Log::new(&roster, "node-1"), scope)
    }

    fn path(log: &Log) -> PathBuf {
        let inner = lock(&log.inner);
        inner.file.as_ref().expect("it has a file").1.clone()
    }

    #[test]
    fn the_file_has_the_bytes_as_they_came_and_is_the_owners() {
        let (log, scope) = log("bytes");
        log.line(b"\xff\x00 no UTF-8");
        log.line("zwölf".as_bytes());
        log.line(b"");
        let path = path(&log);
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"\xff\x00 no UTF-8\nzw\xc3\xb6lf\n\n"
        );
        assert_eq!(log.text(), "\u{fffd}\0 no UTF-8\nzwölf\n\n");
        assert_eq!(log.tail(2), ["zwölf", ""]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = path.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        scope.directory.finish(false).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn without_a_line_there_is_no_directory_and_after_the_test_there_is_none() {
        let (log, scope) = log("lazy");
        assert_eq!((log.text(), log.lines()), (String::new(), 0));
        assert_eq!(scope.directory.finish(true).unwrap(), None);
        log.line(b"too late");
        assert!(lock(&log.inner).file.is_none());
        assert_eq!(log.tail(9).last().unwrap(), "too late");
    }

    #[test]
    fn megabytes_are_whole_in_the_file_and_bounded_in_memory() {
        const MEGABYTES: usize = 50;
        let (log, scope) = log("megabytes");
        let (short, long) = ([b's'; 99], [b'l'; 10 * 1024 - 1]);
        let mut written = 0;
        while written < MEGABYTES << 20 {
            let line: &[u8] = if log.lines() % 10 == 0 { &long } else { &short };
            log.line(line);
            written += line.len() + 1;
            let inner = lock(&log.inner);
            let kept = inner.recent.lines.iter().map(Vec::len);
            assert!(kept.len() <= RECENT_LINES);
            assert_eq!(kept.sum::<usize>(), inner.recent.bytes);
            assert!(inner.recent.bytes <= RECENT_BYTES && inner.buffer.capacity() <= RECENT_BYTES);
        }
        assert_eq!(path(&log).metadata().unwrap().len(), written as u64);
        (0..1000).for_each(|_| log.line(b"short"));
        assert_eq!(log.tail(usize::MAX).len(), RECENT_LINES);
        // A line that no memory would hold has to pass through, and must not stay.
        let huge = vec![b'h'; 5 << 20];
        log.line(&huge);
        assert!(lock(&log.inner).buffer.capacity() <= RECENT_BYTES);
        assert_eq!(log.tail(1)[0].chars().count(), LONGEST_RECENT + 1);
        let mut end = File::open(path(&log)).unwrap();
        end.seek(SeekFrom::End(-(huge.len() as i64 + 1))).unwrap();
        let mut last = Vec::new();
        end.read_to_end(&mut last).unwrap();
        assert!(last[..huge.len()] == huge);
        scope.directory.finish(false).unwrap();
    }

    #[test]
    fn lines_that_come_together_are_told_apart() {
        let (log, scope) = log("together");
        log.line(b"one\r\ntwo");
        assert_eq!(
            (log.lines(), log.tail(9)),
            (2, vec!["one".to_owned(), "two".to_owned()])
        );
        scope.directory.finish(false).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_told_once_and_ends_waits() {
        let (log, scope) = log("full");
        let directory = scope.directory.create(Path::new("")).unwrap();
        std::os::unix::fs::symlink("/dev/full", directory.join("node-1.log")).unwrap();
        for number in 0..3 {
            log.line(format!("line {number}").as_bytes());
        }
        let tail = log.tail(9);
        assert!(tail[0].contains("No space left on device"), "{tail:?}");
        assert_eq!(tail[1..], ["line 0", "line 1", "line 2"]);
        assert!(log.text().ends_with("line 2\n"));
        let waited = log.wait_for("line 2", None, Location::caller()).await;
        let error = waited.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().contains("No space left on device"));
        scope.directory.finish(false).unwrap();
    }

    #[tokio::test]
    async fn a_wait_sees_each_line_of_the_run_once_however_long() {
        let (log, scope) = log("waits");
        let wait = |text: &'static str| log.wait_for(text, None, Location::caller());
        log.line(b"ready 0");
        log.begin_run();
        log.line("x".repeat(3 * CHUNK).as_bytes());
        log.line(b"ready 1");
        assert_eq!(wait("ready").await.unwrap(), "ready 1");

        // Nothing is missed on the border of two reads: each line crosses one, here or there.
        for number in 0..(3 * CHUNK / 100) {
            log.line(format!("{number:099}").as_bytes());
        }
        log.line(b"the end");
        for number in [0, 654, 655, 656, 1310, 1311] {
            let line = format!("{number:099}");
            assert_eq!(
                log.wait_for(&line, None, Location::caller()).await.unwrap(),
                line
            );
        }
        assert_eq!(wait("the end").await.unwrap(), "the end");

        log.begin_run();
        let mut waiting = pin!(wait("ready"));
        let pending =
            std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending()));
        assert!(pending.await, "of the run before");
        log.line(b"almost");
        let pending =
            std::future::poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending()));
        assert!(pending.await);
        log.line(b"ready 2\nready 3");
        assert_eq!(waiting.await.unwrap(), "ready 2");
        scope.directory.finish(false).unwrap();
    }

    #[tokio::test]
    async fn lines_of_many_threads_come_whole_and_wake_the_waits() {
        let (log, scope) = log("threads");
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    for number in 0..1000 {
                        log.line(format!("{thread} {number}.").as_bytes());
                    }
                })
            })
            .collect();
        for thread in 0..8 {
            let last = format!("{thread} 999.");
            let line = log.wait_for(&last, None, Location::caller()).await;
            assert_eq!(line.unwrap(), last);
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let text = log.text();
        assert_eq!((log.lines(), text.lines().count()), (8000, 8000));
        for thread in 0..8 {
            let own = text
                .lines()
                .filter(|line| line.starts_with(&format!("{thread} ")));
            assert!(own.eq((0..1000).map(|number| format!("{thread} {number}."))));
        }
        scope.directory.finish(false).unwrap();
    }
}
