//! XML becomes JSON: elements are members, repeated ones a list, attributes `@name`, prefixes dropped.

use std::io::{self, BufRead, BufReader};

use protocol::json;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::FormatError;
use super::rows::{Piece, Position, RowReader};
use super::text::Text;
use crate::selector::{Path, SelectError, Selection, Selector};

/// Deeper documents are refused: nobody writes them.
const DEPTH_MAX: usize = 128;

/// An element that is open: its name, its members so far, its text so far.
#[derive(Default)]
struct Element {
    name: String,
    members: Vec<(String, Vec<String>)>,
    text: String,
}

/// Elements that are open, from the outermost to the innermost.
#[derive(Default)]
struct Tree(Vec<Element>);

impl Tree {
    /// Adds what comes next in the document. The element that it ends, if nothing is open around it.
    fn add(&mut self, event: Event<'_>) -> Result<Option<Element>, String> {
        match event {
            Event::Start(start) => self.0.push(Element::begin(&start)?),
            Event::Empty(start) => return Ok(self.end(Element::begin(&start)?)),
            Event::End(_) => {
                let element = self.0.pop().expect("an end has its beginning: it was checked");
                return Ok(self.end(element));
            }
            Event::Text(piece) => self.text(&piece.decode().map_err(|error| error.to_string())?),
            Event::CData(piece) => self.text(&piece.decode().map_err(|error| error.to_string())?),
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| error.to_string())?;
                if let Some(character) = character {
                    self.text(character.encode_utf8(&mut [0; 4]));
                } else {
                    // Entities of a DTD are not known, so none can grow.
                    let name = reference.decode().map_err(|error| error.to_string())?;
                    let known = quick_xml::escape::resolve_predefined_entity(&name);
                    self.text(known.ok_or_else(|| format!("the entity `{name:.40}` is unknown"))?);
                }
            }
            Event::Eof | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
        Ok(None)
    }

    fn end(&mut self, element: Element) -> Option<Element> {
        match self.0.last_mut() {
            Some(parent) => {
                parent.take(element);
                None
            }
            None => Some(element),
        }
    }

    /// Text outside of any element is white space: it was checked.
    fn text(&mut self, text: &str) {
        if let Some(element) = self.0.last_mut() {
            element.text.push_str(text);
        }
    }
}

/// A document, read event by event.
struct Document<R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    /// Elements that are open.
    depth: usize,
    is_empty: bool,
}

impl<R: BufRead> Document<R> {
    fn new(source: R) -> Document<R> {
        let mut reader = Reader::from_reader(source);
        reader.config_mut().check_end_names = true;
        Document { reader, buffer: Vec::new(), depth: 0, is_empty: true }
    }

    fn at(&self) -> u64 {
        self.reader.buffer_position()
    }

    /// What comes next; none at the end.
    fn next(&mut self) -> Result<Option<Event<'_>>, FormatError> {
        let at = self.at();
        let wrong = |at, message: &str| FormatError::Byte { at, message: message.to_owned() };
        self.buffer.clear();
        let event = self.reader.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) => io::Error::new(error.kind(), error.to_string()).into(),
            error => wrong(at, &error.to_string()),
        })?;
        match &event {
            Event::Start(_) if self.depth == DEPTH_MAX => {
                return Err(wrong(at, &format!("nested deeper than {DEPTH_MAX} elements")));
            }
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth -= 1,
            Event::Eof if self.depth > 0 => {
                return Err(wrong(at, "the document ends within an element"));
            }
            Event::Eof if self.is_empty => return Err(wrong(0, "there is no element")),
            Event::Eof => return Ok(None),
            Event::Text(text) if self.depth == 0 && !text.trim_ascii().is_empty() => {
                return Err(wrong(at, "expected an element"));
            }
            Event::CData(_) | Event::GeneralRef(_) if self.depth == 0 => {
                return Err(wrong(at, "expected an element"));
            }
            _ => {}
        }
        self.is_empty &= !matches!(event, Event::Start(_) | Event::Empty(_));
        Ok(Some(event))
    }
}

