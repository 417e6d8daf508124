use std::fmt::Write;

/// A place in a file, counted from 1; columns and lengths are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
    pub length: usize,
}

/// One mistake in a file: where it is, what it is, what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub message: String,
    /// Stands beside the caret: `did you mean …`.
    pub suggestion: Option<String>,
}

impl Problem {
    pub fn new(place: Place, message: impl Into<String>) -> Problem {
        Problem { place, message: message.into(), suggestion: None }
    }

    #[must_use]
    pub fn suggesting(self, suggestion: Option<String>) -> Problem {
        Problem { suggestion, ..self }
    }

    /// The problem with the line it is about and a caret under the place.
    ///
    /// ```text
    /// hasmore.yaml:7:5: unknown key `delete_mod`
    ///   |
    /// 7 |     delete_mod: hard
    ///   |     ^^^^^^^^^^ did you mean `delete_mode`?
    /// ```
    pub fn render(&self, file: &str, text: &str) -> String {
        let Place { line, column, length } = self.place;
        let mut out = format!("{file}:{line}:{column}: {}\n", self.message);
        let shown = shown_line(text, line);
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let width = shown.chars().count();
        let start = (column - 1).min(width);
        let length = length.min(width.saturating_sub(start)).max(1);
        let suggestion = self.suggestion.as_deref().unwrap_or_default();
        let caret = format!("{}{} {suggestion}", " ".repeat(start), "^".repeat(length));
        let _ = write!(out, "{margin} |\n{number} | {shown}\n{margin} | {}", caret.trim_end());
        out
    }
}

/// The line as it may be shown: tabs and control characters become spaces, a long line is cut, and what
/// may be a secret is masked (F-018).
fn shown_line(text: &str, line: usize) -> String {
    const CHARACTERS_MAX: usize = 120;
    let lines: Vec<&str> = lines(text).take(line).collect();
    let Some(shown) = lines.get(line - 1) else { return String::new() };
    let printable = |character: char| if character.is_control() { ' ' } else { character };
    let masked = if may_be_secret(&lines) { mask(shown) } else { (*shown).to_owned() };
    masked.chars().map(printable).take(CHARACTERS_MAX).collect()
}

/// The lines as YAML counts them: a lone carriage return ends one too.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.trim_start_matches('\u{feff}')
        .split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Whether the last of these lines holds values below `secrets`, `headers` or `environment`.
fn may_be_secret(lines: &[&str]) -> bool {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let opens = |line: &str| {
        ["secrets", "headers", "environment", "url"].iter().any(|word| {
            line.trim_start().trim_start_matches(['"', '\'', '{', ' ']).starts_with(word)
                || line.contains(&format!("{word}:"))
                || line.contains(&format!("{word}\""))
        })
    };
    let Some((last, before)) = lines.split_last() else { return false };
    let mut limit = indentation(last);
    if opens(last) {
        return true;
    }
    for line in before.iter().rev().filter(|line| !line.trim().is_empty()) {
        if indentation(line) < limit && opens(line) {
            return true;
        }
        limit = limit.min(indentation(line));
        if limit == 0 {
            return false;
        }
    }
    false
}

/// Keeps the key and hides the rest of the line.
fn mask(line: &str) -> String {
    match line.find(':') {
        Some(colon) => format!("{}: …", &line[..colon]),
        None => {
            let indentation = line.len() - line.trim_start().len();
            format!("{}…", &line[..indentation])
        }
    }
}

/// The word that was probably meant; `None` when nothing is near.
pub fn nearest<'word>(
    given: &str,
    words: impl IntoIterator<Item = &'word str>,
) -> Option<&'word str> {
    let plain = |word: &str| word.replace(['_', '-', ' '], "").to_lowercase();
    let given = plain(given);
    let near = |word: &str| strsim::damerau_levenshtein(&given, &plain(word));
    let (distance, word) = words.into_iter().map(|word| (near(word), word)).min()?;
    let tolerance = (given.chars().count().div_ceil(3)).clamp(1, 4);
    (distance <= tolerance).then_some(word)
}
