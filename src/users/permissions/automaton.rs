//! What two patterns have in common, and whether one holds all of the other: exact, over every segment there could be.
//!
//! A pattern of n symbols is an automaton of n + 1 states; state i: the first i symbols have matched what was read.
//!
//! ```text
//! literal x:  i --x--> i+1
//! *:          i --any--> i+1
//! **:         i --any--> i,   i --nothing--> i+1
//! ```
//!
//! The segments there could be are without number, yet an automaton tells only those apart that it has as literals: one
//! segment that is none of them stands for all the others.

use std::borrow::Cow;
use std::collections::HashSet;

/// States of one automaton at most: they are the bits of [`States`].
pub(super) const STATES_MAX: usize = States::BITS as usize;
/// What one [`contains`] may cost. A pattern with `*` behind `**` can have exponentially many sets of states.
const STEPS_MAX: usize = 10_000;

/// A set of states; bit i is state i.
type States = u128;

/// One step of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Symbol<'a> {
    /// This segment.
    Literal(Cow<'a, str>),
    /// Any one segment.
    One,
    /// Zero or more segments.
    Many,
}

impl Symbol<'_> {
    fn takes(&self, letter: Letter<'_>) -> bool {
        match self {
            Symbol::Literal(text) => letter == Letter::Named(text),
            Symbol::One | Symbol::Many => true,
        }
    }
}

/// One segment as an automaton reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter<'a> {
    Named(&'a str),
    /// One that no literal of the pattern is.
    Fresh,
}

/// Whether `pattern` matches the destination of these segments. Allocates nothing.
pub(super) fn accepts(pattern: &[Symbol<'_>], segments: &[&str]) -> bool {
    let mut states = skip_many(pattern, 1);
    for segment in segments {
        states = step(pattern, states, Letter::Named(segment));
        if states == 0 {
            return false;
        }
    }
    is_accepting(pattern, states)
}

/// Whether some destination of `length_min` segments or more is matched by both.
///
/// It is looked for in the product of the two: pairs of states that one and the same destination leads to.
pub(super) fn intersects(one: &[Symbol<'_>], other: &[Symbol<'_>], length_min: usize) -> bool {
    let (wide, high) = (other.len() + 1, length_min + 1);
    let mut seen = vec![false; (one.len() + 1) * wide * high];
    let mut open = vec![(0, 0, 0)];
    while let Some((at, by, length)) = open.pop() {
        if std::mem::replace(&mut seen[(at * wide + by) * high + length], true) {
            continue;
        }
        if at == one.len() && by == other.len() && length == length_min {
            return true;
        }
        let (here, there) = (one.get(at), other.get(by));
        if here == Some(&Symbol::Many) {
            open.push((at + 1, by, length));
        }
        if there == Some(&Symbol::Many) {
            open.push((at, by + 1, length));
        }
        let (Some(here), Some(there)) = (here, there) else { continue };
        let agree = match (here, there) {
            (Symbol::Literal(here), Symbol::Literal(there)) => here == there,
            _ => true,
        };
        if agree {
            let (at, by) = (behind(here, at), behind(there, by));
            open.push((at, by, (length + 1).min(length_min)));
        }
    }
    false
}

/// Whether every destination of `length_min` segments or more that `inner` matches is matched by `outer` too; also
/// `false` where finding out would cost too much.
///
/// A destination that `inner` alone matches is looked for: each state of `inner` together with all the states that
/// `outer` can be in then.
pub(super) fn contains(outer: &[Symbol<'_>], inner: &[Symbol<'_>], length_min: usize) -> bool {
    let letters = letters(outer);
    let mut seen = HashSet::new();
    let mut open = vec![(0, skip_many(outer, 1), 0)];
    let mut steps = 0;
    while let Some((at, states, length)) = open.pop() {
        if !seen.insert((at, states, length)) {
            continue;
        }
        let Some(symbol) = inner.get(at) else {
            if length == length_min && !is_accepting(outer, states) {
                return false;
            }
            continue;
        };
        if *symbol == Symbol::Many {
            open.push((at + 1, states, length));
        }
        let named = match symbol {
            Symbol::Literal(text) => &[Letter::Named(text)][..],
            Symbol::One | Symbol::Many => &letters,
        };
        for letter in named {
            open.push((behind(symbol, at), step(outer, states, *letter), (length + 1).min(length_min)));
        }
        steps += named.len();
        if steps > STEPS_MAX {
            return false;
        }
    }
    true
}

/// All that `pattern` tells apart.
fn letters<'a>(pattern: &'a [Symbol<'_>]) -> Vec<Letter<'a>> {
    let mut letters = vec![Letter::Fresh];
    for symbol in pattern {
        if let Symbol::Literal(text) = symbol {
            let letter = Letter::Named(text);
            if !letters.contains(&letter) {
                letters.push(letter);
            }
        }
    }
    letters
}

/// The state after a segment that the symbol at `at` has taken.
fn behind(symbol: &Symbol<'_>, at: usize) -> usize {
    if *symbol == Symbol::Many { at } else { at + 1 }
}

/// The states after one more segment.
fn step(pattern: &[Symbol<'_>], states: States, letter: Letter<'_>) -> States {
    let mut next = 0;
    let mut left = states;
    while left != 0 {
        let at = left.trailing_zeros() as usize;
        left &= left - 1;
        if let Some(symbol) = pattern.get(at).filter(|symbol| symbol.takes(letter)) {
            next |= 1 << behind(symbol, at);
        }
    }
    skip_many(pattern, next)
}

/// `**` also matches nothing.
fn skip_many(pattern: &[Symbol<'_>], mut states: States) -> States {
    for (at, symbol) in pattern.iter().enumerate() {
        if *symbol == Symbol::Many {
            states |= (states >> at & 1) << (at + 1);
        }
    }
    states
}

fn is_accepting(pattern: &[Symbol<'_>], states: States) -> bool {
    states >> pattern.len() & 1 == 1
}
