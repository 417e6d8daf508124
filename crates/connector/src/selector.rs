//! Finds values in a JSON body as byte ranges, in the one walk that also validates it.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use protocol::json::{self, JsonError, Validator};

/// The way to a value: `data.items`, `result.0.rows`, `result.*.order`, or `$` for the whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// A member, or an element by its number.
    Key(String),
    /// Every member or element.
    All,
}

/// Longer paths are refused: the walk recurses along them.
const SEGMENTS_MAX: usize = 32;

impl FromStr for Path {
    type Err = String;

    fn from_str(text: &str) -> Result<Path, String> {
        let text = text.trim_start_matches("$.");
        if text == "$" {
            return Ok(Path::default());
        }
        let text = text.replace('[', ".").replace(']', "");
        let segments: Vec<Segment> = text
            .split('.')
            .map(|word| match word {
                "*" => Segment::All,
                word => Segment::Key(word.to_owned()),
            })
            .collect();
        if segments.contains(&Segment::Key(String::new())) {
            return Err("expected names with a point between them, such as data.items".into());
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(format!("a path has at most {SEGMENTS_MAX} names"));
        }
        Ok(Path(segments))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("$");
        }
        for (index, segment) in self.0.iter().enumerate() {
            let point = if index > 0 { "." } else { "" };
            match segment {
                Segment::Key(key) => write!(f, "{point}{key}")?,
                Segment::All => write!(f, "{point}*")?,
            }
        }
        Ok(())
    }
}

impl Path {
    /// The value here in a record that is known to be valid; the first, where there are several.
    pub(crate) fn find<'json>(&self, valid: &'json [u8]) -> Option<&'json [u8]> {
        let mut at = json::skip_whitespace(valid, 0);
        for segment in &self.0 {
            at = step(valid, at, segment)?;
        }
        Some(&valid[at..json::value_end(valid, at)])
    }
}

impl Path {
    /// The names that it leads through, if it is of plain names alone: no number and no `*`.
    pub(crate) fn names(&self) -> Option<Vec<&str>> {
        let names = self.0.iter().map(|segment| match segment {
            Segment::Key(key) if key.parse::<usize>().is_err() => Some(key.as_str()),
            _ => None,
        });
        names.collect()
    }

    /// Every value here in JSON that is known to be valid, where a name leads into each element of a list
    /// as well.
    pub(crate) fn find_in_lists(&self, valid: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        find_in_lists(valid, json::skip_whitespace(valid, 0), &self.0, &mut found);
        found
    }

    /// To the member of that name.
    pub(crate) fn member(name: &str) -> Path {
        Path(vec![Segment::Key(name.to_owned())])
    }

    /// How many members and elements it leads through.
    pub(crate) fn steps(&self) -> usize {
        self.0.len()
    }

    /// Whether it goes on, after so many steps, to the member whose key is this literal, with its quotes.
    pub(crate) fn leads_to_member(&self, steps: usize, key: &[u8]) -> bool {
        self.0[steps].matches_key(key, key.contains(&b'\\'))
    }

    /// Whether it goes on, after so many steps, to the element of this number.
    pub(crate) fn leads_to_element(&self, steps: usize, index: usize) -> bool {
        self.0[steps].matches_index(index)
    }

    /// Whether it may lead to several values.
    pub(crate) fn has_all(&self) -> bool {
        self.0.contains(&Segment::All)
    }

    /// The path of what this is in.
    pub(crate) fn parent(&self) -> Option<Path> {
        let (_, parent) = self.0.split_last()?;
        Some(Path(parent.to_vec()))
    }
}

