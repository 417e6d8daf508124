//! Raw rows to columns in one pass: every value is looked at once, told apart, and kept as a place in
//! the text together with what reading it has already found out. No row becomes a map or a tree.

use std::borrow::Cow;
use std::collections::HashMap;

use protocol::json;

use crate::number;
use crate::policy::Treatment;
use crate::run::StringInference;
use crate::shape::{Feature, Shape};
use crate::temporal::{self, Temporal};

/// A table's rows on one page, by column.
pub(crate) struct PageColumns<'t> {
    pub(crate) text: &'t str,
    pub(crate) rows: usize,
    /// Whether a bare `NaN` or `Infinity` is somewhere among the values.
    pub(crate) non_finite: bool,
    /// Known columns first, then the others as they appear.
    pub(crate) columns: Vec<PageColumn>,
    /// Rows that were left out, from 0, in ascending order.
    left_out: Vec<usize>,
}

/// One column on one page.
pub(crate) struct PageColumn {
    pub(crate) source: String,
    /// One for each row.
    pub(crate) cells: Vec<Cell>,
    pub(crate) shape: Shape,
    /// Each value that made the shape grow, in the order of rows.
    pub(crate) sightings: Vec<Sighting>,
    /// Whether a row named the column twice; the last value counts (Dec-15).
    pub(crate) repeated: bool,
    /// What the user's policy makes of the values.
    pub(crate) treatment: Treatment,
    strings: StringInference,
}

#[derive(Clone, Copy)]
pub(crate) struct Sighting {
    pub(crate) shape: Shape,
    /// From 0.
    pub(crate) row: usize,
}

/// A value and its place: of a string without its quotes, of anything else whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) value: CellValue,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum CellValue {
    Null,
    /// A bare `NaN` or `Infinity`, which JSON does not have.
    NonFinite,
    Boolean(bool),
    Long(i64),
    /// A number that does not fit 64 bits or has a point or exponent: read when its type is known.
    Number,
    Temporal(Temporal),
    Text {
        escaped: bool,
    },
    Nested,
}

/// A string with escapes that is longer is no date and no time, whatever it spells.
const ESCAPED_TEMPORAL_BYTES_MAX: usize = 100;

const NULL: Cell = Cell { value: CellValue::Null, start: 0, end: 0 };

/// How the values of one table are read.
pub(crate) struct Reading<'a> {
    /// Source names of the columns that the table has, in its order.
    pub(crate) known: Vec<&'a str>,
    /// What is looked for in the strings of a column, by its source name: nothing in those of a key.
    pub(crate) strings: &'a dyn Fn(&str) -> StringInference,
    /// Columns that are read at all, by source name; the others are passed over.
    pub(crate) wanted: &'a dyn Fn(&str) -> bool,
}

/// Reads the rows of one table: `text` is a valid array of so many objects.
pub(crate) fn scan<'t>(
    text: &'t str,
    rows: usize,
    non_finite: bool,
    reading: &Reading<'_>,
) -> PageColumns<'t> {
    assert!(u32::try_from(text.len()).is_ok(), "a page is smaller than 4 GiB");
    let mut scanner = Scanner {
        text,
        rows,
        columns: Vec::new(),
        literals: Vec::new(),
        by_literal: HashMap::new(),
        reading,
    };
    for source in &reading.known {
        scanner.add_column(source);
    }
    if rows > 0 {
        scanner.scan_rows();
    }
    let Scanner { mut columns, .. } = scanner;
    for column in &mut columns {
        column.cells.resize(rows, NULL);
        if column.repeated {
            column.look_again(text);
        }
    }
    PageColumns { text, rows, non_finite, columns, left_out: Vec::new() }
}

impl PageColumns<'_> {
    /// Takes rows away, given in ascending order: what they hold leaves no trace in the columns' shapes.
    pub(crate) fn leave_out(&mut self, rows: Vec<usize>) {
        assert!(self.left_out.is_empty(), "rows are left out of a page once");
        if rows.is_empty() {
            return;
        }
        self.rows -= rows.len();
        self.left_out = rows;
        for column in &mut self.columns {
            let mut row = 0..;
            let left_out = &self.left_out;
            column.cells.retain(|_| {
                let row = row.next().expect("rows are counted without end");
                left_out.binary_search(&row).is_err()
            });
            column.look_again(self.text);
            for sighting in &mut column.sightings {
                sighting.row = number_without(left_out, sighting.row);
            }
        }
    }

    /// The number of a row among all that came, from 1.
    pub(crate) fn number(&self, row: usize) -> u64 {
        number_without(&self.left_out, row) as u64 + 1
    }
}

/// The place of a row among all, from 0, given its place among those that stayed.
fn number_without(left_out: &[usize], row: usize) -> usize {
    let mut number = row;
    for left_out in left_out {
        if *left_out > number {
            break;
        }
        number += 1;
    }
    number
}

