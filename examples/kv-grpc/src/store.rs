use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prost::Message;

use crate::proto::Entry;

/// One node's entries: in memory, and in an append-only log that is replayed when it is opened.
#[derive(Debug)]
pub struct Store {
    node: u64,
    path: PathBuf,
    inner: Mutex<Inner>,
    puts: AtomicU64,
}

#[derive(Debug)]
struct Inner {
    entries: BTreeMap<String, Entry>,
    log: File,
}

impl Store {
    /// Opens the log `kv.log` in `dir`, or begins it. A record that was cut short is dropped.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(dir: &Path, node: u64) -> io::Result<Self> {
        let path = dir.join("kv.log");
        let log = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = fs::read(&path)?;
        let mut rest = bytes.as_slice();
        let mut whole = 0;
        let mut entries = BTreeMap::new();
        while let Ok(entry) = Entry::decode_length_delimited(&mut rest) {
            whole = bytes.len() - rest.len();
            // The log has only winners, so the later record of a key is the newer one.
            entries.insert(entry.key.clone(), entry);
        }
        log.set_len(whole as u64)?;
        let inner = Mutex::new(Inner { entries, log });
        Ok(Self {
            node,
            path,
            inner,
            puts: AtomicU64::new(0),
        })
    }

    /// Stores a value under the key's next version, and returns the entry for the peers.
    ///
    /// # Errors
    /// When the log cannot be written; then nothing is stored.
    pub fn put(&self, key: String, value: String) -> io::Result<Entry> {
        let mut inner = self.lock();
        let version = inner.entries.get(&key).map_or(0, |old| old.version) + 1;
        let entry = Entry {
            key,
            value,
            version,
            node: self.node,
        };
        inner.append(entry.clone())?;
        self.puts.fetch_add(1, Ordering::Relaxed);
        Ok(entry)
    }

    /// Takes a peer's entry, unless this node has a newer one.
    ///
    /// # Errors
    /// When the log cannot be written; then nothing is stored.
    pub fn merge(&self, entry: Entry) -> io::Result<()> {
        let mut inner = self.lock();
        let old = inner.entries.get(&entry.key);
        if old.is_none_or(|old| (entry.version, entry.node) > (old.version, old.node)) {
            inner.append(entry)?;
        }
        Ok(())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<String> {
        self.lock()
            .entries
            .get(key)
            .map(|entry| entry.value.clone())
    }

    /// All entries, in the order of their keys.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.values().cloned().collect()
    }

    /// The number of keys.
    pub fn keys(&self) -> usize {
        self.lock().entries.len()
    }

    /// The number of writes that clients made here since the node started.
    pub fn puts(&self) -> u64 {
        self.puts.load(Ordering::Relaxed)
    }

    /// Rewrites the log with one record for each key.
    ///
    /// # Errors
    /// What the file system says; the old log is then still whole.
    pub fn compact(&self) -> io::Result<()> {
        let mut inner = self.lock();
        let bytes: Vec<u8> = inner
            .entries
            .values()
            .flat_map(Message::encode_length_delimited_to_vec)
            .collect();
        let new = self.path.with_extension("new");
        fs::write(&new, bytes)?;
        fs::rename(&new, &self.path)?;
        inner.log = OpenOptions::new().append(true).open(&self.path)?;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics between the log and the map, so they agree even after a poisoning.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, entry: Entry) -> io::Result<()> {
        self.log
            .write_all(&entry.encode_length_delimited_to_vec())?;
        self.entries.insert(entry.key.clone(), entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(name: &str) -> (PathBuf, Store) {
        let dir = std::env::temp_dir().join(format!("kv-grpc-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir, 1).unwrap();
        (dir, store)
    }

    #[test]
    fn survives_reopening_and_a_torn_record() {
        let (dir, store) = store("torn");
        store.put("a".into(), "1".into()).unwrap();
        store.put("a".into(), "2".into()).unwrap();
        let whole = fs::read(dir.join("kv.log")).unwrap();
        store.put("b".into(), "lost".into()).unwrap();
        let longer = fs::read(dir.join("kv.log")).unwrap();
        for cut in whole.len()..longer.len() {
            fs::write(dir.join("kv.log"), &longer[..cut]).unwrap();
            let store = Store::open(&dir, 1).unwrap();
            assert_eq!(
                (store.get("a").as_deref(), store.get("b")),
                (Some("2"), None),
                "cut at {cut}"
            );
            assert_eq!(store.put("a".into(), "3".into()).unwrap().version, 3);
            assert_eq!(Store::open(&dir, 1).unwrap().get("a").as_deref(), Some("3"));
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_greater_version_then_node_wins_in_any_order() {
        let (dir, store) = store("merge");
        let entry = |version, node| Entry {
            key: "k".into(),
            value: format!("{version}.{node}"),
            version,
            node,
        };
        for (version, node, winner) in [
            (2, 2, "2.2"),
            (1, 9, "2.2"),
            (2, 1, "2.2"),
            (2, 3, "2.3"),
            (3, 1, "3.1"),
        ] {
            store.merge(entry(version, node)).unwrap();
            assert_eq!(store.get("k").as_deref(), Some(winner));
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn compacts_to_one_record_a_key() {
        let (dir, store) = store("compact");
        (0..10).for_each(|i| drop(store.put("k".into(), i.to_string()).unwrap()));
        let before = fs::metadata(dir.join("kv.log")).unwrap().len();
        store.compact().unwrap();
        store.put("other".into(), "1".into()).unwrap();
        assert!(fs::metadata(dir.join("kv.log")).unwrap().len() < before / 2);
        let entries = Store::open(&dir, 1).unwrap().entries();
        assert_eq!(entries, store.entries());
        assert_eq!(entries[0].version, 10);
        fs::remove_dir_all(dir).unwrap();
    }
}
