//! Fields of text as members of a JSON object.

use protocol::json;

/// How fields of text become JSON values.
pub(super) struct Cells {
    /// Texts that mean nothing; the empty one, if there are none.
    pub(super) null: Vec<String>,
    /// Whether numbers and booleans in their plain form are such.
    pub(super) types: bool,
}

impl Cells {
    /// One row as a JSON object.
    pub(super) fn write<'a>(
        &self,
        names: &[String],
        fields: impl Iterator<Item = &'a str>,
        out: &mut String,
    ) {
        out.push('{');
        for (index, (name, field)) in names.iter().zip(fields).enumerate() {
            if index > 0 {
                out.push(',');
            }
            json::quote(name, out);
            out.push(':');
            self.value(field, out);
        }
        out.push('}');
    }

    /// Nothing is null. Numbers and booleans in their plain form are such; `007`, `+1` and `1,5` stay text.
    fn value(&self, field: &str, out: &mut String) {
        let is_null = match &self.null[..] {
            [] => field.is_empty(),
            null => null.iter().any(|null| null == field),
        };
        if is_null {
            out.push_str("null");
        } else if self.types && (matches!(field, "true" | "false") || is_plain_number(field)) {
            out.push_str(field);
        } else {
            json::quote(field, out);
        }
    }
}

/// A floating number that is written already; one that is none is written as Python does, and noted.
#[cfg(feature = "columnar")]
pub(super) fn write_float(value: f64, text: &str, out: &mut String, non_finite: &mut bool) {
    *non_finite |= !value.is_finite();
    out.push_str(match value {
        _ if value.is_nan() => "NaN",
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => text,
    });
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