fn find_in_lists(valid: &[u8], at: usize, path: &[Segment], found: &mut Vec<Range<usize>>) {
    let is_list = valid[at] == b'[';
    let (first, rest) = match path.split_first() {
        Some((first, rest)) => (Some(first), rest),
        None if is_list => (None, path),
        None => return found.push(at..json::value_end(valid, at)),
    };
    if !is_list && valid[at] != b'{' {
        return;
    }
    for (index, (key, at)) in members(valid, at).enumerate() {
        match (first, key) {
            (Some(first), Some(key)) => {
                if first.matches_key(&valid[key.clone()], valid[key].contains(&b'\\')) {
                    find_in_lists(valid, at, rest, found);
                }
            }
            (Some(first), None) if first.is_of_lists() => {
                if first.matches_index(index) {
                    find_in_lists(valid, at, rest, found);
                }
            }
            _ => find_in_lists(valid, at, path, found),
        }
    }
}

/// Where the key of each member is, if it is one of an object, and where its value begins.
fn members(valid: &[u8], at: usize) -> impl Iterator<Item = (Option<Range<usize>>, usize)> + '_ {
    let is_object = valid[at] == b'{';
    let mut at = json::skip_whitespace(valid, at + 1);
    std::iter::from_fn(move || {
        if matches!(valid[at], b'}' | b']') {
            return None;
        }
        let mut key = None;
        if is_object {
            let end = json::string_end(valid, at).0;
            key = Some(at..end);
            at = json::skip_whitespace(valid, json::skip_whitespace(valid, end) + 1);
        }
        let value = at;
        at = json::skip_whitespace(valid, json::value_end(valid, at));
        if valid[at] == b',' {
            at = json::skip_whitespace(valid, at + 1);
        }
        Some((key, value))
    })
}

/// Where the member or element begins; the last one of a name counts, as everywhere.
fn step(valid: &[u8], mut at: usize, segment: &Segment) -> Option<usize> {
    let is_object = valid.get(at) == Some(&b'{');
    if !is_object && valid.get(at) != Some(&b'[') {
        return None;
    }
    let mut found = None;
    let mut index = 0;
    at = json::skip_whitespace(valid, at + 1);
    while !matches!(valid.get(at), Some(b'}' | b']') | None) {
        let is_it = if is_object {
            let (end, escaped) = json::string_end(valid, at);
            let is_it = segment.matches_key(&valid[at..end], escaped);
            at = json::skip_whitespace(valid, json::skip_whitespace(valid, end) + 1);
            is_it
        } else {
            segment.matches_index(index)
        };
        if is_it {
            found = Some(at);
            if !is_object || *segment == Segment::All {
                return found;
            }
        }
        index += 1;
        at = json::skip_whitespace(valid, json::value_end(valid, at));
        if valid.get(at) == Some(&b',') {
            at = json::skip_whitespace(valid, at + 1);
        }
    }
    found
}

impl Segment {
    /// `literal` has its quotes.
    fn matches_key(&self, literal: &[u8], escaped: bool) -> bool {
        match self {
            Segment::All => true,
            Segment::Key(key) if !escaped => &literal[1..literal.len() - 1] == key.as_bytes(),
            Segment::Key(key) => {
                let literal = std::str::from_utf8(literal).unwrap_or("\"\"");
                json::unescape(literal) == *key
            }
        }
    }

    /// Whether it may be meant for a list: a number, or all.
    fn is_of_lists(&self) -> bool {
        match self {
            Segment::All => true,
            Segment::Key(key) => key.parse::<usize>().is_ok(),
        }
    }

    fn matches_index(&self, index: usize) -> bool {
        match self {
            Segment::All => true,
            Segment::Key(key) => key.parse() == Ok(index),
        }
    }
}

/// What to look for in one walk: records, and single values such as tokens and totals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    /// `None`: the body itself if it is a list, or the only list in it.
    pub(crate) records: Option<Path>,
    pub(crate) values: Vec<Path>,
    /// Whether a record may be something else than an object.
    pub(crate) scalars: bool,
}

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    /// One range a record, in order.
    pub(crate) records: Vec<Range<usize>>,
    /// One for each path of [`Selector::values`].
    pub(crate) values: Vec<Option<Range<usize>>>,
    /// Whether a bare NaN or Infinity stands somewhere (Q-13).
    pub(crate) non_finite: bool,
}

