//! The directory of one test: made when first asked for, kept on failure, removed by the next run.
//!
//! It lies beside the test binary, `target/debug/port-test/PACKAGE/TEST/RUN`, which belongs to whoever
//! built the test and which `cargo clean` removes. RUN tells runs and nextest's attempts apart.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::{self, Keep};
use crate::sync::lock;

/// Creating races with another run that removes an empty parent; each loss takes one removal by the
/// other, so a handful of tries is plenty.
const TRIES: usize = 16;

pub(crate) struct TestDirectory {
    /// `PACKAGE/TEST`, below the root.
    key: PathBuf,
    state: Mutex<State>,
}

enum State {
    New,
    Made(Made),
    /// The test is over; what is said or written late makes no other directory.
    Finished,
}

struct Made {
    path: PathBuf,
    /// Locked as long as this test lives, so that another run of it leaves the directory alone. The
    /// kernel gives the lock back whatever happens to the process.
    _alive: File,
}

impl TestDirectory {
    /// The directory of `test`; nothing is created yet.
    pub(crate) fn new(package: &str, test: &str) -> Self {
        Self {
            key: Path::new(&file_name(package)).join(file_name(test)),
            state: Mutex::new(State::New),
        }
    }

    /// Removes what earlier runs of this test have left, but nothing of a run that is still going on
    /// and no earlier attempt of this very run.
    pub(crate) fn remove_earlier(&self) {
        let Some(root) = beside().filter(|root| is_own_or_absent(root)) else {
            return;
        };
        let parent = root.join(&self.key);
        let Ok(entries) = fs::read_dir(&parent) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let of_this_run = entry
                .file_name()
                .to_string_lossy()
                .starts_with(run().id.as_str());
            // `file_type` does not follow links.
            if !of_this_run
                && entry.file_type().is_ok_and(|kind| kind.is_dir())
                && is_abandoned(&path)
            {
                let _ = fs::remove_dir_all(&path);
            }
        }
        remove_empty(&parent);
    }

    /// The directory `name` in this test's directory, created if need be.
    pub(crate) fn create(&self, name: &Path) -> io::Result<PathBuf> {
        let mut state = lock(&self.state);
        if matches!(*state, State::New) {
            *state = State::Made(self.make()?);
        }
        let State::Made(Made { path: run, .. }) = &*state else {
            return Err(io::Error::other("its test is over"));
        };
        let path = run.join(name);
        owner_only().recursive(true).create(&path)?;
        Ok(path)
    }

    /// Keeps or removes the directory; the path, if it is still there.
    pub(crate) fn finish(&self, failed: bool) -> io::Result<Option<PathBuf>> {
        let finished = std::mem::replace(&mut *lock(&self.state), State::Finished);
        let State::Made(made) = finished else {
            return Ok(None);
        };
        let keep = match config::get().keep {
            Keep::Always => true,
            Keep::Failure => failed,
            Keep::Never => false,
        };
        if keep {
            return Ok(Some(made.path));
        }
        fs::remove_dir_all(&made.path)?;
        made.path.parent().inspect(|parent| remove_empty(parent));
        Ok(None)
    }

    /// Makes the directory beside the test binary or, where that cannot be, in the temporary one.
    fn make(&self) -> io::Result<Made> {
        let beside = match beside() {
            Some(root) if is_own_or_absent(root) => make_in(&root.join(&self.key)),
            _ => Err(io::ErrorKind::PermissionDenied.into()),
        };
        beside.or_else(|_| make_in(&elsewhere()?.join(&self.key)))
    }
}

/// Another run may remove an empty parent just when this one is about to use it.
fn make_in(parent: &Path) -> io::Result<Made> {
    for _ in 0..TRIES {
        match make_locked(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
    }
    make_locked(parent)
}

/// Makes the directory under another name, locks it, and only then gives it its own name: nobody ever
/// sees it unlocked while its test lives.
fn make_locked(parent: &Path) -> io::Result<Made> {
    owner_only().recursive(true).create(parent)?;
    let mut number = 0;
    loop {
        let name = if number == 0 {
            run().name()
        } else {
            format!("{}.{number}", run().name())
        };
        let path = parent.join(&name);
        let unfinished = parent.join(format!(".{name}.{}", std::process::id()));
        number += 1;
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match owner_only().create(&unfinished) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other?,
        }
        let alive = File::open(&unfinished)?;
        alive.lock()?;
        match fs::rename(&unfinished, &path) {
            Ok(()) => {
                return Ok(Made {
                    path,
                    _alive: alive,
                });
            }
            // A directory only replaces an empty one, so this is another test of the same name.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                fs::remove_dir(&unfinished)?
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the run that made the directory at `path` is over.
fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|directory| directory.try_lock().is_ok())
}

/// Removes `parent` and the directories above it up to the root, as far as they are empty.
fn remove_empty(parent: &Path) {
    let ours = |directory: &&Path| beside().is_some_and(|root| directory.starts_with(root));
    for directory in parent.ancestors().take_while(ours) {
        if fs::remove_dir(directory).is_err() {
            break;
        }
    }
}

fn owner_only() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// `port-test` beside the test binary.
fn beside() -> Option<&'static Path> {
    static BESIDE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let beside = BESIDE.get_or_init(|| {
        let exe = std::env::current_exe().ok()?;
        let directory = exe.parent()?;
        // cargo puts test binaries into `deps` and examples into `examples`.
        let profile = match directory.file_name()?.to_str() {
            Some("deps" | "examples") => directory.parent()?,
            _ => directory,
        };
        Some(profile.join("port-test"))
    });
    beside.as_deref()
}

