//! The cursor that processes share, and what becomes of leases when its file is not what it should be.
//!
//! Ports that somebody else holds are left out, so no test expects a certain port: together the processes
//! go round the range, and nobody comes by twice.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use port_test::{PortAllocator, cargo_bin};
use tempfile::TempDir;

const FIRST: u32 = 20_000;
const LENGTH: u32 = 10_000;
/// 512 words of eight bytes.
const SIZE: u64 = 4096;

/// A user's own directory.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("port-test/cursor")
    }

    /// Makes a file with `content` where the cursor would be.
    fn with(content: &[u8]) -> Self {
        let place = Place::new();
        let directory = place.0.path().join("port-test");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
        fs::write(place.file(), content).unwrap();
        fs::set_permissions(place.file(), Permissions::from_mode(0o600)).unwrap();
        place
    }

    fn command(&self) -> Command {
        command(&worker(), self.0.path())
    }

    fn start(&self) -> Worker {
        Worker::start(&mut self.command())
    }

    /// The ports of `count` leases of a process of its own.
    fn lease(&self, count: usize) -> Vec<u32> {
        self.start().lease(count)
    }
}

fn worker() -> PathBuf {
    cargo_bin!("cursor-worker")
}

fn command(program: &Path, place: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env("PORT_TEST_RANGE", format!("{FIRST}-{}", FIRST + LENGTH - 1))
        .env("XDG_RUNTIME_DIR", place)
        .env_remove("PORT_TEST_CURSOR")
        .env_remove("XDG_CACHE_HOME")
        .env_remove("HOME");
    command
}

struct Worker {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Worker { child, answers }
    }

    #[track_caller]
    fn lease(&mut self, count: usize) -> Vec<u32> {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{count}").unwrap();
        let ports = self.answer();
        if ports.len() != count {
            panic!("the worker ended: {}", self.child.wait().unwrap());
        }
        ports
    }
}

