//! One JSON document whose rows are read one by one, however large it is.

use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use protocol::json::{self, JsonError};

use super::FormatError;
use super::lookahead::{Lookahead, READ_BYTES};
use super::rows::{Piece, Position, RowReader};
use super::text::{File, Text};
use crate::selector::{MEMBERS_MAX, Path, SelectError, Selector};

/// The records of a document, where a [`Selector`] finds them in one that is held whole.
pub(super) struct JsonRows {
    walk: Walk,
    scalars: bool,
    row: u64,
}

/// More brackets around what cannot be looked at at once are refused: each is kept.
const DEPTH_MAX: usize = 10_000;

impl JsonRows {
    /// Begins at a position that [`RowReader::position`] told, to which it has to read.
    pub(super) fn open(
        selector: &Selector,
        file: Box<dyn File>,
        at: Position,
        row_bytes_max: u64,
    ) -> Result<JsonRows, FormatError> {
        JsonRows::reading(selector, file, at, row_bytes_max, READ_BYTES)
    }

    fn reading(
        selector: &Selector,
        file: Box<dyn File>,
        at: Position,
        row_bytes_max: u64,
        read_bytes: usize,
    ) -> Result<JsonRows, FormatError> {
        let file = Shared(Arc::new(Mutex::new(file)));
        let begin = |records: Path| {
            let text = Text::open(Box::new(file.clone()), None, row_bytes_max)?;
            Ok::<_, FormatError>(Walk::new(Lookahead::new(text, 0, read_bytes), records))
        };
        let mut walk = begin(selector.records.clone().unwrap_or_default())?;
        if selector.records.is_none() && walk.text.byte()? == Some(b'{') {
            // Which list holds the rows is known when there is no other: the document is read twice.
            let only = walk.only_list()?;
            walk = begin(only)?;
        }
        let mut rows = JsonRows { walk, scalars: selector.scalars, row: 0 };
        let mut passed = Piece::default();
        while rows.row < at.row && rows.read(&mut passed)? {
            passed = Piece::default();
        }
        Ok(rows)
    }
}

impl RowReader for JsonRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        let Some(length) = self.walk.record()? else { return Ok(false) };
        let text = &mut self.walk.text;
        let record = text.bytes(length);
        if record[0] != b'{' && !self.scalars {
            let row = usize::try_from(self.row).unwrap_or(usize::MAX);
            let path = self.walk.records.clone();
            return Err(SelectError::NotAnObject { row, path }.into());
        }
        let record = simdutf8::basic::from_utf8(record).map_err(|_| FormatError::NotUtf8)?;
        self.row += 1;
        piece.push(self.row, |json| json.push_str(record));
        piece.non_finite |= text.take_non_finite();
        text.pass(length)?;
        Ok(true)
    }

    fn position(&self) -> Position {
        Position { at: self.walk.text.at, line: 0, row: self.row }
    }
}

/// A document between two of its values.
struct Walk {
    text: Lookahead,
    records: Path,
    open: Vec<Open>,
    next: Next,
    /// Whether there is something where the records are said to be.
    found: bool,
    /// The names at the top, to say what there is, and those of its lists.
    members: Vec<String>,
    lists: Vec<String>,
}

/// An object or a list that is walked into.
struct Open {
    is_object: bool,
    /// How many steps of the path lead here; none where it leads elsewhere.
    steps: Option<usize>,
    /// Elements of a list so far.
    index: usize,
}

#[derive(Clone, Copy)]
enum Next {
    /// A value, to which so many steps of the path lead.
    Value(Option<usize>),
    /// A member or element, or the end of what is open.
    First,
    /// A comma, or the end of what is open.
    Comma,
    Nothing,
}

impl Walk {
    fn new(text: Lookahead, records: Path) -> Walk {
        let (open, members, lists) = Default::default();
        let next = Next::Value(Some(0));
        Walk { text, records, open, next, found: false, members, lists }
    }

    /// The length of the next record, which begins where the text is then; none after the last.
    fn record(&mut self) -> Result<Option<usize>, FormatError> {
        loop {
            let byte = self.text.byte()?;
            match (self.next, byte) {
                // A file of nothing is one of no rows.
                (Next::Value(_), None) if self.open.is_empty() => return Ok(None),
                (Next::Nothing, None) if self.found => return Ok(None),
                (Next::Nothing, None) => {
                    let (path, members) = (self.records.clone(), self.members.clone());
                    return Err(SelectError::NoRecords { path, members }.into());
                }
                (Next::Nothing, _) => return Err(self.wrong(0, "expected the end of the text")),
                (Next::Value(steps), byte) => {
                    if let Some(length) = self.value(steps, byte)? {
                        return Ok(Some(length));
                    }
                }
                (Next::First, byte) => self.first(byte)?,
                (Next::Comma, byte) => self.comma(byte)?,
            }
        }
    }

