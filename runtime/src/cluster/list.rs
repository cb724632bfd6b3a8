//! A list that grows behind a shared reference and never moves what it holds.

use std::ops::Index;
use std::slice;
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

    pub(crate) fn iter(&self) -> Iter<'_, T> {
        Iter {
            items: self.items.iter(),
            more: &self.more,
        }
    }
}

pub(crate) struct Iter<'a, T> {
    items: slice::Iter<'a, T>,
    more: &'a OnceLock<Box<List<T>>>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        loop {
            match (self.items.next(), self.more.get()) {
                (None, Some(more)) => *self = more.iter(),
                (item, _) => return item,
            }
        }
    }
}

impl<T> Index<usize> for List<T> {
    type Output = T;

    #[track_caller]
    fn index(&self, index: usize) -> &T {
        self.iter().nth(index).unwrap_or_else(|| {
            let length = self.iter().count();
            panic!("there is no node {index} in a cluster of {length}; the first is 0")
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
    #[should_panic(expected = "no node 1 in a cluster of 1")]
    fn an_index_out_of_range_says_how_many_there_are() {
        let _ = List::new(vec![0])[1];
    }
}
