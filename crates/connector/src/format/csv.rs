//! Rows of a table of text become JSON objects.

use std::borrow::Cow;
use std::ops::Range;

use csv::{ByteRecord, ReaderBuilder, Terminator, Trim};
use encoding_rs::Encoding;
use protocol::json;

use super::FormatError;
use crate::manifest::{BadRows, Csv};

/// Rows as JSON objects one after the other.
pub(super) struct Rows {
    pub(super) json: String,
    pub(super) ranges: Vec<Range<usize>>,
    /// Rows left out because they have too many or too few fields.
    pub(super) bad: u64,
}

pub(super) fn read(csv: &Csv, body: &[u8]) -> Result<Rows, FormatError> {
    let text = decode(csv.encoding.as_deref(), body)?;
    let text = skip_lines(&text, csv.skip_lines);
    let mut builder = ReaderBuilder::new();
    builder
        .delimiter(csv.delimiter())
        .has_headers(false)
        .flexible(true)
        .trim(if csv.trim { Trim::All } else { Trim::None })
        .terminator(Terminator::CRLF);
    if let Some(quote) = csv.quote.as_ref().and_then(|quote| quote.bytes().next()) {
        builder.quote(quote);
    }
    if let Some(comment) = csv.comment.as_ref().and_then(|comment| comment.bytes().next()) {
        builder.comment(Some(comment));
    }
    let mut reader = builder.from_reader(text.as_bytes());
    let mut record = ByteRecord::new();
    let mut names: Option<Vec<String>> = (!csv.columns.is_empty()).then(|| csv.columns.clone());
    let mut header_comes = csv.header;
    let mut rows = Rows { json: String::with_capacity(text.len() * 2), ranges: Vec::new(), bad: 0 };
    loop {
        let line = reader.position().line() + u64::from(csv.skip_lines);
        let wrong = |message: String| FormatError::Line { line, message };
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(rows),
            Err(error) => return Err(wrong(error.to_string())),
        }
        let fields = || record.iter().map(|field| std::str::from_utf8(field).unwrap_or_default());
        if std::mem::take(&mut header_comes) {
            names.get_or_insert(header(fields()).map_err(wrong)?);
            continue;
        }
        let names = names.get_or_insert_with(|| {
            (1..=record.len()).map(|index| format!("column_{index}")).collect()
        });
        if record.len() != names.len() {
            match csv.bad_rows {
                BadRows::Skip => {
                    rows.bad += 1;
                    continue;
                }
                BadRows::Stop => {
                    return Err(wrong(format!(
                        "a row has {} fields, and there are {} columns",
                        record.len(),
                        names.len()
                    )));
                }
            }
        }
        let start = rows.json.len();
        rows.json.push('{');
        for (index, (name, field)) in names.iter().zip(fields()).enumerate() {
            if index > 0 {
                rows.json.push(',');
            }
            json::quote(name, &mut rows.json);
            rows.json.push(':');
            value(field, csv, &mut rows.json);
        }
        rows.json.push('}');
        rows.ranges.push(start..rows.json.len());
    }
}

/// Every column has a name, and no name is there twice.
pub(super) fn header<'a>(fields: impl Iterator<Item = &'a str>) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for (index, field) in fields.enumerate() {
        let name = match field.trim() {
            "" => format!("column_{}", index + 1),
            name => name.to_owned(),
        };
        if names.contains(&name) {
            return Err(format!("the header names the column `{name:.60}` twice"));
        }
        names.push(name);
    }
    Ok(names)
}

/// Nothing is null. Numbers and booleans in their plain form are such; `007`, `+1` and `1,5` stay text.
pub(super) fn value(field: &str, csv: &Csv, out: &mut String) {
    if csv.null.iter().any(|null| null == field) || (field.is_empty() && csv.null.is_empty()) {
        out.push_str("null");
    } else if csv.types && (matches!(field, "true" | "false") || is_plain_number(field)) {
        out.push_str(field);
    } else {
        json::quote(field, out);
    }
}

