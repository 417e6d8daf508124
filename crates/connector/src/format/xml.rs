//! XML becomes JSON: elements are members, repeated ones a list, attributes `@name`, prefixes dropped.

use protocol::json;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::FormatError;
use crate::selector::{SelectError, Selection, Selector};

/// Deeper documents are refused: nobody writes them.
const DEPTH_MAX: usize = 128;

/// An element that is open: its name, its members so far, its text so far.
#[derive(Default)]
struct Element {
    name: String,
    members: Vec<(String, Vec<String>)>,
    text: String,
}

/// The document as one JSON object with the root element as its only member. Entities of a DTD are not
/// known, so none can grow.
pub(super) fn to_json(body: &[u8]) -> Result<String, FormatError> {
    let text = std::str::from_utf8(body).map_err(|_| FormatError::NotUtf8)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let mut open = vec![Element::default()];
    loop {
        let at = reader.buffer_position();
        let wrong = |message: String| FormatError::Byte { at, message };
        let event = reader.read_event().map_err(|error| wrong(error.to_string()))?;
        match event {
            Event::Start(start) => {
                if open.len() >= DEPTH_MAX {
                    return Err(wrong(format!("nested deeper than {DEPTH_MAX} elements")));
                }
                open.push(Element::begin(&start).map_err(wrong)?);
            }
            Event::Empty(start) => {
                let element = Element::begin(&start).map_err(wrong)?;
                let parent = open.last_mut().expect("the document is always open");
                parent.take(element);
            }
            Event::End(_) => {
                let element = open.pop().expect("an end has its beginning: it was checked");
                let parent = open.last_mut().expect("the document is always open");
                parent.take(element);
            }
            Event::Text(piece) => {
                let piece = piece.decode().map_err(|error| wrong(error.to_string()))?;
                open.last_mut().expect("the document is always open").text.push_str(&piece);
            }
            Event::CData(piece) => {
                let piece = piece.decode().map_err(|error| wrong(error.to_string()))?;
                open.last_mut().expect("the document is always open").text.push_str(&piece);
            }
            Event::GeneralRef(reference) => {
                let element = open.last_mut().expect("the document is always open");
                if let Some(character) =
                    reference.resolve_char_ref().map_err(|error| wrong(error.to_string()))?
                {
                    element.text.push(character);
                } else {
                    let name = reference.decode().map_err(|error| wrong(error.to_string()))?;
                    let known = quick_xml::escape::resolve_predefined_entity(&name);
                    let known = known
                        .ok_or_else(|| wrong(format!("the entity `{name:.40}` is unknown")))?;
                    element.text.push_str(known);
                }
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    if open.len() > 1 {
        let at = reader.buffer_position();
        return Err(FormatError::Byte {
            at,
            message: "the document ends within an element".into(),
        });
    }
    let document = open.pop().expect("the document is always open");
    let mut out = String::with_capacity(body.len());
    document.write(&mut out);
    if document.members.is_empty() {
        return Err(FormatError::Byte { at: 0, message: "there is no element".into() });
    }
    Ok(out)
}

/// Rows in the converted document. An element that holds no row at all holds none of this table.
pub(super) fn select(selector: &Selector, json: &[u8]) -> Result<Selection, SelectError> {
    match selector.select(json) {
        Err(SelectError::NoRecords { path, members }) => {
            if path.parent().is_some_and(|parent| parent.find(json).is_some()) {
                let values =
                    Selector { records: Some("$".parse().expect("a path")), ..selector.clone() };
                let found = values.select(json)?;
                return Ok(Selection { records: Vec::new(), ..found });
            }
            Err(SelectError::NoRecords { path, members })
        }
        other => other,
    }
}

impl Element {
    fn begin(start: &BytesStart<'_>) -> Result<Element, String> {
        let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
        let mut element = Element { name, ..Element::default() };
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

    #[test]
    fn bombs_and_broken_documents_end_in_errors() {
        check(
            "<a><b></a>",
            expect!["byte 6: ill-formed document: expected `</b>`, but `</a>` was found"],
        );
        check("<a>", expect!["byte 3: the document ends within an element"]);
        check("", expect!["byte 0: there is no element"]);
        check(
            "<!DOCTYPE a [<!ENTITY x \"xx\">]><a>&x;</a>",
            expect!["byte 34: the entity `x` is unknown"],
        );
        check(&"<a>".repeat(200), expect!["byte 381: nested deeper than 128 elements"]);
    }
}
