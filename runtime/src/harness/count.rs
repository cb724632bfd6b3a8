//! How many nodes each argument of a test gets, known before anything runs.
//!
//! Where the attribute gives a number, the compiler evaluates [`check_count`], whose panic is a compile error; it builds
//! its text by hand, because constants cannot format.

/// How many nodes an argument takes.
#[derive(Clone, Copy)]
pub enum Count {
    /// This many: a `TestNode` or an array.
    Fixed(usize),
    /// All that the other arguments leave: a `Vec` or a `Cluster`.
    Rest,
    /// It is no node.
    None,
    /// It cannot be an argument, which is reported elsewhere.
    Unknown,
}

/// What the attribute says about the number of nodes.
#[derive(Clone, Copy)]
pub enum Nodes {
    /// `nodes = 3`.
    Given(usize),
    /// One number of `nodes = [1, 3, 5]`.
    Matrix(usize),
    /// Nothing.
    Counted,
}

/// A type that can be an argument of a test; how many nodes it takes does not depend on how they are
/// started.
pub trait Counted {
    /// How many.
    const COUNT: Count;
}

/// A type takes a number of nodes, or none.
pub struct Number;

/// A type takes all nodes that are left.
pub struct All;

/// That the arguments alone say how many nodes there are, which they must where `nodes` is left out.
///
/// A trait, because most tests leave it out, and [`check_count`] costs the compiler a millisecond a test.
#[diagnostic::on_unimplemented(
    message = "how many nodes? write `#[port_test(nodes = 3)]`",
    label = "takes as many nodes as there are"
)]
pub trait Known {}

impl Known for Number {}

/// Has a `COUNT` for every type: that of [`Counted`], which an inherent constant hides, or else that of
/// [`Uncounted`]. So a type that cannot be an argument is one error, where it is injected, and not a
/// second one where it is counted.
pub struct CountOf<T>(std::marker::PhantomData<T>);

impl<T: Counted> CountOf<T> {
    /// How many.
    pub const COUNT: Count = T::COUNT;
}

/// See [`CountOf`].
pub trait Uncounted {
    /// Nobody knows.
    const COUNT: Count = Count::Unknown;
}

impl<T> Uncounted for CountOf<T> {}

/// Checks that the number of nodes and the arguments agree. A matrix brings all its numbers.
///
/// # Panics
///
/// They do not; in a constant, that is a compile error at the caller.
#[track_caller]
pub const fn check_count(nodes: &[Nodes], arguments: &[Count]) {
    let (fixed, rests, unknown) = sum(arguments);
    if unknown > 0 {
        return;
    }
    if rests > 1 {
        panic!(
            "two arguments take all nodes that are left, so none of them can be told how many: make one of them an array, `[TestNode<..>; 2]`"
        );
    }
    let mut i = 0;
    while i < nodes.len() {
        check(nodes[i], fixed, rests == 1);
        i += 1;
    }
}

#[track_caller]
const fn check(nodes: Nodes, fixed: usize, rest: bool) {
    let text = match nodes {
        Nodes::Counted if rest => {
            panic!(
                "how many nodes? an argument takes as many as there are: write `#[port_test(nodes = 3)]`"
            )
        }
        Nodes::Counted => return,
        Nodes::Matrix(_) if !rest => Text::EMPTY
            .text("`nodes` lists several numbers, but the arguments always take ")
            .number(fixed)
            .text(": take a `Cluster<..>` or a `Vec<TestNode<..>>`, or write one test"),
        Nodes::Given(number) if !rest && number == fixed => return,
        Nodes::Given(number) if !rest => Text::EMPTY
            .text("`nodes = ")
            .number(number)
            .text("`, but the arguments take ")
            .number(fixed)
            .text(if fixed == 0 { ": take a `Cluster<..>`, or leave `nodes` out" } else { ": leave `nodes` out, or change the arguments" }),
        Nodes::Given(number) | Nodes::Matrix(number) if number > fixed => return,
        Nodes::Given(number) | Nodes::Matrix(number) => Text::EMPTY
            .text("`nodes = ")
            .number(number)
            .text("`, but the other arguments take ")
            .number(fixed)
            .text(", which leaves none for the one that takes the rest: ask for more, or remove an argument"),
    };
    panic!("{}", text.as_str());
}

/// The nodes that arguments take for certain, how many take the rest, and how many are unknown.
const fn sum(arguments: &[Count]) -> (usize, usize, usize) {
    let (mut fixed, mut rests, mut unknown, mut i) = (0, 0, 0, 0);
    while i < arguments.len() {
        match arguments[i] {
            Count::Fixed(count) => fixed += count,
            Count::Rest => rests += 1,
            Count::None => {}
            Count::Unknown => unknown += 1,
        }
        i += 1;
    }
    (fixed, rests, unknown)
}

