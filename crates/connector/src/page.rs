//! One page as it came: where its rows are, and what it says about the pages after it.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use protocol::json;
use reqwest::header::HeaderMap;
use sha2::{Digest, Sha256};

use crate::files::Listed;
use crate::format::{self, FormatError, Opened, Piece};
use crate::http::Answer;
use crate::manifest::Source;
use crate::paginator::{PageAt, PageFacts};
use crate::plan::TablePlan;
use crate::reader::Streamed;
use crate::reshape::HashKey;
use crate::selector::{Path, Selection, scalar};

/// A page that was read: its body, and the ranges of its rows in it.
#[derive(Debug)]
pub(crate) struct Page {
    body: Bytes,
    headers: HeaderMap,
    selection: Selection,
    /// Rows that could not be read and are left out, as the manifest allows.
    pub(crate) bad_rows: u64,
    parents: OnceLock<Vec<(String, usize)>>,
    origin: Option<Origin>,
    /// Where it stands in the answer that it is a piece of.
    pub(crate) streamed: Option<Streamed>,
}

/// The file that rows are from.
#[derive(Debug)]
struct Origin {
    /// What every row begins with, up to its number.
    beginning: String,
    numbers: Vec<u64>,
}

impl Page {
    /// Finds the rows of an answer, which may unpack to `bytes_max` at most.
    ///
    /// # Errors
    /// When the body is not what the manifest says, or its rows are not where they are said to be.
    pub(crate) fn read(
        table: &TablePlan,
        answer: Answer,
        bytes_max: u64,
    ) -> Result<Page, FormatError> {
        let Answer { headers, body, .. } = answer;
        // 204, or an empty body: nothing is here.
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Page::empty(table, headers));
        }
        let Opened { json, selection, bad_rows } = format::open(table, body, bytes_max)?;
        let parents = OnceLock::new();
        Ok(Page { body: json, headers, selection, bad_rows, parents, origin: None, streamed: None })
    }

    /// The rows of a piece of a large answer.
    pub(crate) fn of_answer(headers: HeaderMap, piece: &Piece, streamed: Streamed) -> Page {
        let (records, non_finite) = (piece.ranges.clone(), piece.non_finite);
        Page {
            body: Bytes::copy_from_slice(piece.json.as_bytes()),
            headers,
            selection: Selection { records, non_finite, ..Selection::default() },
            bad_rows: piece.bad,
            parents: OnceLock::new(),
            origin: None,
            streamed: Some(streamed),
        }
    }

    /// The rows of a piece of a file, which they name.
    pub(crate) fn of_file(file: &Listed, piece: &Piece) -> Page {
        let mut beginning = String::from("{\"_file\":");
        json::quote(&file.path, &mut beginning);
        if let Some(modified) = file.modified
            && let Ok(modified) = jiff::Timestamp::from_millisecond(modified)
        {
            beginning.push_str(&format!(",\"_modified\":\"{modified:.3}\""));
        }
        beginning.push_str(",\"_line\":");
        let (records, non_finite) = (piece.ranges.clone(), piece.non_finite);
        Page {
            body: Bytes::copy_from_slice(piece.json.as_bytes()),
            headers: HeaderMap::new(),
            selection: Selection { records, non_finite, ..Selection::default() },
            bad_rows: piece.bad,
            parents: OnceLock::new(),
            origin: Some(Origin { beginning, numbers: piece.numbers.clone() }),
            streamed: None,
        }
    }

    /// A page without rows.
    pub(crate) fn empty(table: &TablePlan, headers: HeaderMap) -> Page {
        let values = vec![None; table.selector.values.len()];
        let selection = Selection { values, ..Selection::default() };
        let parents = OnceLock::new();
        Page {
            body: Bytes::new(),
            headers,
            selection,
            bad_rows: 0,
            parents,
            origin: None,
            streamed: None,
        }
    }

    /// A page of texts, for the parents that a manifest lists.
    pub(crate) fn of_values(values: &[String]) -> Page {
        let mut body = String::new();
        let mut records = Vec::new();
        for value in values {
            let start = body.len();
            json::quote(value, &mut body);
            records.push(start..body.len());
        }
        let selection = Selection { records, ..Selection::default() };
        Page {
            body: body.into(),
            headers: HeaderMap::new(),
            selection,
            bad_rows: 0,
            parents: OnceLock::new(),
            origin: None,
            streamed: None,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.selection.records.len()
    }

    pub(crate) fn row(&self, index: usize) -> Bytes {
        let row = self.body.slice(self.selection.records[index].clone());
        match &self.origin {
            None => row,
            Some(origin) => origin.name(index, &row),
        }
    }

    pub(crate) fn non_finite(&self) -> bool {
        self.selection.non_finite
    }

    /// What tells this page from another: its first and last row and how many there are.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.rows().to_le_bytes());
        for range in [self.selection.records.first(), self.selection.records.last()] {
            hash.update(&self.body[range.cloned().unwrap_or_default()]);
        }
        short(hash)
    }

    /// The rows that children are read for: each name once, with the number of the first row that has it.
    pub(crate) fn parents(
        &self,
        table: &TablePlan,
        hash_key: Option<&HashKey>,
    ) -> &[(String, usize)] {
        self.parents.get_or_init(|| {
            let mut met = HashSet::new();
            (0..self.rows())
                .map(|index| (self.row_name(table, index, hash_key), index))
                .filter(|(name, _)| met.insert(name.clone()))
                .collect()
        })
    }

    /// What names a row among its siblings: its key, or its number where it has none. It goes into the
    /// state, so a key that is hidden in the table is hidden here too.
    pub(crate) fn row_name(
        &self,
        table: &TablePlan,
        index: usize,
        hash_key: Option<&HashKey>,
    ) -> String {
        let row = self.row(index);
        if !row.starts_with(b"{") {
            return scalar(&row).unwrap_or_default();
        }
        let part = |name: &String| {
            let name = table.reshape.source_name(name);
            let found = scalar(&row[crate::template::member(&row, name)?])?;
            Some(match hash_key.filter(|_| table.reshape.hides(name)) {
                Some(key) => key.hash(&found),
                None => found,
            })
        };
        let parts: Option<Vec<String>> = table.primary_key.iter().map(part).collect();
        match parts {
            Some(parts) if !parts.is_empty() => parts.join("\u{1f}"),
            _ => format!("#{index}"),
        }
    }

    /// What the page says about the pages after it, all but the counts of the reading.
    pub(crate) fn facts(&self, table: &TablePlan) -> PageFacts {
        let style = &table.pagination;
        let wanted = &table.wanted;
        let number = |source: Option<&Source>, place: Option<usize>| {
            self.raw(source, place).and_then(|raw| scalar(&raw)?.parse().ok())
        };
        let token = style.cursor.as_ref().map(|token| &token.from);
        PageFacts {
            rows: self.rows() as u64,
            token: self.raw(token, wanted.token).and_then(|raw| {
                let is_number = raw.first().is_some_and(|b| *b == b'-' || b.is_ascii_digit());
                let is_body = matches!(token, Some(Source::Body(_) | Source::LastRow(_)));
                let text = scalar(&raw)?;
                Some(if is_number && is_body { PageAt::Number(text) } else { PageAt::Token(text) })
            }),
            total: number(style.total.as_ref(), wanted.total),
            total_pages: number(style.total_pages.as_ref(), wanted.total_pages),
            // Where it is missing, nothing is known: other signs decide.
            has_more: self.raw(style.has_more.as_ref(), wanted.has_more).map(|raw| is_true(&raw)),
            ..PageFacts::default()
        }
    }

    /// The sync token of the answer.
    pub(crate) fn cursor(&self, table: &TablePlan) -> Option<String> {
        let source = table.config.cursor.as_ref()?.from.as_ref()?;
        scalar(&self.raw(Some(source), table.wanted.cursor)?)
    }

    /// The highest number as this answer tells it; `null` where it says that there is none.
    pub(crate) fn end(&self, table: &TablePlan) -> Option<Bytes> {
        let source = table.config.cursor.as_ref()?.told_end()?;
        self.raw(Some(source), table.wanted.end)
    }

    /// A value as JSON text; those of headers are made texts.
    fn raw(&self, source: Option<&Source>, place: Option<usize>) -> Option<Bytes> {
        let quoted = |text: &str| {
            let mut out = String::new();
            json::quote(text, &mut out);
            Bytes::from(out)
        };
        match source? {
            Source::Body(_) => {
                let range: Range<usize> = self.selection.values.get(place?)?.clone()?;
                Some(self.body.slice(range))
            }
            Source::LastRow(path) => {
                let row = self.row(self.rows().checked_sub(1)?);
                path.find(&row).map(|found| row.slice_ref(found))
            }
            Source::Header(name) => Some(quoted(self.headers.get(name)?.to_str().ok()?)),
            Source::Link(relation) => Some(quoted(&link(&self.headers, relation)?)),
        }
    }
}

