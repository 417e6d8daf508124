//! Lines whose fields stand at fixed places become JSON objects.

use protocol::json;

use super::FormatError;
use super::csv::{Rows, decode, skip_lines, value};
use crate::manifest::{BadRows, Csv, FixedWidth};

pub(super) fn read(layout: &FixedWidth, body: &[u8]) -> Result<Rows, FormatError> {
    let text = decode(layout.encoding.as_deref(), body)?;
    let text = skip_lines(&text, layout.skip_lines);
    let values = Csv { null: layout.null.clone(), types: layout.types, ..Csv::default() };
    let width: usize = layout.columns.values().map(|width| *width as usize).sum();
    let mut rows = Rows { json: String::with_capacity(text.len() * 2), ranges: Vec::new(), bad: 0 };
    for (index, line) in text.lines().enumerate() {
        // Spaces at the end of a line are often left out, and so are last fields that are empty.
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        let length = line.chars().count();
        if length > width {
            match layout.bad_rows {
                BadRows::Skip => {
                    rows.bad += 1;
                    continue;
                }
                BadRows::Stop => {
                    let line = index as u64 + 1 + u64::from(layout.skip_lines);
                    let message = format!("a row has {length} characters, and its columns {width}");
                    return Err(FormatError::Line { line, message });
                }
            }
        }
        let start = rows.json.len();
        let mut rest = line;
        rows.json.push('{');
        for (index, (name, width)) in layout.columns.iter().enumerate() {
            let end = rest.char_indices().nth(*width as usize).map_or(rest.len(), |(at, _)| at);
            let (field, after) = rest.split_at(end);
            rest = after;
            if index > 0 {
                rows.json.push(',');
            }
            json::quote(name, &mut rows.json);
            rows.json.push(':');
            value(field.trim(), &values, &mut rows.json);
        }
        rows.json.push('}');
        rows.ranges.push(start..rows.json.len());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(options: &str, body: &[u8], expected: Expect) {
        let node = crate::yaml::parse(options).expect("YAML");
        let layout: FixedWidth = crate::yaml::read(node, |_| None).expect("options");
        let found = match read(&layout, body) {
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
    fn fields_are_cut_where_their_columns_end() {
        check(
            "{columns: {id: 4, name: 6, amount: 8, zip: 5}, skip_lines: 1}",
            "REPORT 2024\r\n0001Ägidia   19.9001234\r\n   2Bo\r\n\r\n".as_bytes(),
            expect![[r#"
                {"id":"0001","name":"Ägidia","amount":19.90,"zip":"01234"}
                {"id":2,"name":"Bo","amount":null,"zip":null}"#]],
        );
        check(
            "{columns: {a: 1, b: 1}, encoding: windows-1252, types: false, 'null': ['-']}",
            b"\xe41\n-2\n",
            expect![[r#"
                {"a":"ä","b":"1"}
                {"a":null,"b":"2"}"#]],
        );
    }

    #[test]
    fn a_line_that_is_too_long_is_told_or_counted() {
        check(
            "{columns: {a: 2}}",
            b"12\n123\n",
            expect!["line 2: a row has 3 characters, and its columns 2"],
        );
        check(
            "{columns: {a: 2}, bad_rows: skip}",
            b"12\n123\n3\n",
            expect![[r#"
                1 bad
                {"a":12}
                {"a":3}"#]],
        );
    }
}
