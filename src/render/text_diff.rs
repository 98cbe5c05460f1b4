//! The differences between two texts: by lines, and by words within lines that others took the place of.
//!
//! `similar` compares texts by whichever of its algorithms is asked for, and all of them are compiled for each kind of
//! token. Here tokens are numbers and the two algorithms are named: a twentieth of the code.

use std::ops::Range;

use similar::algorithms::{Capture, Compact, IdentifyDistinct, Replace, myers, patience};
use similar::{DiffOp, DiffTag, DiffableStr, diff_ratio, group_diff_ops};

/// Lines that replace others are compared with them word by word if at least so much of them is the same.
const ALIKE: f32 = 0.5;

/// The fate of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Removed,
    Added,
}

/// A line in pieces, each with whether it changed within the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub fate: Fate,
    pub pieces: Vec<(bool, &'a str)>,
}

/// Returns the lines, with their ends, that changed: in groups, with so many lines that were kept around each.
pub(super) fn changes<'a>(old: &'a str, new: &'a str, around: usize) -> Vec<Vec<Line<'a>>> {
    let (old, new) = (old.tokenize_lines(), new.tokenize_lines());
    let lines = |op: &DiffOp| match by_words(&old[op.old_range()], &new[op.new_range()]) {
        Some(lines) if op.tag() == DiffTag::Replace => lines,
        _ => whole_lines(op, &old, &new),
    };
    let groups = group_diff_ops(compared(&old, &new, By::Lines), around);
    groups.iter().map(|group| group.iter().flat_map(lines).collect()).collect()
}

/// Returns all lines of two texts, those that were kept too.
pub(super) fn all<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    compared(old, new, By::Lines).iter().flat_map(|op| whole_lines(op, old, new)).collect()
}

#[derive(Clone, Copy)]
enum By {
    Lines,
    /// Words that both have once are found first, and what lies between them is compared.
    Words,
}

fn compared(old: &[&str], new: &[&str], by: By) -> Vec<DiffOp> {
    let tokens = IdentifyDistinct::<u32>::new(old, 0..old.len(), new, 0..new.len());
    let (was, is) = (tokens.old_lookup(), tokens.new_lookup());
    let mut ops = Compact::new(Replace::new(Capture::new()), was, is);
    // No deadline: the same texts always give the same differences. To capture them cannot fail.
    let Ok(()) = match by {
        By::Lines => myers::diff(&mut ops, was, tokens.old_range(), is, tokens.new_range()),
        By::Words => patience::diff(&mut ops, was, tokens.old_range(), is, tokens.new_range()),
    };
    ops.into_inner().into_inner().into_ops()
}

fn whole_lines<'a>(op: &DiffOp, old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let (old, new) = (&old[op.old_range()], &new[op.new_range()]);
    let line = |fate| move |line: &&'a str| Line { fate, pieces: vec![(false, *line)] };
    match op.tag() {
        DiffTag::Equal => new.iter().map(line(Fate::Kept)).collect(),
        _ => old.iter().map(line(Fate::Removed)).chain(new.iter().map(line(Fate::Added))).collect(),
    }
}

/// Returns lines in the place of others with the words that changed, unless little of them is the same.
fn by_words<'a>(old: &[&'a str], new: &[&'a str]) -> Option<Vec<Line<'a>>> {
    let most_alike = 2.0 * old.len().min(new.len()) as f32 / (old.len() + new.len()) as f32;
    if most_alike < ALIKE {
        return None;
    }
    let (was, is) = (Words::of(old), Words::of(new));
    let ops = compared(&was.texts, &is.texts, By::Words);
    if diff_ratio(&ops, was.texts.len(), is.texts.len()) < ALIKE {
        return None;
    }
    let mut lines = was.lines(old, Fate::Removed, &ops, DiffOp::old_range);
    lines.extend(is.lines(new, Fate::Added, &ops, DiffOp::new_range));
    Some(lines)
}

/// Words of several lines, and the spaces between them.
struct Words<'a> {
    texts: Vec<&'a str>,
    /// The line and the place in it of each.
    places: Vec<(usize, Range<usize>)>,
}