struct Scanner<'t, 'a> {
    text: &'t str,
    rows: usize,
    columns: Vec<PageColumn>,
    /// Each column's name as it stands in the rows, quotes included.
    literals: Vec<Vec<u8>>,
    /// Every spelling of a name met so far; `None` for a column that is not wanted.
    by_literal: HashMap<Vec<u8>, Option<usize>>,
    reading: &'a Reading<'a>,
}

impl Scanner<'_, '_> {
    fn add_column(&mut self, source: &str) -> usize {
        let mut literal = String::new();
        json::quote(source, &mut literal);
        let index = self.columns.len();
        self.by_literal.insert(literal.clone().into_bytes(), Some(index));
        self.literals.push(literal.into_bytes());
        self.columns.push(PageColumn {
            source: source.to_owned(),
            cells: Vec::with_capacity(self.rows),
            shape: Shape::default(),
            sightings: Vec::new(),
            repeated: false,
            treatment: Treatment::Plain,
            strings: (self.reading.strings)(source),
        });
        index
    }

    fn scan_rows(&mut self) {
        let text = self.text.as_bytes();
        let mut at = json::skip_whitespace(text, 1);
        for row in 0..self.rows {
            at = self.scan_row(at, row);
            // A comma, or the closing bracket after the last row.
            at = json::skip_whitespace(text, json::skip_whitespace(text, at) + 1);
        }
    }

    /// Reads the object at `at`; answers its end.
    fn scan_row(&mut self, at: usize, row: usize) -> usize {
        let text = self.text.as_bytes();
        let mut at = json::skip_whitespace(text, at + 1);
        // Rows name their columns in the same order as a rule.
        let mut guess = 0;
        while text[at] == b'"' {
            let column = match self.literals.get(guess) {
                Some(literal) if text[at..].starts_with(literal) => {
                    at += literal.len();
                    Some(guess)
                }
                _ => {
                    let (end, _) = json::string_end(text, at);
                    let column = self.find_column(at, end);
                    at = end;
                    column
                }
            };
            at = json::skip_whitespace(text, json::skip_whitespace(text, at) + 1);
            at = match column {
                Some(index) => {
                    guess = index + 1;
                    self.columns[index].read(self.text, at, row)
                }
                None => json::value_end(text, at),
            };
            at = json::skip_whitespace(text, at);
            if text[at] == b',' {
                at = json::skip_whitespace(text, at + 1);
            }
        }
        at + 1
    }

    fn find_column(&mut self, at: usize, end: usize) -> Option<usize> {
        let literal = &self.text.as_bytes()[at..end];
        if let Some(&known) = self.by_literal.get(literal) {
            return known;
        }
        let source = json::unescape(&self.text[at..end]);
        let column = match self.columns.iter().position(|column| column.source == source) {
            Some(index) => Some(index),
            None if (self.reading.wanted)(&source) => Some(self.add_column(&source)),
            None => None,
        };
        self.by_literal.insert(literal.to_vec(), column);
        column
    }
}

impl PageColumn {
    /// Reads the value at `at` for `row`; answers its end.
    fn read(&mut self, text: &str, at: usize, row: usize) -> usize {
        let (cell, end) = read_cell(text, at, self.strings);
        if self.cells.len() > row {
            self.repeated = true;
            self.cells[row] = cell;
            return end;
        }
        self.cells.resize(row, NULL);
        self.cells.push(cell);
        self.see(cell, text, row);
        end
    }

    fn see(&mut self, cell: Cell, text: &str, row: usize) {
        let Some(shape) = shape_of(cell, text) else { return };
        let joined = self.shape.join(shape);
        if joined != self.shape {
            self.shape = joined;
            self.sightings.push(Sighting { shape, row });
        }
    }

    /// Looks at the cells once more, now that overwritten ones are gone.
    fn look_again(&mut self, text: &str) {
        self.shape = Shape::default();
        self.sightings.clear();
        for row in 0..self.cells.len() {
            self.see(self.cells[row], text, row);
        }
    }
}

/// Tells one value apart; answers the cell and the value's end.
fn read_cell(text: &str, at: usize, strings: StringInference) -> (Cell, usize) {
    let bytes = text.as_bytes();
    let place = |at: usize| u32::try_from(at).expect("a page is smaller than 4 GiB");
    let whole = |value, end| (Cell { value, start: place(at), end: place(end) }, end);
    match bytes[at] {
        b'"' => {
            let (end, escaped) = json::string_end(bytes, at);
            let value = read_string(&text[at..end], escaped, strings);
            (Cell { value, start: place(at + 1), end: place(end - 1) }, end)
        }
        b'n' => whole(CellValue::Null, at + 4),
        b't' => whole(CellValue::Boolean(true), at + 4),
        b'f' => whole(CellValue::Boolean(false), at + 5),
        b'{' | b'[' => whole(CellValue::Nested, json::value_end(bytes, at)),
        b'N' => whole(CellValue::NonFinite, at + 3),
        b'I' => whole(CellValue::NonFinite, at + 8),
        b'-' if bytes.get(at + 1) == Some(&b'I') => whole(CellValue::NonFinite, at + 9),
        _ => {
            let (value, end) = read_number(bytes, at);
            whole(value, end)
        }
    }
}

