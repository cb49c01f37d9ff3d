//! Matching, intersection and containment of destination patterns. The results hold for all possible segments.
//!
//! A pattern of n segments is a nondeterministic automaton with n + 1 states. In state i, the first i segments have
//! matched the segments read so far.
//!
//! ```text
//! literal x:  i --x--> i+1
//! *:          i --any--> i+1
//! **:         i --any--> i,   i --nothing--> i+1
//! ```
//!
//! The number of possible segments is unlimited. An automaton distinguishes only the literals of its pattern.
//! [`Letter::Fresh`] represents all other segments.

use super::name::SEGMENTS_MAX;
use super::segment::Segment;
use std::collections::HashSet;

/// Maximum number of segments of a pattern. In a user destination, the owner and `queue` precede the segments of the
/// name.
pub(crate) const PATTERN_SEGMENTS_MAX: usize = SEGMENTS_MAX + 2;
/// Maximum number of states of one automaton. Each state is a bit of [`States`].
const STATES_MAX: usize = States::BITS as usize;
const _: () = assert!(PATTERN_SEGMENTS_MAX < STATES_MAX);
/// Maximum number of steps of one call of [`contains`]. A pattern with `*` after `**` can have exponentially many sets
/// of states.
const STEPS_MAX: usize = 10_000;

/// A set of states. Bit i is state i.
type States = u128;

/// One segment, as input of an automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter<'a> {
    Named(&'a str),
    /// A segment that is not a literal of the pattern.
    Fresh,
}

/// Returns whether `pattern` matches the destination with these segments. Does not allocate.
pub(crate) fn accepts<T: AsRef<str>>(pattern: &[Segment<T>], segments: &[&str]) -> bool {
    let mut states = skip_many(pattern, 1);
    for segment in segments {
        states = step(pattern, states, Letter::Named(segment));
        if states == 0 {
            return false;
        }
    }
    is_accepting(pattern, states)
}

/// Returns whether both patterns match a common destination of at least `length_min` segments.
///
/// Searches the pairs of states that the same segments can lead to in the two automata.
pub(crate) fn intersects<T: AsRef<str>, U: AsRef<str>>(
    one: &[Segment<T>],
    other: &[Segment<U>],
    length_min: usize,
) -> bool {
    let (other_states, lengths) = (other.len() + 1, length_min + 1);
    let mut seen = vec![false; (one.len() + 1) * other_states * lengths];
    let mut open = vec![(0, 0, 0)];
    while let Some((at, by, length)) = open.pop() {
        if std::mem::replace(&mut seen[(at * other_states + by) * lengths + length], true) {
            continue;
        }
        if at == one.len() && by == other.len() && length == length_min {
            return true;
        }
        let (here, there) = (one.get(at), other.get(by));
        if matches!(here, Some(Segment::Many)) {
            open.push((at + 1, by, length));
        }
        if matches!(there, Some(Segment::Many)) {
            open.push((at, by + 1, length));
        }
        let (Some(here), Some(there)) = (here, there) else { continue };
        let agree = match (here, there) {
            (Segment::Literal(here), Segment::Literal(there)) => here.as_ref() == there.as_ref(),
            _ => true,
        };
        if agree {
            let (at, by) = (next_state(here, at), next_state(there, by));
            open.push((at, by, (length + 1).min(length_min)));
        }
    }
    false
}

/// Returns whether `outer` matches every destination of at least `length_min` segments that `inner` matches. Also
/// returns `false` if the search would take too many steps.
///
/// Searches for a destination that only `inner` matches. Each position of the search has a state of `inner` and a set
/// of states of `outer`. The same segments lead to both.
pub(crate) fn contains<T: AsRef<str>, U: AsRef<str>>(
    outer: &[Segment<T>],
    inner: &[Segment<U>],
    length_min: usize,
) -> bool {
    let letters = letters(outer);
    let mut seen = HashSet::new();
    let mut open = vec![(0, skip_many(outer, 1), 0)];
    let mut steps = 0;
    while let Some((at, states, length)) = open.pop() {
        if !seen.insert((at, states, length)) {
            continue;
        }
        let Some(segment) = inner.get(at) else {
            if length == length_min && !is_accepting(outer, states) {
                return false;
            }
            continue;
        };
        if matches!(segment, Segment::Many) {
            open.push((at + 1, states, length));
        }
        let named = match segment {
            Segment::Literal(text) => &[Letter::Named(text.as_ref())][..],
            Segment::One | Segment::Many => &letters,
        };
        for letter in named {
            open.push((next_state(segment, at), step(outer, states, *letter), (length + 1).min(length_min)));
        }
        steps += named.len();
        if steps > STEPS_MAX {
            return false;
        }
    }
    true
}

/// Returns one letter for each literal of `pattern`, and one for all other segments.
fn letters<T: AsRef<str>>(pattern: &[Segment<T>]) -> Vec<Letter<'_>> {
    let mut letters = vec![Letter::Fresh];
    for segment in pattern {
        if let Segment::Literal(text) = segment {
            let letter = Letter::Named(text.as_ref());
            if !letters.contains(&letter) {
                letters.push(letter);
            }
        }
    }
    letters
}

