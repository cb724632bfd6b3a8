//! A list that grows behind a shared reference and never moves what it holds.

use std::ops::Index;
use std::sync::OnceLock;

/// Nodes can be added to a cluster that others borrow from, and `cluster[i]` hands out references. The
/// chain is as long as nodes were added one by one, which is short.
pub(crate) struct List<T> {
    items: Vec<T>,
    more: OnceLock<Box<List<T>>>,
}

impl<T> List<T> {
    pub(crate) fn new(items: Vec<T>) -> Self {
        Self {
            items,
            more: OnceLock::new(),
        }
    }

    pub(crate) fn push(&self, item: T) {
        let mut last = self;
        let mut new = Box::new(Self::new(vec![item]));
        loop {
            while let Some(more) = last.more.get() {
                last = more;
            }
            // Another thread may be faster; then its item comes first.
            match last.more.set(new) {
                Ok(()) => return,
                Err(refused) => new = refused,
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let chain = std::iter::successors(Some(self), |list| list.more.get().map(Box::as_ref));
        chain.flat_map(|list| &list.items)
    }
}

impl<T> Index<usize> for List<T> {
    type Output = T;

    #[track_caller]
    fn index(&self, index: usize) -> &T {
        let length = self.iter().count();
        self.iter().nth(index).unwrap_or_else(|| {
            panic!("there is no node at index {index}: the cluster has {length} nodes")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_from_many_threads_all_arrive_and_references_stay() {
        let list = List::new(vec![0]);
        let first = &list[0];
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let list = &list;
                scope.spawn(move || (1..=50).for_each(|i| list.push(thread * 50 + i)));
            }
        });
        let mut all: Vec<i32> = list.iter().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..=200).collect::<Vec<_>>());
        assert_eq!(*first, 0);
    }

    #[test]
    #[should_panic(expected = "no node at index 1: the cluster has 1 nodes")]
    fn an_index_out_of_range_says_how_many_there_are() {
        let _ = List::new(vec![0])[1];
    }
}