/// Integers of up to eighteen digits, nearly all there are, are read here and now.
#[inline]
fn read_number(bytes: &[u8], at: usize) -> (CellValue, usize) {
    let start = at + usize::from(bytes[at] == b'-');
    let mut end = start;
    let mut size: i64 = 0;
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        size = size.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        end += 1;
    }
    if end - start <= 18 && !matches!(bytes.get(end), Some(b'.' | b'e' | b'E')) {
        return (CellValue::Long(if start > at { -size } else { size }), end);
    }
    (CellValue::Number, json::value_end(bytes, at))
}

fn read_string(literal: &str, escaped: bool, strings: StringInference) -> CellValue {
    let text = CellValue::Text { escaped };
    if strings == StringInference::None {
        return text;
    }
    // Some encoders escape what need not be: the `+` of an offset is `\u002B` to .NET.
    let unescaped = match escaped {
        true if may_be_temporal(literal) => json::unescape(literal),
        true => return text,
        false => String::new(),
    };
    let inner =
        if escaped { unescaped.as_bytes() } else { &literal.as_bytes()[1..literal.len() - 1] };
    if let Some(temporal) = temporal::read(inner) {
        return CellValue::Temporal(temporal);
    }
    // What is read of a number later is its place in the text, so it must stand there as it is.
    let scalar =
        if strings == StringInference::Full && !escaped { read_scalar(inner) } else { None };
    scalar.unwrap_or(text)
}

/// Whether a string with escapes is worth a closer look.
fn may_be_temporal(literal: &str) -> bool {
    literal.len() <= ESCAPED_TEMPORAL_BYTES_MAX
        && matches!(literal.as_bytes()[1], b'0'..=b'9' | b'\\')
}

/// Numbers and booleans inside a string, as documented for text formats (section 5.4): what has
/// leading zeros or a sign of its own stays text.
fn read_scalar(inner: &[u8]) -> Option<CellValue> {
    match inner {
        b"t" | b"true" => return Some(CellValue::Boolean(true)),
        b"f" | b"false" => return Some(CellValue::Boolean(false)),
        [b'-' | b'0'..=b'9', ..] => {}
        _ => return None,
    }
    json::validate(inner).ok()?;
    let (value, end) = read_number(inner, 0);
    (end == inner.len()).then_some(value)
}

/// `None` for what has no type: a null.
fn shape_of(cell: Cell, text: &str) -> Option<Shape> {
    Some(match cell.value {
        CellValue::Null | CellValue::NonFinite => return None,
        CellValue::Boolean(_) => Shape::of(Feature::Boolean),
        CellValue::Long(long) => number::long_shape(long),
        CellValue::Number => number::read(cell.text(text)).0,
        CellValue::Temporal(Temporal::Date(_) | Temporal::DateOutOfRange) => {
            Shape::of(Feature::Date)
        }
        CellValue::Temporal(Temporal::DateTime(_) | Temporal::DateTimeOutOfRange) => {
            Shape::of(Feature::DateTime)
        }
        CellValue::Temporal(Temporal::Instant(_) | Temporal::InstantOutOfRange) => {
            Shape::of(Feature::Instant)
        }
        CellValue::Text { .. } => Shape::of(Feature::Text),
        CellValue::Nested => Shape::of(Feature::Nested),
    })
}

impl Cell {
    /// The text of the value: of a string without its quotes, escapes as they stand.
    pub(crate) fn text(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }

    /// Whether the value stood in quotes.
    pub(crate) fn is_string(self, text: &str) -> bool {
        self.start > 0 && text.as_bytes()[self.start as usize - 1] == b'"'
    }

    /// The value of a string, unescaped.
    pub(crate) fn unescaped(self, text: &str) -> Cow<'_, str> {
        let inner = self.text(text);
        let escaped = match self.value {
            CellValue::Text { escaped } => escaped,
            _ => memchr::memchr(b'\\', inner.as_bytes()).is_some(),
        };
        if escaped {
            Cow::Owned(json::unescape(&text[self.start as usize - 1..=self.end as usize]))
        } else {
            Cow::Borrowed(inner)
        }
    }
}

/// The same rows with `null` for every bare `NaN` and `Infinity` (Dec-62), and how many there were.
pub(crate) fn null_non_finite(text: &str) -> (String, u64) {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut at, mut copied, mut count) = (0, 0, 0);
    while at < bytes.len() {
        at = match bytes[at] {
            b'"' => json::string_end(bytes, at).0,
            b'N' | b'I' => {
                let start = if at > 0 && bytes[at - 1] == b'-' { at - 1 } else { at };
                out.push_str(&text[copied..start]);
                out.push_str("null");
                count += 1;
                copied = json::value_end(bytes, at);
                copied
            }
            _ => at + 1,
        };
    }
    out.push_str(&text[copied..]);
    (out, count)
}

/// Whether a bare `NaN` or `Infinity` stands inside an object or array.
pub(crate) fn nests_non_finite(nested: &str) -> bool {
    null_non_finite(nested).1 > 0
}