impl Origin {
    /// The row with its file and its number in it.
    fn name(&self, index: usize, row: &[u8]) -> Bytes {
        let mut named = Vec::with_capacity(self.beginning.len() + row.len() + 24);
        named.extend_from_slice(self.beginning.as_bytes());
        named.extend_from_slice(self.numbers[index].to_string().as_bytes());
        match row.strip_prefix(b"{") {
            Some(members) if members.trim_ascii_start() == b"}" => named.push(b'}'),
            Some(members) => {
                named.push(b',');
                named.extend_from_slice(members);
            }
            None => {
                named.extend_from_slice(b",\"value\":");
                named.extend_from_slice(row);
                named.push(b'}');
            }
        }
        named.into()
    }
}

/// Whether a value means yes: not null, false, 0, an empty text, or a word for no.
pub(crate) fn is_true(raw: &[u8]) -> bool {
    match scalar(raw) {
        None => matches!(raw.first(), Some(b'{' | b'[')),
        Some(text) => {
            let text = text.to_ascii_lowercase();
            !matches!(text.as_str(), "" | "0" | "false" | "no" | "n")
        }
    }
}

/// Whether a row's field means yes.
pub(crate) fn flag(path: &Path, row: &[u8]) -> bool {
    path.find(row).is_some_and(is_true)
}