/// Returns the state that follows state `at` when a letter matches `segment`, which has the index `at` in the pattern.
fn next_state<T>(segment: &Segment<T>, at: usize) -> usize {
    if matches!(segment, Segment::Many) { at } else { at + 1 }
}

/// Returns whether `segment` matches the letter.
fn takes<T: AsRef<str>>(segment: &Segment<T>, letter: Letter<'_>) -> bool {
    match segment {
        Segment::Literal(text) => letter == Letter::Named(text.as_ref()),
        Segment::One | Segment::Many => true,
    }
}

/// Returns the set of states after one more segment.
fn step<T: AsRef<str>>(pattern: &[Segment<T>], states: States, letter: Letter<'_>) -> States {
    let mut next = 0;
    let mut left = states;
    while left != 0 {
        let at = left.trailing_zeros() as usize;
        left &= left - 1;
        if let Some(segment) = pattern.get(at).filter(|segment| takes(segment, letter)) {
            next |= 1 << next_state(segment, at);
        }
    }
    skip_many(pattern, next)
}

/// Adds the states that are reachable because `**` also matches zero segments.
fn skip_many<T>(pattern: &[Segment<T>], mut states: States) -> States {
    for (at, segment) in pattern.iter().enumerate() {
        if matches!(segment, Segment::Many) {
            states |= (states >> at & 1) << (at + 1);
        }
    }
    states
}