/// A directory in the system's temporary one, where others can write too: so its name is one that nobody
/// can foresee, and it must not exist yet. The next run cannot find it.
fn elsewhere() -> io::Result<&'static Path> {
    static ELSEWHERE: Mutex<Option<&'static Path>> = Mutex::new(None);
    let mut made = lock(&ELSEWHERE);
    if let Some(path) = *made {
        return Ok(path);
    }
    let path = std::env::temp_dir().join(format!("port-test-{:016x}", unforeseeable()));
    owner_only().create(&path)?;
    // One for the process, and used until its end.
    Ok(made.insert(path.leak()))
}

/// Whether `path` is a directory of our own or can be made one: not a link, and not another user's.
fn is_own_or_absent(path: &Path) -> bool {
    path.symlink_metadata()
        .map_or(true, |data| data.is_dir() && is_own(&data))
}

/// Whether the directory belongs to the user of this process, as far as the system has such a notion.
fn is_own(data: &fs::Metadata) -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata("/proc/self").is_ok_and(|own| own.uid() == data.uid())
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = data;
        true
    }
}

/// Std seeds its hash maps from the system's random source; this takes the same number.
fn unforeseeable() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(std::process::id())
}

struct Run {
    id: String,
    attempt: String,
}

impl Run {
    fn name(&self) -> String {
        format!("{}-{}", self.id, self.attempt)
    }
}

/// This run: nextest names its runs and attempts; under `cargo test` a process is a run.
fn run() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| match &config::get().nextest {
        Some(nextest) => Run {
            // Eight hexadecimal digits of the UUID tell the runs of one machine apart.
            id: file_name(&nextest.run_id).chars().take(8).collect(),
            attempt: file_name(&nextest.attempt),
        },
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_millis());
            Run {
                id: format!("{:x}-{now:x}", std::process::id()),
                attempt: "1".to_owned(),
            }
        }
    })
}

/// `text` as one portable file name: `::` becomes a dot, anything but letters, digits, `.`, `_`, `-` an
/// underscore.
fn file_name(text: &str) -> String {
    let name: String = text
        .replace("::", ".")
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    // "." and ".." are not names of their own, and a leading dot marks what is unfinished.
    if name.is_empty() || name.starts_with('.') {
        format!("_{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_directory() {
        assert_eq!(file_name("my_crate::module::test"), "my_crate.module.test");
        assert_eq!(file_name("../../etc"), "_.._.._etc");
        assert_eq!(file_name(".."), "_..");
        assert_eq!(file_name(""), "_");
    }

    /// Another run of these tests may go on beside this one, and one may have been killed.
    fn of_this_process(name: &str) -> String {
        format!("directory::{name}::{}", std::process::id())
    }

    #[test]
    fn a_directory_is_private_and_removed_after_success() {
        let test = TestDirectory::new("port-test", &of_this_process("success"));
        let path = test.create(Path::new("node-1")).unwrap();
        assert!(path.is_dir());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
        assert_eq!(test.finish(false).unwrap(), None);
        assert!(
            !path.parent().unwrap().parent().unwrap().exists(),
            "nor is its parent left"
        );
    }

    #[test]
    fn what_is_kept_is_removed_by_the_next_run_and_never_while_its_test_lives() {
        let live = TestDirectory::new("port-test", &of_this_process("kept"));
        let path = live.create(Path::new("node-1")).unwrap();
        let run = path.parent().unwrap();
        // As a later run sees it: under the name of another run.
        let other = run.with_file_name("ffffffff-1");
        fs::rename(run, &other).unwrap();
        TestDirectory::new("port-test", &of_this_process("kept")).remove_earlier();
        assert!(other.exists(), "its test still lives");
        assert!(live.finish(true).unwrap().is_some());
        TestDirectory::new("port-test", &of_this_process("kept")).remove_earlier();
        assert!(!other.exists(), "its test is over");
    }

    #[test]
    fn two_tests_of_one_name_get_directories_of_their_own() {
        let (one, two) = (
            TestDirectory::new("port-test", &of_this_process("twin")),
            TestDirectory::new("port-test", &of_this_process("twin")),
        );
        assert_ne!(
            one.create(Path::new("x")).unwrap(),
            two.create(Path::new("x")).unwrap()
        );
        assert_eq!(
            (one.finish(false).unwrap(), two.finish(false).unwrap()),
            (None, None)
        );
    }
}