impl Worker {
    /// The ports; none if it has ended.
    fn answer(&mut self) -> Vec<u32> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        let ports = answer.split_whitespace();
        ports.map(|port| port.parse().unwrap()).collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // At the end of its stdin it ends by itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Whether each port lies behind the one before, and all of them within one round of the range.
fn go_round_once(ports: &[u32]) -> bool {
    let ways = ports
        .windows(2)
        .map(|pair| (pair[1] + LENGTH - pair[0]) % LENGTH);
    ways.clone().all(|way| way > 0) && ways.sum::<u32>() < LENGTH
}

#[test]
fn the_next_process_goes_on_where_the_last_one_ended() {
    let place = Place::new();
    let ports: Vec<u32> = (0..20).flat_map(|_| place.lease(3)).collect();
    assert!(go_round_once(&ports), "{ports:?}");

    let data = fs::metadata(place.file()).unwrap();
    assert_eq!((data.len(), data.mode() & 0o777), (SIZE, 0o600));
    let directory = fs::metadata(place.file().parent().unwrap()).unwrap();
    assert_eq!(directory.mode() & 0o777, 0o700);
}

#[test]
fn processes_that_are_killed_leave_it_as_good_as_new() {
    let place = Place::new();
    let mut ports = Vec::new();
    for _ in 0..20 {
        let mut worker = place.start();
        ports.extend(worker.lease(3));
        worker.child.kill().unwrap();
    }
    assert!(go_round_once(&ports), "{ports:?}");
}

#[test]
fn without_it_each_process_begins_elsewhere() {
    let place = Place::new();
    let lease = || Worker::start(place.command().env("PORT_TEST_CURSOR", "off")).lease(3);
    let ports: Vec<u32> = (0..20).flat_map(|_| lease()).collect();
    assert!(!go_round_once(&ports), "{ports:?}");
    assert!(!place.file().exists());
}

#[test]
fn a_thousand_processes_share_it_and_lose_no_step() {
    const EACH: usize = 3;
    let place = Place::new();
    let ports: Vec<u32> = thread::scope(|scope| {
        let some = || (0..125).flat_map(|_| place.lease(EACH)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(some)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let different: HashSet<&u32> = ports.iter().collect();
    assert_eq!((ports.len(), different.len()), (1000 * EACH, 1000 * EACH));
}

#[test]
fn whatever_is_in_the_file_it_is_of_use_again() {
    // The key of the range, at a place that it does not have.
    let key = u64::from(FIRST) << 48 | u64::from(FIRST + LENGTH - 1) << 32;
    let outside = key | u64::from(LENGTH - 1) << 16 | 0xFFFF;
    let noise: Vec<u8> = (0..1_000_000_u32)
        .map(|n| (n.wrapping_mul(0x9E37_79B9) >> 24) as u8)
        .collect();
    for content in [
        Vec::new(),
        vec![7; 10],
        vec![0xFF; SIZE as usize],
        outside.to_ne_bytes().repeat(512),
        noise,
    ] {
        let place = Place::with(&content);
        let ports: Vec<u32> = (0..10).flat_map(|_| place.lease(3)).collect();
        assert!(go_round_once(&ports), "{} bytes: {ports:?}", content.len());
        let length = fs::metadata(place.file()).unwrap().len();
        assert_eq!(length, SIZE.max(content.len() as u64));
    }
}

#[test]
fn a_file_that_is_cut_off_or_removed_while_it_is_in_use() {
    let place = Place::new();
    let mut worker = place.start();
    worker.lease(3);
    for length in [0, 1, 100] {
        let file = File::options().write(true).open(place.file()).unwrap();
        file.set_len(length).unwrap();
        worker.lease(100);
        assert_eq!(file.metadata().unwrap().len(), SIZE);
        assert!(go_round_once(&[place.lease(3), worker.lease(3)].concat()));
    }
    fs::remove_file(place.file()).unwrap();
    worker.lease(3);
    assert!(!place.file().exists());
    // Whoever comes next begins again.
    assert!(go_round_once(&[place.lease(3), place.lease(3)].concat()));
    worker.lease(3);
}

#[test]
fn a_file_that_cannot_be_had_is_done_without() {
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    let replace = |make: &dyn Fn(&Path)| {
        let place = Place::with(b"");
        fs::remove_file(place.file()).unwrap();
        make(&place.file());
        place
    };
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let places = [
        // Not followed, not waited for, not written to.
        replace(&|path| symlink(elsewhere.path(), path).unwrap()),
        replace(&|path| symlink("/nowhere/at/all", path).unwrap()),
        replace(&|path| fs::create_dir(path).unwrap()),
        replace(&|path| {
            let status = Command::new("mkfifo").arg(path).status().unwrap();
            assert!(status.success());
        }),
        // Others could write to it, or put something else in its place.
        replace(&|path| {
            fs::write(path, "").unwrap();
            mode(path, 0o622);
        }),
        replace(&|path| mode(path.parent().unwrap(), 0o777)),
        replace(&|path| mode(path.parent().unwrap().parent().unwrap(), 0o1777)),
    ];
    for (n, place) in places.iter().enumerate() {
        let before = fs::symlink_metadata(place.file())
            .ok()
            .map(|data| data.len());
        assert_eq!(place.lease(3).len(), 3, "{n}");
        let after = fs::symlink_metadata(place.file())
            .ok()
            .map(|data| data.len());
        assert_eq!(before, after, "{n}");
    }
    assert_eq!(fs::metadata(elsewhere.path()).unwrap().len(), 0);
    let nowhere = Path::new("/nowhere/at/all");
    let mut worker = Worker::start(&mut command(&worker(), nowhere));
    assert_eq!(worker.lease(3).len(), 3);
}

#[test]
fn a_file_that_can_only_be_read_is_done_without() {
    let place = Place::with(&[0; SIZE as usize]);
    let mut command = place.command();
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        /// CAP_DAC_OVERRIDE: what root may do whatever a file's mode says.
        const OVERRIDE: libc::c_ulong = 1;
        let obey_modes = || {
            // SAFETY: takes numbers alone. A root that does not have it need not, and may not, drop it.
            let has = unsafe { libc::prctl(libc::PR_CAPBSET_READ, OVERRIDE) } == 1;
            // SAFETY: as above.
            if has && unsafe { libc::prctl(libc::PR_CAPBSET_DROP, OVERRIDE) } != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        };
        // SAFETY: the closure makes one system call, with numbers alone.
        unsafe { command.pre_exec(obey_modes) };
    }
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(&place.file(), 0o400);
    assert_eq!(Worker::start(&mut command).lease(3).len(), 3);
    assert_eq!(fs::read(place.file()).unwrap(), [0; SIZE as usize]);

    // A directory in which it cannot be made.
    let directory = place.file().parent().unwrap().to_owned();
    fs::remove_file(place.file()).unwrap();
    mode(&directory, 0o500);
    assert_eq!(Worker::start(&mut command).lease(3).len(), 3);
    assert!(!place.file().exists());
    // So that it can be removed.
    mode(&directory, 0o700);
}

#[test]
fn a_setting_that_is_neither_on_nor_off_is_told() {
    let place = Place::new();
    let mut worker = place.command();
    let output = worker.env("PORT_TEST_CURSOR", "onn").stdin(Stdio::piped());
    let mut worker = output.stderr(Stdio::piped()).spawn().unwrap();
    writeln!(worker.stdin.take().unwrap(), "1").unwrap();
    let output = worker.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("InvalidSetting"), "{text}");
    assert!(text.contains("PORT_TEST_CURSOR=\"onn\""), "{text}");
}

/// A search that meets many busy ports asks again and again whether the file is still whole. Between an
/// answer and what is done then, some instructions, nothing can keep the owner from cutting it off; before
/// each search asked so often, 18 of 20 processes ended here.
#[test]
fn a_file_that_is_cut_off_during_a_long_search() {
    const PORTS: usize = 300;
    let high = PortAllocator::builder().range(61_000..=u16::MAX);
    let mut taken = high.build().unwrap().lease_block(PORTS as u16).unwrap();
    let range = format!("{}-{}", taken[0].port(), taken[PORTS - 1].port());
    taken.truncate(PORTS - 2);
    let ended = (0..20).filter(|_| {
        let place = Place::new();
        let mut worker = Worker::start(place.command().env("PORT_TEST_RANGE", &range));
        assert_eq!(worker.lease(1).len(), 1);
        writeln!(worker.child.stdin.as_mut().unwrap(), "200").unwrap();
        let before = fs::read(place.file()).unwrap();
        while fs::read(place.file()).unwrap() == before {
            thread::yield_now();
        }
        let file = File::options().write(true).open(place.file()).unwrap();
        file.set_len(0).unwrap();
        worker.answer().len() != 200
    });
    let ended = ended.count();
    assert!(ended <= 5, "{ended} of 20 processes ended");
}