fn is_accepting<T>(pattern: &[Segment<T>], states: States) -> bool {
    states >> pattern.len() & 1 == 1
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Vec<Segment<&str>> {
        let segment = |text| match text {
            "*" => Segment::One,
            "**" => Segment::Many,
            literal => Segment::Literal(literal),
        };
        text.split('.').filter(|text| !text.is_empty()).map(segment).collect()
    }

    /// Matches by the definition, recursively. Takes exponential time.
    pub(in crate::destination) fn matches<T: AsRef<str>>(pattern: &[Segment<T>], word: &[&str]) -> bool {
        match (pattern, word) {
            ([], []) => true,
            ([Segment::Many, rest @ ..], _) => {
                matches(rest, word) || !word.is_empty() && matches(pattern, &word[1..])
            }
            ([Segment::Literal(text), rest @ ..], [first, tail @ ..]) => {
                text.as_ref() == *first && matches(rest, tail)
            }
            ([Segment::One, rest @ ..], [_, tail @ ..]) => matches(rest, tail),
            _ => false,
        }
    }

    /// Returns all sequences of these letters up to a length.
    fn sequences(letters: &[&'static str], length_max: usize) -> Vec<Vec<&'static str>> {
        let mut all = vec![vec![]];
        let mut from = 0;
        for _ in 0..length_max {
            let until = all.len();
            for at in from..until {
                for letter in letters {
                    let mut longer = all[at].clone();
                    longer.push(*letter);
                    all.push(longer);
                }
            }
            from = until;
        }
        all
    }

    /// Returns which of `words` a pattern matches.
    fn language(pattern: &[Segment<&str>], words: &[Vec<&str>]) -> Vec<bool> {
        words.iter().map(|word| matches(pattern, word)).collect()
    }

    /// Tries all words. Returns whether both patterns match a common word. Also returns whether the first pattern
    /// matches each word that the second pattern matches.
    fn by_brute_force(one: &[bool], other: &[bool], words: &[Vec<&str>], length_min: usize) -> (bool, bool) {
        let pairs = || one.iter().zip(other).zip(words).filter(|(_, word)| word.len() >= length_min);
        (pairs().any(|((one, other), _)| *one && *other), pairs().all(|((one, other), _)| *one || !*other))
    }

    #[test]
    fn contains_and_intersects_give_the_expected_results() {
        for (outer, inner, holds, meets) in [
            ("*.**", "**.*", true, true),
            ("**.*", "*.**", true, true),
            ("*.**.b", "**.b.b", true, true),
            ("**.b.b", "*.**.b", false, true),
            ("**", "a.*.**", true, true),
            ("*.**", "**", true, true),
            ("a.**", "a.b.**", true, true),
            ("a.b.**", "a.**", false, true),
            ("a.*", "a.**", false, true),
            ("a.*", "b.*", false, false),
            ("a.*", "*.b", false, true),
            ("*.*", "a.b.**", false, true),
            ("*", "a.b.**", false, false),
            ("**.a.**", "**.a.**.a.**", true, true),
            ("**.a.**.a.**", "**.a.**", false, true),
            ("**.a", "**.b", false, false),
            ("**.a.*", "**.*.a", false, true),
            ("**.a.**.b.**", "**.a.*.*.b", true, true),
            ("*.*.**", "**.a.**.b.**", true, true),
        ] {
            let (one, other) = (pattern(outer), pattern(inner));
            assert_eq!(contains(&one, &other, 1), holds, "{outer} contains {inner}");
            assert_eq!(intersects(&one, &other, 1), meets, "{outer} intersects {inner}");
            assert_eq!(intersects(&other, &one, 1), meets, "{inner} intersects {outer}");
        }
    }

    #[test]
    fn all_short_patterns_agree_with_trying_all_words() {
        let words = sequences(&["a", "b", "other"], 6);
        let patterns: Vec<_> = sequences(&["a", "b", "*", "**"], 3).iter().map(|p| pattern_of(p)).collect();
        let languages: Vec<_> = patterns.iter().map(|pattern| language(pattern, &words)).collect();
        for (one, matched) in patterns.iter().zip(&languages) {
            for (word, matched) in words.iter().zip(matched) {
                assert_eq!(accepts(one, word), *matched, "{one:?} {word:?}");
            }
            for (other, matched_too) in patterns.iter().zip(&languages) {
                for length_min in [0, 1, 3] {
                    let found = (intersects(one, other, length_min), contains(one, other, length_min));
                    let expected = by_brute_force(matched, matched_too, &words, length_min);
                    assert_eq!(found, expected, "{one:?} {other:?} {length_min}");
                }
            }
        }
    }

    fn pattern_of(segments: &[&'static str]) -> Vec<Segment<&'static str>> {
        segments.iter().flat_map(|segment| pattern(segment)).collect()
    }

    fn any_pattern(length_max: usize) -> impl Strategy<Value = Vec<Segment<&'static str>>> {
        let segment = prop::sample::select(vec!["a", "b", "*", "**", "**"]);
        prop::collection::vec(segment, 0..=length_max).prop_map(|segments| pattern_of(&segments))
    }

    /// Generates a pattern and words that it matches.
    fn pattern_with_words() -> impl Strategy<Value = (Vec<Segment<&'static str>>, Vec<Vec<&'static str>>)> {
        let letter = prop::sample::select(vec!["a", "b", "c", "other"]);
        let gaps = prop::collection::vec(prop::collection::vec(letter, 0..4), 14);
        (any_pattern(12), prop::collection::vec(gaps, 20)).prop_map(|(pattern, many)| {
            let word = |gaps: &Vec<Vec<&'static str>>| {
                let fill = |(segment, gap): (&Segment<&'static str>, &Vec<&'static str>)| match segment {
                    Segment::Literal(text) => vec![*text],
                    Segment::Many => gap.clone(),
                    _ => vec![gap.first().copied().unwrap_or("other")],
                };
                pattern.iter().zip(gaps).flat_map(fill).collect()
            };
            let words = many.iter().map(word).collect();
            (pattern, words)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn random_patterns_agree_with_trying_all_words(
            one in any_pattern(5), other in any_pattern(4), length_min in 0..4_usize,
        ) {
            let words = sequences(&["a", "b", "other"], 7);
            let (matched, matched_too) = (language(&one, &words), language(&other, &words));
            let found = (intersects(&one, &other, length_min), contains(&one, &other, length_min));
            prop_assert_eq!(found, by_brute_force(&matched, &matched_too, &words, length_min));
        }
    }

    proptest! {
        #[test]
        fn long_patterns_are_consistent_with_the_words_that_they_match(
            (inner, words) in pattern_with_words(), outer in any_pattern(12),
        ) {
            let (holds, meets) = (contains(&outer, &inner, 1), intersects(&outer, &inner, 1));
            prop_assert!(meets || !holds || inner.is_empty());
            prop_assert!(contains(&inner, &inner, 1));
            for word in words.iter().filter(|word| !word.is_empty()) {
                prop_assert!(accepts(&inner, word));
                prop_assert_eq!(accepts(&outer, word), matches(&outer, word));
                prop_assert!(!holds || accepts(&outer, word), "{:?}", word);
                prop_assert!(meets || !accepts(&outer, word), "{:?}", word);
            }
        }
    }

    #[test]
    fn contains_is_false_when_the_search_is_too_costly() {
        let stars = ".*".repeat(40);
        let hard = format!("**.a{stars}");
        assert!(!contains(&pattern(&hard), &pattern(&format!("**.a{stars}.b.**.a{stars}")), 1));
        // The first pattern contains the second, but the search would take 2^40 steps.
        assert!(!contains(&pattern(&hard), &pattern(&format!("**.b.**{stars}.a{stars}")), 1));
        assert!(intersects(&pattern(&hard), &pattern(&format!("**.b.**{stars}.a{stars}")), 1));
    }

    #[test]
    fn longest_patterns_are_supported() {
        let long = vec!["a"; STATES_MAX - 1].join(".");
        assert!(contains(&pattern(&long), &pattern(&long), 1));
        assert!(intersects(&pattern(&long), &pattern("**.a"), 1));
        assert!(accepts(&pattern(&long), &vec!["a"; STATES_MAX - 1]));
    }
}
