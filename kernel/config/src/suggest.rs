//! Which known word was probably meant.

use alloc::vec::Vec;

/// Words longer than this get no suggestion.
const LONGEST: usize = 32;

/// The known word nearest to `word`, if it is near enough to have been meant.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    // A third of the word may be wrong, and at least one letter.
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap two neighbours) that turn one word into the other.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, &left) in from.iter().enumerate() {
        let mut next = Vec::with_capacity(last.len());
        next.push(row + 1);
        for (column, &right) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(left != right);
            let mut best = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped = row > 0
                && column > 0
                && left == to[column - 1]
                && from[row - 1] == right
                && left != right;
            if swapped {
                best = best.min(before[column - 1] + 1);
            }
            next.push(best);
        }
        before = core::mem::replace(&mut last, next);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 4] = ["address", "answer", "card", "gateway"];

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(nearest("adress", KEYS), Some("address"));
        assert_eq!(nearest("crad", KEYS), Some("card"));
        assert_eq!(nearest("gatewya", KEYS), Some("gateway"));
    }

    #[test]
    fn an_unrelated_word_gets_no_suggestion() {
        assert_eq!(nearest("bandwidth", KEYS), None);
        assert_eq!(nearest("", KEYS), None);
        assert_eq!(nearest(&"a".repeat(10_000), KEYS), None);
    }
}
