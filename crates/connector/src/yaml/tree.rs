use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::problem::{Place, Problem};

/// The most that a file may hold.
#[derive(Clone, Copy)]
struct Bounds {
    bytes: usize,
    /// The reader recurses.
    depth: usize,
    /// An alias may repeat a long list many times.
    nodes: usize,
}

/// A configuration is written by people.
const BY_PEOPLE: Bounds = Bounds { bytes: 1 << 20, depth: 32, nodes: 100_000 };
/// A document of an API is as a rule written by programs.
const BY_PROGRAMS: Bounds = Bounds { bytes: 64 << 20, depth: 128, nodes: 10_000_000 };

/// A YAML value and the place where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub enum Value {
    /// `quoted` text is never a number, a boolean or null.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl Node {
    /// Whether it is written as `null`, `~` or nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, quoted: false }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The entry with this key, if it is a map that has one.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }
}

/// Reads the one document of a file; an empty file is an empty map.
///
/// # Errors
/// Where the text is not YAML, or too large or deep to be written by a person.
pub fn parse(text: &str) -> Result<Node, Problem> {
    parse_within(text, BY_PEOPLE)
}

/// Reads a file as [`parse`] does that was written by a program, and may be long.
///
/// # Errors
/// Where the text is not YAML, or too large or deep to be read at all.
pub(crate) fn parse_long(text: &str) -> Result<Node, Problem> {
    parse_within(text, BY_PROGRAMS)
}

fn parse_within(text: &str, bounds: Bounds) -> Result<Node, Problem> {
    let text = text.trim_start_matches('\u{feff}');
    let start = Place { line: 1, column: 1, length: 1 };
    if text.len() > bounds.bytes {
        let most = bounds.bytes;
        return Err(Problem::new(start, format!("the file is larger than {most} bytes")));
    }
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), nodes: 0, bounds };
    let mut root = None;
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => break,
            (Event::DocumentStart(_), span) if root.is_some() => {
                return Err(Problem::new(
                    place(span, ""),
                    "a second document begins here; one file holds one document",
                ));
            }
            (Event::DocumentStart(_), _) => {
                let first = reader.next()?;
                root = Some(reader.node(first, 0)?);
            }
            _ => {}
        }
    }
    let mut root = root.unwrap_or(Node { place: start, value: Value::Map(Vec::new()) });
    if root.is_null() {
        root.value = Value::Map(Vec::new());
    }
    Ok(root)
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    bounds: Bounds,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), Problem> {
        match self.parser.next_event() {
            Some(event) => event.map_err(|error| syntax_problem(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The node that begins with `event`.
    fn node(&mut self, event: (Event<'text>, Span), depth: usize) -> Result<Node, Problem> {
        let (event, span) = event;
        let here = place(span, "");
        self.count(1, here)?;
        let most = self.bounds.depth;
        if depth > most {
            return Err(Problem::new(here, format!("nested deeper than {most} levels")));
        }
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let place = place(span, &text);
                let quoted = style != ScalarStyle::Plain;
                (anchor, Node { place, value: Value::Scalar { text: text.into_owned(), quoted } })
            }
            Event::SequenceStart(anchor, _) => {
                (anchor, Node { place: here, value: Value::List(self.list(depth)?) })
            }
            Event::MappingStart(anchor, _) => {
                (anchor, Node { place: here, value: Value::Map(self.map(depth)?) })
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().ok_or_else(|| {
                    Problem::new(here, "this alias stands inside the value it repeats")
                })?;
                self.count(size(&node), here)?;
                return Ok(node);
            }
            _ => return Err(Problem::new(here, "expected a value")),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                event => items.push(self.node(event, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let (key, key_place) = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => {
                    let place = place(span, &text);
                    (text.into_owned(), place)
                }
                _ => return Err(Problem::new(place(span, ""), "a key must be a plain word")),
            };
            if let Some(earlier) = entries.iter().find(|entry| entry.key == key) {
                let line = earlier.key_place.line;
                return Err(Problem::new(
                    key_place,
                    format!("the key `{key:.60}` stands here twice; the first is in line {line}"),
                ));
            }
            let value = self.next()?;
            let value = self.node(value, depth + 1)?;
            entries.push(Entry { key, key_place, value });
        }
    }

    fn count(&mut self, nodes: usize, here: Place) -> Result<(), Problem> {
        self.nodes += nodes;
        let most = self.bounds.nodes;
        if self.nodes > most {
            return Err(Problem::new(here, format!("the file holds more than {most} values")));
        }
        Ok(())
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
    }
}

/// Where `span` begins; as long as `text` when that stands on one line.
fn place(span: Span, text: &str) -> Place {
    let one_line = span.start.line() == span.end.line();
    let length = if one_line { span.end.col() - span.start.col() } else { text.chars().count() };
    Place { line: span.start.line().max(1), column: span.start.col() + 1, length: length.max(1) }
}

fn syntax_problem(error: &ScanError) -> Problem {
    let marker = error.marker();
    let place = Place { line: marker.line().max(1), column: marker.col() + 1, length: 1 };
    Problem::new(place, format!("this is not YAML: {}", error.info()))
}