/// The document as one JSON object with the root element as its only member.
pub(super) fn to_json(body: &[u8]) -> Result<String, FormatError> {
    let mut document = Document::new(body);
    let (mut tree, mut root) = (Tree::default(), Element::default());
    loop {
        let at = document.at();
        let Some(event) = document.next()? else { break };
        let ended = tree.add(event).map_err(|message| FormatError::Byte { at, message })?;
        if let Some(element) = ended {
            root.take(element);
        }
    }
    let mut out = String::with_capacity(body.len());
    root.write(&mut out);
    Ok(out)
}

/// Rows in the converted document: every element that the path leads to, through every element of its names.
/// One that holds no row at all holds none of this table.
pub(super) fn select(selector: &Selector, json: &[u8]) -> Result<Selection, SelectError> {
    let Some(path) = &selector.records else { return selector.select(json) };
    let values = Selector { records: Some(Path::default()), ..selector.clone() };
    let mut found = values.select(json)?;
    found.records = path.find_in_lists(json);
    let parent = path.parent().filter(|parent| parent.steps() > 0);
    if found.records.is_empty() && parent.is_none_or(|parent| parent.find_in_lists(json).is_empty())
    {
        // Which tells what there is.
        return Selector { records: Some(path.clone()), ..Selector::default() }.select(json);
    }
    // An element may be empty where there are no rows.
    if let [only] = &found.records[..]
        && &json[only.clone()] == b"null"
    {
        found.records.clear();
    }
    match found.records.iter().position(|range| json[range.start] != b'{') {
        Some(row) if !selector.scalars => Err(SelectError::NotAnObject { row, path: path.clone() }),
        _ => Ok(found),
    }
}

/// The names that lead to the rows, where they can be read one by one: elements of plain names, no attribute,
/// text or number among them.
pub(super) fn names(selector: &Selector) -> Option<Vec<&str>> {
    let names = selector.records.as_ref()?.names()?;
    let is_plain = !names.is_empty() && !names.iter().any(|name| name.starts_with(['@', '#']));
    is_plain.then_some(names)
}

/// The rows of a document that is read from front to back.
pub(super) struct XmlRows {
    document: Document<BufReader<Text>>,
    path: Path,
    scalars: bool,
    /// The names that lead to a row, from the root on.
    names: Vec<String>,
    /// How many of them lead to where we are, and how many other elements are open in there.
    steps: usize,
    others: usize,
    /// The row that is being read.
    tree: Tree,
    /// Whether the element is there in which rows may be.
    is_there: bool,
    /// Whether an empty element stands where the only row may stand.
    is_empty: bool,
    root: Vec<String>,
    row: u64,
}

/// What is read from the file at once.
const BUFFER_BYTES: usize = 64 << 10;

impl XmlRows {
    /// Begins at a position that [`RowReader::position`] told, to which it has to read.
    pub(super) fn open(
        selector: &Selector,
        names: &[&str],
        text: Text,
        at: Position,
    ) -> Result<XmlRows, FormatError> {
        let mut rows = XmlRows {
            document: Document::new(BufReader::with_capacity(BUFFER_BYTES, text)),
            path: selector.records.clone().unwrap_or_default(),
            scalars: selector.scalars,
            names: names.iter().map(|&name| name.to_owned()).collect(),
            steps: 0,
            others: 0,
            tree: Tree::default(),
            is_there: false,
            is_empty: false,
            root: Vec::new(),
            row: 0,
        };
        let mut passed = Piece::default();
        while rows.row < at.row && rows.read(&mut passed)? {
            passed = Piece::default();
        }
        Ok(rows)
    }