/// The address of this relation in the `Link` headers (RFC 8288).
pub(crate) fn link(headers: &HeaderMap, relation: &str) -> Option<String> {
    headers.get_all("link").iter().filter_map(|value| value.to_str().ok()).find_map(|text| {
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            let end = start + rest[start..].find('>')?;
            let address = &rest[start + 1..end];
            let parameters_end = rest[end..].find(",<").or_else(|| rest[end..].find(", <"));
            let parameters_end = parameters_end.map_or(rest.len(), |at| end + at);
            let is_it = rest[end + 1..parameters_end].split(';').any(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or_default();
                name.trim().eq_ignore_ascii_case("rel")
                    && value
                        .trim()
                        .trim_matches('"')
                        .split(' ')
                        .any(|word| word.eq_ignore_ascii_case(relation))
            });
            if is_it {
                return Some(address.to_owned());
            }
            rest = &rest[parameters_end..];
        }
        None
    })
}

/// Enough of a hash to tell pages apart.
pub(crate) fn short(hash: Sha256) -> String {
    let bytes = hash.finalize();
    let start = bytes.first_chunk::<8>().expect("a hash has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*start))
}

/// Enough of a text to tell it from others, and too little to be it.
pub(crate) fn mark(text: &[u8]) -> String {
    short(Sha256::new().chain_update(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_by_their_relation() {
        let mut headers = HeaderMap::new();
        let value =
            r#"<https://a/x?p=1,2>; rel="prev", <https://a/x?p=3>; title="n"; rel="last next""#;
        headers.insert("link", value.parse().expect("a header"));
        assert_eq!(link(&headers, "next").as_deref(), Some("https://a/x?p=3"));
        assert_eq!(link(&headers, "prev").as_deref(), Some("https://a/x?p=1,2"));
        assert_eq!(link(&headers, "first"), None);
    }

    #[test]
    fn yes_and_no_as_apis_say_them() {
        for yes in ["true", "1", "\"true\"", "\"Y\"", "\"2024-01-01\"", "{}"] {
            assert!(is_true(yes.as_bytes()), "{yes}");
        }
        for no in ["false", "0", "null", "\"\"", "\"False\"", "\"no\""] {
            assert!(!is_true(no.as_bytes()), "{no}");
        }
    }
}