/// Why a body does not hold what is looked for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectError {
    #[error("it is not JSON: {0}")]
    NotJson(#[from] JsonError),
    #[error("it has nothing at `{path}`{}", known(.members))]
    NoRecords { path: Path, members: Vec<String> },
    #[error("it has no list of rows; say where they are with `records`{}", known(.0))]
    NoList(Vec<String>),
    #[error("it has several lists; say with `records` which holds the rows: {}", .0.join(", "))]
    ManyLists(Vec<String>),
    #[error("row {row} of `{path}` is not an object")]
    NotAnObject { row: usize, path: Path },
}

fn known(members: &[String]) -> String {
    match members {
        [] => String::new(),
        members => format!("; its members are {}", members.join(", ")),
    }
}

impl Selector {
    /// Walks the body once.
    ///
    /// # Errors
    /// When it is not JSON, or its records cannot be found or are no objects. Names of members are
    /// told, values never.
    pub(crate) fn select(&self, body: &[u8]) -> Result<Selection, SelectError> {
        let start = json::skip_whitespace(body, 0);
        let guess = self.records.is_none() && body.get(start) == Some(&b'{');
        let records = self.records.clone().unwrap_or_default();
        let mut walk = Walk {
            body,
            validator: Validator::default(),
            selection: Selection { values: vec![None; self.values.len()], ..Selection::default() },
            found: false,
            lists: Vec::new(),
            members: Vec::new(),
        };
        let mut wanted: Vec<Wanted<'_>> = self
            .values
            .iter()
            .enumerate()
            .map(|(index, path)| Wanted { rest: &path.0, what: What::Value(index) })
            .collect();
        let what = if guess { What::OnlyList } else { What::Records };
        wanted.push(Wanted { rest: &records.0, what });
        let end = walk.value(start, &wanted, 0)?;
        let end = json::skip_whitespace(body, end);
        if end != body.len() {
            return Err(JsonError { at: end, expected: "expected the end of the text" }.into());
        }
        let mut selection = walk.selection;
        if guess {
            match walk.lists.len() {
                1 => selection.records = walk.lists.remove(0).1,
                0 => return Err(SelectError::NoList(walk.members)),
                _ => {
                    let names = walk.lists.into_iter().map(|(name, _)| name).collect();
                    return Err(SelectError::ManyLists(names));
                }
            }
        } else if !walk.found {
            return Err(SelectError::NoRecords { path: records, members: walk.members });
        }
        selection.non_finite = walk.validator.non_finite.is_some();
        let is_no_object = |range: &Range<usize>| body[range.start] != b'{';
        if let Some(row) = selection.records.iter().position(is_no_object)
            && !self.scalars
        {
            return Err(SelectError::NotAnObject { row, path: records });
        }
        Ok(selection)
    }
}

#[derive(Clone, Copy)]
struct Wanted<'path> {
    rest: &'path [Segment],
    what: What,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Records,
    /// Every list right below the top is a candidate.
    OnlyList,
    Value(usize),
}

struct Walk<'body> {
    body: &'body [u8],
    validator: Validator,
    selection: Selection,
    found: bool,
    lists: Vec<(String, Vec<Range<usize>>)>,
    /// The names at the top, to say what there is.
    members: Vec<String>,
}

/// So many names are told in a message.
pub(crate) const MEMBERS_MAX: usize = 12;