    /// Passes a value, or its first bracket, unless it is a record.
    fn value(
        &mut self,
        steps: Option<usize>,
        first: Option<u8>,
    ) -> Result<Option<usize>, FormatError> {
        let is_here = steps == Some(self.records.steps());
        let in_records = self.open.last().is_some_and(|open| self.is_records(open));
        self.found |= is_here;
        let walks = match first {
            Some(b'[') => is_here || steps.is_some(),
            Some(b'{') => !is_here && steps.is_some(),
            _ => false,
        };
        if walks {
            self.enter(steps)?;
            return Ok(None);
        }
        self.next = Next::Comma;
        if is_here || in_records {
            let length = self.whole()?;
            // An API may say null where there are no rows.
            if in_records || self.text.bytes(length) != b"null" {
                return Ok(Some(length));
            }
            self.text.pass(length)?;
        } else if matches!(first, Some(b'{' | b'[')) {
            match self.text.value_read() {
                Some(Ok(length)) => self.text.pass(length)?,
                Some(Err(error)) => return Err(self.wrong(error.at, error.expected)),
                None => self.enter(None)?,
            }
        } else {
            let length = self.whole()?;
            self.text.pass(length)?;
        }
        Ok(None)
    }

    /// Whether the elements of what is open are records.
    fn is_records(&self, open: &Open) -> bool {
        !open.is_object && open.steps == Some(self.records.steps())
    }

    fn enter(&mut self, steps: Option<usize>) -> Result<(), FormatError> {
        if self.open.len() == DEPTH_MAX {
            return Err(self.wrong(0, "expected fewer brackets around it"));
        }
        let is_object = self.text.bytes(1) == b"{";
        self.text.pass(1)?;
        self.open.push(Open { is_object, steps, index: 0 });
        self.next = Next::First;
        Ok(())
    }

    fn first(&mut self, byte: Option<u8>) -> Result<(), FormatError> {
        let open = self.open.last().expect("something is open");
        if byte == Some(open.close()) {
            return self.leave();
        }
        self.member()
    }

    fn comma(&mut self, byte: Option<u8>) -> Result<(), FormatError> {
        let Some(open) = self.open.last() else {
            self.next = Next::Nothing;
            return Ok(());
        };
        if byte == Some(open.close()) {
            return self.leave();
        }
        if byte != Some(b',') {
            return Err(self.wrong(0, "expected a comma or the end"));
        }
        self.text.pass(1)?;
        self.text.byte()?;
        self.member()
    }

    fn leave(&mut self) -> Result<(), FormatError> {
        self.text.pass(1)?;
        self.open.pop();
        self.next = Next::Comma;
        Ok(())
    }

    /// The key of a member, or the number of an element, tells whether the path leads to it.
    fn member(&mut self) -> Result<(), FormatError> {
        let is_top = self.open.len() == 1;
        let open = self.open.last().expect("something is open");
        let (steps, is_object, index) = (open.steps, open.is_object, open.index);
        let steps = steps.filter(|steps| *steps < self.records.steps());
        if !is_object {
            self.open.last_mut().expect("something is open").index += 1;
            let leads = steps.filter(|steps| self.records.leads_to_element(*steps, index));
            self.next = Next::Value(leads.map(|steps| steps + 1));
            return Ok(());
        }
        if self.text.byte()? != Some(b'"') {
            return Err(self.wrong(0, "expected a key"));
        }
        let length = self.whole()?;
        let key = self.text.bytes(length);
        let leads = steps.filter(|steps| self.records.leads_to_member(*steps, key));
        let name = is_top.then(|| json::unescape(&String::from_utf8_lossy(key)));
        self.text.pass(length)?;
        if self.text.byte()? != Some(b':') {
            return Err(self.wrong(0, "expected a colon"));
        }
        self.text.pass(1)?;
        let first = self.text.byte()?;
        if let Some(name) = name {
            if first == Some(b'[') && self.lists.len() < MEMBERS_MAX {
                self.lists.push(name.clone());
            }
            if self.members.len() < MEMBERS_MAX {
                self.members.push(name);
            }
        }
        self.next = Next::Value(leads.map(|steps| steps + 1));
        Ok(())
    }

    /// Walks to the end: the only list right below the top holds the rows.
    fn only_list(mut self) -> Result<Path, FormatError> {
        self.enter(None)?;
        match self.record() {
            // Nothing leads nowhere.
            Ok(_) | Err(FormatError::Select(SelectError::NoRecords { .. })) => {}
            Err(error) => return Err(error),
        }
        match &self.lists[..] {
            [only] => Ok(Path::member(only)),
            [] => Err(SelectError::NoList(self.members).into()),
            _ => Err(SelectError::ManyLists(self.lists).into()),
        }
    }

    /// The length of the value that begins here.
    fn whole(&mut self) -> Result<usize, FormatError> {
        self.text.value()?.map_err(|error| self.wrong(error.at, error.expected))
    }

