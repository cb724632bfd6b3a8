//! Cuts what a process prints into lines.

/// A line longer than this goes to the log in pieces: a process that never ends a line must not fill the
/// memory.
const LONGEST: usize = 64 * 1024;

/// Bytes in, whole lines out.
#[derive(Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
}

impl Lines {
    /// Hands all lines that `bytes` completes to `write`, several at once with the ends between them.
    pub(super) fn push(&mut self, bytes: &[u8], mut write: impl FnMut(&[u8])) {
        let mut rest = bytes;
        if let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') {
            let (complete, begun) = (&rest[..end], &rest[end + 1..]);
            if self.begun.is_empty() {
                write(complete);
            } else {
                self.begun.extend_from_slice(complete);
                write(&self.begun);
                self.begun.clear();
            }
            rest = begun;
        }
        while self.begun.len() + rest.len() >= LONGEST {
            let (piece, others) = rest.split_at(LONGEST - self.begun.len());
            self.begun.extend_from_slice(piece);
            write(&self.begun);
            self.begun.clear();
            rest = others;
        }
        self.begun.extend_from_slice(rest);
    }

    /// No more bytes come: the last line counts, even if it has no end.
    pub(super) fn finish(&mut self, write: impl FnOnce(&[u8])) {
        if !self.begun.is_empty() {
            write(&self.begun);
            self.begun.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let (mut lines, mut written) = (Lines::default(), Vec::new());
        let mut write = |bytes: &[u8]| {
            written.extend(bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        };
        for chunk in chunks {
            lines.push(chunk, &mut write);
        }
        lines.finish(&mut write);
        written
    }

    #[test]
    fn lines_come_together_whatever_the_chunks() {
        let expected: &[&[u8]] = &[b"one", b"", b"two \xff", b"three"];
        assert_eq!(lines(&[b"one\n\ntwo \xff\nthree"]), expected);
        let bytes: Vec<_> = b"one\n\ntwo \xff\nthree".chunks(1).collect();
        assert_eq!(lines(&bytes), expected);
        assert_eq!(lines(&[b"one\n\ntwo \xff", b"\nthr", b"ee\n"]), expected);
        assert!(lines(&[b"", b""]).is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut_into_pieces() {
        let chunk = vec![b'x'; 1000];
        let chunks = vec![&*chunk; 200];
        let written = lines(&chunks);
        assert_eq!(written.concat().len(), 200_000);
        assert!(written.iter().all(|line| line.len() <= LONGEST));
        assert_eq!(written.len(), 4);
    }
}
