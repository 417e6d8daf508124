//! Which of a store's files a path stands for.

use glob::{MatchOptions, Pattern};

use super::FileError;

/// One file, or all whose paths fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePattern {
    text: String,
    /// Where the folder that holds them all ends.
    folder_end: usize,
    /// Nothing where the path is that of one file.
    wild: Option<Pattern>,
}

/// Characters that stand for others.
const WILD: [char; 3] = ['*', '?', '['];

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl FilePattern {
    /// # Errors
    /// When it is no pattern.
    pub(crate) fn new(text: String) -> Result<FilePattern, FileError> {
        FilePattern::inside("", text)
    }

    /// A pattern in a folder, whose own name is a name and no pattern.
    ///
    /// # Errors
    /// When it is no pattern.
    pub(crate) fn inside(folder: &str, text: String) -> Result<FilePattern, FileError> {
        // A folder stands for all that is in it.
        let text = if text.is_empty() || text.ends_with('/') {
            text + "**/*"
        } else if text.ends_with("**") {
            text + "/*"
        } else {
            text
        };
        let first = text.find(WILD);
        let pattern = first.map(|_| Pattern::new(&(Pattern::escape(folder) + &text))).transpose();
        let wild = pattern.map_err(|error| FileError::Refused {
            message: format!("the pattern of `files` is none: {error}"),
            hint: "correct `files` of the table",
        })?;
        let text = folder.to_owned() + &text;
        let named = first.map_or(text.len(), |first| folder.len() + first);
        let folder_end = text[..named].rfind('/').map_or(0, |at| at + 1);
        Ok(FilePattern { text, folder_end, wild })
    }

    /// The path, where it is that of one file.
    pub(crate) fn only(&self) -> Option<&str> {
        self.wild.is_none().then_some(&self.text)
    }

    /// The folder that holds them all, with its `/` at the end.
    pub(crate) fn folder(&self) -> &str {
        &self.text[..self.folder_end]
    }

    /// Whether files in folders inside of that one may fit, too.
    pub(crate) fn is_deep(&self) -> bool {
        self.text[self.folder_end..].contains('/')
    }

    pub(crate) fn fits(&self, path: &str) -> bool {
        self.wild.as_ref().map_or(self.text == path, |wild| wild.matches_with(path, OPTIONS))
    }

    /// Whether anything in this folder inside of the one that holds them all may fit.
    #[cfg(feature = "sftp")]
    pub(crate) fn leads_into(&self, folder: &str) -> bool {
        let mut wanted = self.text[self.folder_end..].split('/');
        let inside = folder.get(self.folder_end..).unwrap_or_default();
        for name in inside.split('/').filter(|name| !name.is_empty()) {
            match wanted.next() {
                Some("**") => return true,
                Some(part) if Pattern::new(part).is_ok_and(|part| part.matches(name)) => {}
                _ => return false,
            }
        }
        wanted.next().is_some()
    }
}

#[cfg(all(test, feature = "sftp"))]
mod tests {
    use super::*;

    #[test]
    fn only_folders_that_may_hold_a_file_are_looked_into() {
        for (pattern, folder, expected) in [
            ("/in/*.csv", "/in/a", false),
            ("/in/*/*.csv", "/in/a", true),
            ("/in/*/*.csv", "/in/a/b", false),
            ("/in/2024-*/*.csv", "/in/2023-01", false),
            ("/in/2024-*/x/*.csv", "/in/2024-01/x", true),
            ("/in/2024-*/x/*.csv", "/in/2024-01/y", false),
            ("/in/**/*.csv", "/in/a/b/c", true),
            ("/in/a?/**/*.csv", "/in/b1/c", false),
            ("/in/", "/in/a/b", true),
            ("", "a/b", true),
        ] {
            let pattern = FilePattern::new(pattern.to_owned()).expect("a pattern");
            assert_eq!(pattern.leads_into(folder), expected, "{pattern:?} {folder}");
        }
    }
}
