//! The table in a file of the user's, mapped into every process that leases.
//!
//! Nothing here may fail: without a file each process has cursors of its own, which are as right and a
//! little less good, because the kernel alone decides who holds a port.

mod table;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use super::word::Key;
use crate::config::{self, CursorPlace};
use crate::port::sync::AtomicU64;
use table::Table;

const SIZE: usize = size_of::<Table>();

/// A word of the file, for one range.
#[derive(Debug)]
pub(super) struct Slot {
    file: &'static CursorFile,
    word: &'static AtomicU64,
}

impl Slot {
    /// The slot of `key`, unless there is no file to be had.
    pub(super) fn of(key: Key) -> Option<Self> {
        // For the whole process, and until its end.
        static FILE: OnceLock<Option<CursorFile>> = OnceLock::new();
        let open = || {
            config::get()
                .cursor
                .iter()
                .flatten()
                .find_map(CursorFile::open)
        };
        let file = FILE.get_or_init(open).as_ref()?;
        let word = table::slot(file.table()?, key);
        Some(Slot { file, word })
    }

    /// The word, if it can still be reached.
    pub(super) fn word(&self) -> Option<&AtomicU64> {
        self.file.table().map(|_| self.word)
    }
}

/// Invariant: `table` points to `SIZE` bytes that stay mapped until the process ends.
#[derive(Debug)]
struct CursorFile {
    file: File,
    table: NonNull<Table>,
}

// SAFETY: the table is atomics, which all threads may use at once.
unsafe impl Send for CursorFile {}
// SAFETY: as above.
unsafe impl Sync for CursorFile {}

impl CursorFile {
    fn open(place: &CursorPlace) -> Option<Self> {
        let file = open(place).ok()?;
        // Also where it is long enough: a copy of it may have holes.
        fill_up(&file).ok()?;
        // SAFETY: a new mapping at an address of the kernel's choice takes nobody's memory, and it lives
        // as long as the process.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        let table = (address != libc::MAP_FAILED).then_some(address)?;
        let table = NonNull::new(table.cast())?;
        Some(CursorFile { file, table })
    }

    /// The table, if the file is as long as it was. To touch a page that was cut off is SIGBUS, the end of
    /// the process, so who holds on to the result for long must ask again. Only the owner can cut the file
    /// off, and would have to do it between this and the next few instructions.
    fn table(&self) -> Option<&Table> {
        make_room(&self.file).ok()?;
        // SAFETY: mapped, by the invariant; page-aligned; any bytes are valid numbers, and every process
        // changes them by atomic instructions.
        Some(unsafe { self.table.as_ref() })
    }
}

/// Gives the file the length of a table, if it has less; never less than it has.
fn make_room(mut file: &File) -> io::Result<()> {
    // Seeking is the cheapest way to ask: nearly every lease does. Nobody else uses the position; threads
    // wait for each other at it for as long as the call takes, a tenth of a microsecond.
    if file.seek(SeekFrom::End(0))? >= SIZE as u64 {
        return Ok(());
    }
    fill_up(file)
}

fn fill_up(file: &File) -> io::Result<()> {
    let mut most = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit writes one `rlimit`, which lives.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut most) } == 0;
    if !known || most.rlim_cur < SIZE as libc::rlim_t {
        // To write beyond that limit is a signal.
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    // With blocks on the disk, which a file that was merely made longer would not have: to write to a
    // mapping for which a full disk has no block is SIGBUS as well. (File systems that write each block
    // anew, like btrfs, do not promise to have another one.)
    // SAFETY: takes no pointer.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, SIZE as libc::off_t) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Opens the file, making it and its directory if need be. Both must be this user's own, and only what
/// nobody else can write to is trusted with a name that anybody could guess.
fn open(place: &CursorPlace) -> io::Result<File> {
    let refuse = || io::Error::from(io::ErrorKind::PermissionDenied);
    // SAFETY: asks for a number, and cannot fail.
    let user = unsafe { libc::geteuid() };
    let is_own = |path: &Path| {
        let data = fs::metadata(path)?;
        let own = data.is_dir() && data.uid() == user && data.mode() & 0o022 == 0;
        own.then_some(()).ok_or_else(refuse)
    };
    is_own(&place.base)?;
    let mut directory = place.base.clone();
    for name in place.below {
        directory.push(name);
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result?,
        }
        is_own(&directory)?;
    }

    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    let file = options.open(directory.join("cursor"))?;
    let data = file.metadata()?;
    // Another name for it could be that of a file of the user's that is something else.
    let own = data.is_file() && data.nlink() == 1;
    let own = own && data.uid() == user && data.mode() & 0o077 == 0;
    own.then_some(file).ok_or_else(refuse)
}