/// How many nodes each argument gets, in order. [`check_count`] has been there.
pub(super) fn share(nodes: Nodes, arguments: &[Count]) -> Vec<usize> {
    let (fixed, ..) = sum(arguments);
    let all = match nodes {
        Nodes::Given(number) | Nodes::Matrix(number) => number,
        Nodes::Counted => fixed,
    };
    arguments
        .iter()
        .map(|argument| match argument {
            Count::Fixed(count) => *count,
            Count::Rest => all.saturating_sub(fixed),
            Count::None | Count::Unknown => 0,
        })
        .collect()
}

/// A text that a constant can build.
struct Text {
    bytes: [u8; Self::LONGEST],
    length: usize,
}

impl Text {
    /// More than the longest message above, with numbers of 20 digits.
    const LONGEST: usize = 256;

    const EMPTY: Self = Self {
        bytes: [0; Self::LONGEST],
        length: 0,
    };

    const fn text(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self.bytes[self.length] = bytes[i];
            self.length += 1;
            i += 1;
        }
        self
    }

    const fn number(self, number: usize) -> Self {
        let text = if number < 10 {
            self
        } else {
            self.number(number / 10)
        };
        let digit = [b'0' + (number % 10) as u8];
        match std::str::from_utf8(&digit) {
            Ok(digit) => text.text(digit),
            Err(_) => panic!("a digit is ASCII"),
        }
    }

    const fn as_str(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.length);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(_) => panic!("only whole texts are added"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(nodes: &[Nodes], arguments: &[Count]) -> String {
        let panic = std::panic::catch_unwind(|| check_count(nodes, arguments)).unwrap_err();
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(other) => (*other.downcast::<&str>().unwrap()).to_owned(),
        }
    }

    #[test]
    fn what_agrees() {
        check_count(
            &[Nodes::Counted],
            &[Count::Fixed(1), Count::Fixed(2), Count::None],
        );
        check_count(&[Nodes::Given(3)], &[Count::Fixed(1), Count::Fixed(2)]);
        check_count(&[Nodes::Given(3)], &[Count::Fixed(1), Count::Rest]);
        check_count(
            &[Nodes::Matrix(2), Nodes::Matrix(9)],
            &[Count::Rest, Count::Fixed(1)],
        );
    }

    #[test]
    fn what_does_not_says_both_numbers() {
        let given = message(&[Nodes::Given(2)], &[Count::Fixed(1), Count::Fixed(2)]);
        assert!(
            given.starts_with("`nodes = 2`, but the arguments take 3:"),
            "{given}"
        );
        let none = message(&[Nodes::Given(10)], &[]);
        assert!(
            none.starts_with("`nodes = 10`, but the arguments take 0:"),
            "{none}"
        );
        let left = message(&[Nodes::Given(2)], &[Count::Fixed(2), Count::Rest]);
        assert!(
            left.starts_with("`nodes = 2`, but the other arguments take 2,"),
            "{left}"
        );
        let small = message(
            &[Nodes::Matrix(3), Nodes::Matrix(1)],
            &[Count::Fixed(1), Count::Rest],
        );
        assert!(
            small.starts_with("`nodes = 1`, but the other arguments take 1,"),
            "{small}"
        );
    }

    #[test]
    fn what_cannot_be_counted() {
        assert!(message(&[Nodes::Counted], &[Count::Rest]).starts_with("how many nodes?"));
        assert!(
            message(&[Nodes::Given(3)], &[Count::Rest, Count::Rest]).starts_with("two arguments")
        );
        let fixed = message(&[Nodes::Matrix(1), Nodes::Matrix(3)], &[Count::Fixed(3)]);
        assert!(fixed.contains("the arguments always take 3:"), "{fixed}");
    }

    #[test]
    fn the_longest_message_fits() {
        let long = message(
            &[Nodes::Given(usize::MAX - 1)],
            &[Count::Fixed(usize::MAX), Count::Rest],
        );
        assert!(long.contains("18446744073709551615"), "{long}");
    }

    #[test]
    fn shares() {
        let arguments = [Count::Fixed(2), Count::Rest, Count::None, Count::Fixed(1)];
        assert_eq!(share(Nodes::Given(5), &arguments), [2, 2, 0, 1]);
        assert_eq!(share(Nodes::Matrix(4), &arguments), [2, 1, 0, 1]);
        assert_eq!(
            share(Nodes::Counted, &[Count::Fixed(1), Count::Fixed(3)]),
            [1, 3]
        );
        assert_eq!(share(Nodes::Counted, &[]), []);
    }
}
