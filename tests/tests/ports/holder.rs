//! Another process that holds ports with sockets of its own, as a program that knows nothing of leases.

use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::RangeInclusive;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use port_test::cargo_bin;

/// Ends when this is dropped.
pub(crate) struct Holder {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    range: RangeInclusive<u16>,
}

impl Holder {
    /// Holds `count` consecutive ports, wherever they are free.
    pub(crate) fn somewhere(count: u16) -> Self {
        Holder::start(&["block", &count.to_string()])
    }

    /// Holds all of `range`.
    pub(crate) fn of(range: RangeInclusive<u16>) -> Self {
        let [first, last] = [range.start(), range.end()].map(u16::to_string);
        Holder::start(&["range", &first, &last])
    }

    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(cargo_bin!("port-worker"))
            .arg("hold")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let mut holder = Holder {
            stdin: child.stdin.take().expect("piped"),
            stdout: BufReader::new(child.stdout.take().expect("piped")),
            child,
            range: 1..=1,
        };
        let range = holder.line();
        let (first, last) = range.split_once('-').expect("a range");
        holder.range = first.parse().expect("a port")..=last.parse().expect("a port");
        holder
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it held in the beginning.
    pub(crate) fn range(&self) -> RangeInclusive<u16> {
        self.range.clone()
    }

    /// Gives ports back, by chance, until it holds `count`. Returns one of them.
    pub(crate) fn keep(&mut self, count: usize) -> u16 {
        writeln!(self.stdin, "{count}").expect("the worker listens");
        self.line().parse().expect("a port")
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        assert!(!line.is_empty(), "the worker has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