    /// The next element that the path leads to, as JSON; none after the last.
    fn element(&mut self) -> Result<Option<String>, FormatError> {
        loop {
            let is_inside = !self.tree.0.is_empty();
            if !is_inside {
                self.document.reader.get_mut().get_mut().begin_row();
            }
            let at = self.document.at();
            let Some(event) = self.document.next()? else { return Ok(None) };
            let wrong = |message| FormatError::Byte { at, message };
            let begins = match &event {
                _ if is_inside => true,
                Event::Start(start) | Event::Empty(start) => {
                    let name = name_of(start).map_err(wrong)?;
                    if self.root.is_empty() {
                        self.root.push(name.clone());
                    }
                    let leads = self.others == 0 && self.names.get(self.steps) == Some(&name);
                    let is_row = leads && self.steps + 1 == self.names.len();
                    self.is_there |= leads && self.steps + 2 == self.names.len();
                    if !is_row && matches!(event, Event::Start(_)) {
                        *(if leads { &mut self.steps } else { &mut self.others }) += 1;
                    }
                    is_row
                }
                Event::End(_) => {
                    *(if self.others > 0 { &mut self.others } else { &mut self.steps }) -= 1;
                    false
                }
                _ => false,
            };
            if begins && let Some(element) = self.tree.add(event).map_err(wrong)? {
                let mut json = String::new();
                element.write(&mut json);
                return Ok(Some(json));
            }
        }
    }
}

impl RowReader for XmlRows {
    fn read(&mut self, piece: &mut Piece) -> Result<bool, FormatError> {
        let Some(element) = self.element()? else {
            if self.row > 0 || self.is_there || self.is_empty {
                return Ok(false);
            }
            let (path, members) = (self.path.clone(), self.root.clone());
            return Err(SelectError::NoRecords { path, members }.into());
        };
        if element == "null" && self.row == 0 && !self.is_empty {
            self.is_empty = true;
            return self.read(piece);
        }
        if (self.is_empty || !element.starts_with('{')) && !self.scalars {
            let row = usize::try_from(self.row).unwrap_or(usize::MAX);
            return Err(SelectError::NotAnObject { row, path: self.path.clone() }.into());
        }
        self.row += 1;
        piece.push(self.row, |json| json.push_str(&element));
        Ok(true)
    }

    fn position(&self) -> Position {
        Position { at: self.row, line: 0, row: self.row }
    }
}

fn name_of(start: &BytesStart<'_>) -> Result<String, String> {
    let name = start.local_name();
    let name = std::str::from_utf8(name.as_ref()).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(name.to_owned())
}