fn is_plain_number(field: &str) -> bool {
    let digits = field.strip_prefix('-').unwrap_or(field);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(all_digits)
        && field != "-0"
}

/// The text, by the encoding that the manifest names or a byte order mark gives away.
pub(super) fn decode<'body>(
    encoding: Option<&str>,
    body: &'body [u8],
) -> Result<Cow<'body, str>, FormatError> {
    let named = encoding
        .map(|name| Encoding::for_label(name.as_bytes()).expect("the encoding's name was checked"));
    let marked = Encoding::for_bom(body).map(|(encoding, _)| encoding);
    let encoding = marked.or(named).unwrap_or(encoding_rs::UTF_8);
    let (text, _, has_errors) = encoding.decode(body);
    if has_errors {
        return Err(if encoding == encoding_rs::UTF_8 {
            FormatError::NotUtf8
        } else {
            FormatError::Packed(format!("it is not {}", encoding.name()))
        });
    }
    Ok(text)
}

pub(super) fn skip_lines(text: &str, lines: u32) -> &str {
    let mut rest = text;
    for _ in 0..lines {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(options: &str, body: &[u8], expected: Expect) {
        let node = crate::yaml::parse(options).expect("YAML");
        let csv: Csv = crate::yaml::read(node, |_| None).expect("options");
        let found = match read(&csv, body) {
            Ok(rows) => {
                let bad = if rows.bad > 0 { format!("{} bad\n", rows.bad) } else { String::new() };
                let rows: Vec<&str> =
                    rows.ranges.into_iter().map(|range| &rows.json[range]).collect();
                format!("{bad}{}", rows.join("\n"))
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn values_are_typed_only_in_their_plain_form() {
        check(
            "{}",
            b"id,zip,price,ok,note\r\n1,00123,19.90,true,\"a \"\"b\"\"\nc\"\n-0,+1,1e3,False,\n",
            expect![[r#"
                {"id":1,"zip":"00123","price":19.90,"ok":true,"note":"a \"b\"\nc"}
                {"id":"-0","zip":"+1","price":"1e3","ok":"False","note":null}"#]],
        );
        check("types: false", b"a\n1\n", expect![[r#"{"a":"1"}"#]]);
    }

    #[test]
    fn dialects() {
        check(
            "{delimiter: ';', quote: \"'\", skip_lines: 1, comment: '#'}",
            b"made by x\na;b\n# no\n'x;y';2\n",
            expect![[r#"{"a":"x;y","b":2}"#]],
        );
        check("{header: false}", b"1,x\n", expect![[r#"{"column_1":1,"column_2":"x"}"#]]);
        check(
            "{header: false, columns: [id, name], 'null': [NA]}",
            b"1,NA\n2,\n",
            expect![[r#"
                {"id":1,"name":null}
                {"id":2,"name":""}"#]],
        );
        check(
            "{delimiter: tab, encoding: windows-1252}",
            b"a\tb\n\xe4\t\x80\n",
            expect![[r#"{"a":"ä","b":"€"}"#]],
        );
        check("{}", b"\xff\xfea\0\n\0\xe4\0\n\0", expect![[r#"{"a":"ä"}"#]]);
    }

    #[test]
    fn what_does_not_fit_is_told_with_its_line() {
        check(
            "{}",
            b"a,b\n1,2\n3\n",
            expect!["line 3: a row has 1 fields, and there are 2 columns"],
        );
        check(
            "bad_rows: skip",
            b"a,b\n1,2\n3\n4,5,6\n",
            expect![[r#"
            2 bad
            {"a":1,"b":2}"#]],
        );
        check("{}", b"a,a\n1,2\n", expect!["line 1: the header names the column `a` twice"]);
        check("{}", b"a\n\xff\n", expect!["it is not UTF-8; say its encoding"]);
        check("{}", b"", expect![[r#""#]]);
    }
}