impl Walk<'_> {
    /// The end of the value that begins at `at`.
    fn value(
        &mut self,
        at: usize,
        wanted: &[Wanted<'_>],
        depth: usize,
    ) -> Result<usize, JsonError> {
        let here = |what: What| wanted.iter().any(|one| one.rest.is_empty() && one.what == what);
        let first = self.body.get(at);
        let end = if first == Some(&b'[') && here(What::Records) {
            self.found = true;
            self.elements(at, |walk, range| walk.selection.records.push(range))?
        } else if matches!(first, Some(b'{' | b'[')) && !wanted.is_empty() {
            self.members(at, wanted, depth)?
        } else {
            self.validator.value(self.body, at)?
        };
        for one in wanted.iter().filter(|one| one.rest.is_empty()) {
            match one.what {
                What::Value(index) => self.selection.values[index] = Some(at..end),
                What::Records if first == Some(&b'[') => {}
                // An API may say null where there are no rows.
                What::Records => {
                    self.found = true;
                    if &self.body[at..end] != b"null" {
                        self.selection.records.push(at..end);
                    }
                }
                What::OnlyList => {}
            }
        }
        Ok(end)
    }

    fn members(
        &mut self,
        at: usize,
        wanted: &[Wanted<'_>],
        depth: usize,
    ) -> Result<usize, JsonError> {
        let body = self.body;
        let is_object = body[at] == b'{';
        let close = if is_object { b'}' } else { b']' };
        let mut at = json::skip_whitespace(body, at + 1);
        let mut index = 0;
        let mut inner = Vec::new();
        if body.get(at) == Some(&close) {
            return Ok(at + 1);
        }
        loop {
            let mut name = 0..0;
            let mut escaped = false;
            if is_object {
                (name, escaped, at) = self.key(at)?;
            }
            inner.clear();
            let matching = wanted.iter().filter_map(|one| {
                let (first, rest) = one.rest.split_first()?;
                let is_it = if is_object {
                    first.matches_key(&body[name.clone()], escaped)
                } else {
                    first.matches_index(index)
                };
                is_it.then_some(Wanted { rest, what: one.what })
            });
            inner.extend(matching);
            let is_top = depth == 0 && is_object;
            let literal =
                || String::from_utf8_lossy(&body[name.clone()]).trim_matches('"').to_owned();
            if is_top && self.members.len() < MEMBERS_MAX {
                self.members.push(literal());
            }
            let guess = is_top && wanted.iter().any(|one| one.what == What::OnlyList);
            at = if guess && inner.is_empty() && body.get(at) == Some(&b'[') {
                let mut list = Vec::new();
                let end = self.elements(at, |_, range| list.push(range))?;
                self.lists.push((literal(), list));
                end
            } else {
                let inner = std::mem::take(&mut inner);
                self.value(at, &inner, depth + 1)?
            };
            index += 1;
            at = json::skip_whitespace(body, at);
            match body.get(at) {
                Some(b',') => at = json::skip_whitespace(body, at + 1),
                Some(byte) if *byte == close => return Ok(at + 1),
                _ => return Err(JsonError { at, expected: "expected a comma or the end" }),
            }
        }
    }

    /// The range of a key with its quotes, whether it has escapes, and where its value begins.
    fn key(&mut self, at: usize) -> Result<(Range<usize>, bool, usize), JsonError> {
        if self.body.get(at) != Some(&b'"') {
            return Err(JsonError { at, expected: "expected a key" });
        }
        let end = self.validator.value(self.body, at)?;
        let escaped = self.body[at..end].contains(&b'\\');
        let colon = json::skip_whitespace(self.body, end);
        if self.body.get(colon) != Some(&b':') {
            return Err(JsonError { at: colon, expected: "expected a colon" });
        }
        Ok((at..end, escaped, json::skip_whitespace(self.body, colon + 1)))
    }

    fn elements(
        &mut self,
        at: usize,
        mut found: impl FnMut(&mut Self, Range<usize>),
    ) -> Result<usize, JsonError> {
        let mut at = json::skip_whitespace(self.body, at + 1);
        if self.body.get(at) == Some(&b']') {
            return Ok(at + 1);
        }
        loop {
            let end = self.validator.value(self.body, at)?;
            found(self, at..end);
            at = json::skip_whitespace(self.body, end);
            match self.body.get(at) {
                Some(b',') => at = json::skip_whitespace(self.body, at + 1),
                Some(b']') => return Ok(at + 1),
                _ => return Err(JsonError { at, expected: "expected a comma or the end" }),
            }
        }
    }
}

/// The text of a scalar that is known to be valid; nothing for null, false, an empty text, lists and objects.
pub(crate) fn scalar(valid: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(valid).ok()?;
    match text.as_bytes().first()? {
        b'"' => Some(json::unescape(text)).filter(|text| !text.is_empty()),
        b'n' | b'f' | b'{' | b'[' => None,
        _ => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// What is found, as `records | value`, or the error.
    fn check(records: &str, value: &str, body: &str, expected: Expect) {
        let records = (!records.is_empty()).then(|| records.parse().expect("a path"));
        let selector =
            Selector { records, values: vec![value.parse().expect("a path")], scalars: false };
        let found = match selector.select(body.as_bytes()) {
            Ok(found) => {
                let rows: Vec<&str> = found.records.into_iter().map(|range| &body[range]).collect();
                let value = found.values[0].clone().map_or("-", |range| &body[range]);
                format!("{} | {value}", rows.join(" "))
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn records_and_a_token_in_one_walk() {
        let body = r#" {"data": {"items": [{"a": 1}, {"a": [2]}], "n": 2}, "next": "x"} "#;
        check("data.items", "next", body, expect![[r#"{"a": 1} {"a": [2]} | "x""#]]);
        check("$", "data.n", r#"[{"a":1}]"#, expect![[r#"{"a":1} | -"#]]);
        check(
            "r.*.o",
            "$",
            r#"{"r":[{"o":{"a":1}},{"o":{"a":2}}]}"#,
            expect![[r#"{"a":1} {"a":2} | {"r":[{"o":{"a":1}},{"o":{"a":2}}]}"#]],
        );
        check("r.*", "r.k.a", r#"{"r":{"k":{"a":1}}}"#, expect![[r#"{"a":1} | 1"#]]);
        check("d", "$.m.0", r#"{"d":null,"m":[7]}"#, expect![" | 7"]);
    }

    #[test]
    fn without_a_path_the_only_list_holds_the_rows() {
        check("", "n", r#"[{"a":1}]"#, expect![[r#"{"a":1} | -"#]]);
        check("", "n", r#"{"n":1,"rows":[{"a":1}]}"#, expect![[r#"{"a":1} | 1"#]]);
        check(
            "",
            "n",
            r#"{"n":1}"#,
            expect!["it has no list of rows; say where they are with `records`; its members are n"],
        );
        check(
            "",
            "n",
            r#"{"a":[],"b":[]}"#,
            expect!["it has several lists; say with `records` which holds the rows: a, b"],
        );
    }

    #[test]
    fn what_is_not_there_is_an_error_and_not_an_empty_table() {
        check(
            "data",
            "n",
            r#"{"dat":[]}"#,
            expect!["it has nothing at `data`; its members are dat"],
        );
        check("data", "n", r#"{"data":[1]}"#, expect!["row 0 of `data` is not an object"]);
        check(
            "data",
            "n",
            r#"{"data":[{}]"#,
            expect!["it is not JSON: expected a comma or the end at byte 12"],
        );
        check(
            "data",
            "n",
            r#"{"data":[{}]} x"#,
            expect!["it is not JSON: expected the end of the text at byte 14"],
        );
    }

    #[test]
    fn fields_of_a_row() {
        let find = |path: &str, row: &str| {
            let path: Path = path.parse().expect("a path");
            path.find(row.as_bytes()).map(|found| String::from_utf8_lossy(found).into_owned())
        };
        assert_eq!(find("a.b", r#"{"a":{"b": "x"}}"#).as_deref(), Some(r#""x""#));
        assert_eq!(find("a", r#"{"a":1,"a":2}"#).as_deref(), Some("2"));
        assert_eq!(find("l[1]", r#"{"l":[1,[2]]}"#).as_deref(), Some("[2]"));
        assert_eq!(find("é", r#"{"\u00e9":1}"#).as_deref(), Some("1"));
        assert_eq!(find("a.b", r#"{"a":1}"#), None);
    }
}