impl<'a> Words<'a> {
    fn of(lines: &[&'a str]) -> Words<'a> {
        let mut words = Words { texts: Vec::new(), places: Vec::new() };
        for (line, text) in lines.iter().enumerate() {
            let mut start = 0;
            for word in text.tokenize_words() {
                words.texts.push(word);
                words.places.push((line, start..start + word.len()));
                start += word.len();
            }
        }
        words
    }

    /// The lines, words in a row that had the same fate in one piece.
    fn lines(
        &self,
        lines: &[&'a str],
        fate: Fate,
        ops: &[DiffOp],
        range: fn(&DiffOp) -> Range<usize>,
    ) -> Vec<Line<'a>> {
        let mut out: Vec<Line<'a>> = lines.iter().map(|_| Line { fate, pieces: Vec::new() }).collect();
        for op in ops {
            for words in self.places[range(op)].chunk_by(|(a, _), (b, _)| a == b) {
                let ([(line, first), ..], [.., (_, last)]) = (words, words) else { continue };
                let piece = &lines[*line][first.start..last.end];
                let pieces = &mut out[*line].pieces;
                match op.tag() {
                    DiffTag::Equal => pieces.push((false, piece)),
                    // The end of a line is nothing that can be shown as changed.
                    _ => pieces.extend(
                        piece.tokenize_lines_and_newlines().into_iter().map(|p| (!p.ends_with_newline(), p)),
                    ),
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use similar::{ChangeTag, TextDiff};

    fn fate(tag: ChangeTag) -> Fate {
        match tag {
            ChangeTag::Equal => Fate::Kept,
            ChangeTag::Delete => Fate::Removed,
            ChangeTag::Insert => Fate::Added,
        }
    }

    /// A line as in `Line`.
    type Told = (Fate, Vec<(bool, String)>);

    /// The differences that `similar` finds by itself.
    fn expected<'a>(diff: &'a TextDiff<'a, 'a, str>) -> Vec<Vec<Told>> {
        let pieces = |change: similar::InlineChange<'_, str>| {
            change.iter_strings_lossy().map(|(changed, piece)| (changed, piece.into_owned())).collect()
        };
        let of_op = |op| diff.iter_inline_changes_deadline(op, None).map(|c| (fate(c.tag()), pieces(c)));
        diff.grouped_ops(1).iter().map(|group| group.iter().flat_map(of_op).collect()).collect()
    }

    fn agree(old: &str, new: &str) {
        let owned = |line: &Line<'_>| {
            (line.fate, line.pieces.iter().map(|(changed, piece)| (*changed, (*piece).to_owned())).collect())
        };
        let found: Vec<Vec<Told>> =
            changes(old, new, 1).iter().map(|group| group.iter().map(owned).collect()).collect();
        assert_eq!(found, expected(&TextDiff::from_lines(old, new)), "{old:?} {new:?}");
        let (a, b): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        let found: Vec<(Fate, &str)> = all(&a, &b).iter().map(|line| (line.fate, line.pieces[0].1)).collect();
        let diff = TextDiff::from_slices(&a, &b);
        let expected: Vec<(Fate, &str)> =
            diff.iter_all_changes().map(|change| (fate(change.tag()), change.value())).collect();
        assert_eq!(found, expected, "{old:?} {new:?}");
    }

    proptest! {
        #[test]
        fn it_is_what_similar_makes_of_texts_by_itself(
            old in "((one|two|three|é|\u{a0}) ?(one|two|four)? ?(six)?\r?\n){0,12}(end)?",
            new in "((one|two|three|é|\u{a0}) ?(one|two|four)? ?(six)?\r?\n){0,12}(end)?",
        ) {
            agree(&old, &new);
        }
    }

    #[test]
    fn a_long_text_is_compared_like_a_short_one() {
        let old: String = (0..300).map(|n| format!("line {} of many words\n", n % 17)).collect();
        let new: String = (0..280).map(|n| format!("line {} of some words\n", n % 13)).collect();
        agree(&old, &new);
        agree(&old, &old);
    }
}