impl Element {
    fn begin(start: &BytesStart<'_>) -> Result<Element, String> {
        let mut element = Element { name: name_of(start)?, ..Element::default() };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let key = attribute.key;
            if key.as_ref() == b"xmlns"
                || key.prefix().is_some_and(|prefix| prefix.as_ref() == b"xmlns")
            {
                continue;
            }
            let value = attribute.unescape_value().map_err(|error| error.to_string())?;
            let name = format!("@{}", String::from_utf8_lossy(key.local_name().as_ref()));
            let mut quoted = String::new();
            json::quote(&value, &mut quoted);
            element.members.push((name, vec![quoted]));
        }
        Ok(element)
    }

    fn take(&mut self, element: Element) {
        let mut value = String::new();
        element.write(&mut value);
        match self.members.iter_mut().find(|(name, _)| *name == element.name) {
            Some((_, values)) => values.push(value),
            None => self.members.push((element.name, vec![value])),
        }
    }

    /// An element with nothing but text is that text, an empty one is null.
    fn write(&self, out: &mut String) {
        let text = self.text.trim();
        if self.members.is_empty() {
            match text {
                "" => out.push_str("null"),
                text => json::quote(text, out),
            }
            return;
        }
        out.push('{');
        for (index, (name, values)) in self.members.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::quote(name, out);
            out.push(':');
            match &values[..] {
                [only] => out.push_str(only),
                values => {
                    out.push('[');
                    out.push_str(&values.join(","));
                    out.push(']');
                }
            }
        }
        if !text.is_empty() {
            out.push_str(",\"#text\":");
            json::quote(text, out);
        }
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(body: &str, expected: Expect) {
        let found = to_json(body.as_bytes()).unwrap_or_else(|error| error.to_string());
        expected.assert_eq(&found);
    }

    #[test]
    fn elements_attributes_and_text() {
        check(
            r#"<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body><o id="1">a &amp; &#98;</o><o id="2"><![CDATA[<c>]]></o><e/></s:Body></s:Envelope>"#,
            expect![[
                r##"{"Envelope":{"Body":{"o":[{"@id":"1","#text":"a & b"},{"@id":"2","#text":"<c>"}],"e":null}}}"##
            ]],
        );
        check(
            "<a><b>1</b><b>2</b>tail</a>",
            expect![[r##"{"a":{"b":["1","2"],"#text":"tail"}}"##]],
        );
    }

    /// The rows that the path leads to, read one by one and in the document that is held whole.
    fn check_rows(records: &str, body: &str, expected: Expect) {
        let records: Path = records.parse().expect("a path");
        let selector = Selector { records: Some(records), ..Selector::default() };
        let open = |at| {
            let text = Text::of(body.to_owned(), None)?;
            XmlRows::open(&selector, &names(&selector).expect("names"), text, at)
        };
        let found = crate::format::rows::tests::told(&open);
        let whole = to_json(body.as_bytes()).and_then(|json| {
            let rows = select(&selector, json.as_bytes())?.records.into_iter();
            Ok(rows.map(|row| json[row].to_owned()).collect::<Vec<_>>().join("\n"))
        });
        assert_eq!(found, whole.unwrap_or_else(|error| error.to_string()));
        expected.assert_eq(&found);
    }

    #[test]
    fn rows_are_all_elements_that_the_path_leads_to() {
        let body = "<r><!-- x --><g><o id='1'/><n/><o id='2'><o id='no'/></o></g><g/><g><o id='3'/></g></r>";
        check_rows(
            "r.g.o",
            body,
            expect![[r#"
                {"@id":"1"}
                {"@id":"2","o":{"@id":"no"}}
                {"@id":"3"}"#]],
        );
        check_rows("r.g", "<r><g><o id='1'/></g></r>", expect![[r#"{"o":{"@id":"1"}}"#]]);
        check_rows("r.g.o", "<r><g/></r>", expect![""]);
        check_rows("r.g.o", "<r><g><o/></g></r>", expect![""]);
        check_rows("r", "<r/>", expect![""]);
        check_rows("r.g.o", "<r><o/></r>", expect!["it has nothing at `r.g.o`; its members are r"]);
        check_rows("r", "<s a='1'/>", expect!["it has nothing at `r`; its members are s"]);
        check_rows("r.o", "<r><o/><o a='1'/></r>", expect!["row 0 of `r.o` is not an object"]);
        check_rows("r.o", "<r><o a='1'/><o>x</o></r>", expect!["row 1 of `r.o` is not an object"]);
    }

    #[test]
    fn bombs_and_broken_documents_end_in_errors() {
        check(
            "<a><b></a>",
            expect!["byte 6: ill-formed document: expected `</b>`, but `</a>` was found"],
        );
        check("<a>", expect!["byte 3: the document ends within an element"]);
        check("", expect!["byte 0: there is no element"]);
        check("<a/> x", expect!["byte 4: expected an element"]);
        check("<a/><![CDATA[x]]>", expect!["byte 4: expected an element"]);
        check("<a/>&amp;", expect!["byte 4: expected an element"]);
        check(
            "<!DOCTYPE a [<!ENTITY x \"xx\">]><a>&x;</a>",
            expect!["byte 34: the entity `x` is unknown"],
        );
        check(&"<a>".repeat(200), expect!["byte 384: nested deeper than 128 elements"]);
    }
}
