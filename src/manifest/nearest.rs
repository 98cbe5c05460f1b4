//! Suggestions for words that are not known.

/// The candidate that a word was most likely meant to be.
pub(crate) fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if word.chars().count() > 64 {
        return None;
    }
    let plain =
        |s: &str| s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let word = plain(word);
    let scored = candidates.filter_map(|candidate| {
        let other = plain(candidate);
        let distance = strsim::damerau_levenshtein(&word, &other);
        let close = distance <= (other.chars().count() / 3).max(1) && distance < other.chars().count();
        (close || strsim::jaro_winkler(&word, &other) >= 0.9).then_some((distance, candidate))
    });
    scored.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}