    /// `at` is so many bytes from here.
    fn wrong(&self, at: usize, expected: &'static str) -> FormatError {
        let at = usize::try_from(self.text.at).unwrap_or(usize::MAX).saturating_add(at);
        SelectError::from(JsonError { at, expected }).into()
    }
}

impl Open {
    fn close(&self) -> u8 {
        if self.is_object { b'}' } else { b']' }
    }
}

/// A file that is read by one after the other.
#[derive(Clone)]
struct Shared(Arc<Mutex<Box<dyn File>>>);

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).read(buffer)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;

    fn selector(records: &str) -> Selector {
        let records = (!records.is_empty()).then(|| records.parse().expect("a path"));
        Selector { records, ..Selector::default() }
    }

    /// The rows of a document, so many bytes of which are read at once.
    fn read(records: &str, body: &str, read_bytes: usize) -> Result<Vec<String>, FormatError> {
        let file = Box::new(Cursor::new(body.to_owned().into_bytes()));
        let start = Position::default();
        let mut rows = JsonRows::reading(&selector(records), file, start, u64::MAX, read_bytes)?;
        let mut piece = Piece::default();
        while rows.read(&mut piece)? {}
        Ok(piece.ranges.iter().map(|range| piece.json[range.clone()].to_owned()).collect())
    }

    fn check(records: &str, body: &str, expected: Expect) {
        let open = |at| {
            let file = Box::new(Cursor::new(body.to_owned().into_bytes()));
            JsonRows::open(&selector(records), file, at, u64::MAX)
        };
        expected.assert_eq(&crate::format::rows::tests::told(&open));
    }

    #[test]
    fn rows_are_where_the_path_leads() {
        let body = r#" {"data": {"items": [{"a": 1}, {"a": [2]}], "n": 2}, "next": "x"} "#;
        let rows = || {
            expect![[r#"
                {"a": 1}
                {"a": [2]}"#]]
        };
        check("data.items", body, rows());
        check("data.items.*", body, rows());
        check("", r#"[{"a": 1}, {"a": [2]}]"#, rows());
        check("", r#"{"n": {"a": []}, "rows": [{"a": 1}, {"a": [2]}]}"#, rows());
        check("r.*.o", r#"{"r":[{"o":{"a": 1}},{"o":[{"a": [2]}]}]}"#, rows());
        check("r.1", r#"{"r":[[{"b": 1}],[{"a": 1}, {"a": [2]}]]}"#, rows());
        check("d", r#"{"d":null}"#, expect![""]);
        check("", " \n", expect![""]);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let members = expect!["it has nothing at `data`; its members are dat, n"];
        check("data", r#"{"dat":[],"n":1}"#, members);
        check("data", r#"{"data":[1]}"#, expect!["row 0 of `data` is not an object"]);
        let cut = expect!["it is not JSON: expected a comma or the end at byte 12"];
        check("data", r#"{"data":[{}]"#, cut);
        let more = expect!["it is not JSON: expected the end of the text at byte 14"];
        check("data", r#"{"data":[{}]} x"#, more);
        let lists = expect!["it has several lists; say with `records` which holds the rows: a, b"];
        check("", r#"{"a":[{}],"b":[{}]}"#, lists);
    }

    fn values() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i32>().prop_map(Into::into),
            "[a-z\"\\\\é\n]{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec(("[abé]", inner), 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        /// However little is read at once, and wherever the document ends.
        #[test]
        fn rows_are_those_of_a_document_that_is_held_whole(
            value in values(),
            records in prop_oneof!["", "\\$", "[abé*01]", "[abé*0]\\.[abé*1]"],
            is_pretty in any::<bool>(),
            left in prop::option::of(0.0..1.0),
        ) {
            let mut body = if is_pretty { format!("{value:#}") } else { value.to_string() };
            if let Some(left) = left {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a length")]
                let mut end = (body.len() as f64 * left) as usize;
                while !body.is_char_boundary(end) {
                    end -= 1;
                }
                body.truncate(end);
            }
            prop_assume!(!body.trim().is_empty());
            let whole = selector(&records).select(body.as_bytes());
            let whole = whole.map(|found| {
                found.records.into_iter().map(|range| body[range].to_owned()).collect::<Vec<_>>()
            });
            for read_bytes in [1, 7, READ_BYTES] {
                let found = read(&records, &body, read_bytes);
                match (&found, &whole) {
                    (Ok(found), Ok(whole)) => assert_eq!(found, whole),
                    // It comes to the row first.
                    (Err(FormatError::Select(SelectError::NotAnObject { .. })), Err(_)) => {}
                    (Err(FormatError::Select(found)), Err(whole)) => {
                        let [found, whole] = [found, whole].map(std::mem::discriminant);
                        assert_eq!(found, whole);
                    }
                    _ => panic!("{found:?} {whole:?}"),
                }
            }
        }
    }
}
