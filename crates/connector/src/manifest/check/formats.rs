//! How answers and files are laid out.

use crate::manifest::{Csv, Format, TableConfig};
use crate::yaml::{Place, Problem};

pub(super) fn check_csv(csv: &Csv, at: &dyn Fn(&[&str]) -> Place, problems: &mut Vec<Problem>) {
    let is_one_byte = |text: &Option<String>| {
        text.as_ref().is_none_or(|text| text.len() == 1 || matches!(text.as_str(), "tab" | "\\t"))
    };
    for (key, text) in
        [("delimiter", &csv.delimiter), ("quote", &csv.quote), ("comment", &csv.comment)]
    {
        if !is_one_byte(text) {
            problems
                .push(Problem::new(at(&["csv", key]), "expected one character of ASCII, or tab"));
        }
    }
    let encoding = csv.encoding.as_deref();
    if encoding.is_some_and(|name| encoding_rs::Encoding::for_label(name.as_bytes()).is_none()) {
        problems.push(Problem::new(
            at(&["csv", "encoding"]),
            "this encoding is unknown; try utf-8, windows-1252 or utf-16le",
        ));
    }
}

pub(super) fn check_fixed_width(
    table: &TableConfig,
    at: &dyn Fn(&[&str]) -> Place,
    problems: &mut Vec<Problem>,
) {
    let layout = &table.fixed_width;
    if (table.format == Format::FixedWidth) == layout.columns.is_empty() {
        problems.push(Problem::new(
            at(&["fixed_width"]),
            "`format: fixed_width` and its columns come together: `fixed_width: {columns: {id: 8}}`",
        ));
    }
    if layout.columns.values().any(|width| *width == 0) {
        problems.push(Problem::new(at(&["fixed_width", "columns"]), "a column has some width"));
    }
    let encoding = layout.encoding.as_deref();
    if encoding.is_some_and(|name| encoding_rs::Encoding::for_label(name.as_bytes()).is_none()) {
        problems.push(Problem::new(
            at(&["fixed_width", "encoding"]),
            "this encoding is unknown; try utf-8, windows-1252 or utf-16le",
        ));
    }
}
