//! What [`engine::widen`] does to arrays, as an expression over a stored column.
//!
//! It relies on the settings that [`crate::statements::begin`] makes: dates in ISO 8601, doubles with
//! their shortest digits, backslashes as they are.

use engine::ColumnType;

/// The value of `column` as `to`.
///
/// # Panics
/// When `to` is not wider than `from`: evolution never narrows.
pub(crate) fn expression(column: &str, from: ColumnType, to: ColumnType) -> String {
    use ColumnType::{Decimal, Double, Json, LocalDate, LocalDateTime, Long, String};
    match (from, to) {
        (_, String) => text(column, from),
        (ColumnType::Boolean | Long | Decimal { .. } | Double, Json) => {
            format!("({})::json", text(column, from))
        }
        (_, Json) => format!("({})::json", json_string(&text(column, from))),
        (Long, Double) => format!("{column}::double precision"),
        // Through the digits: a cast would round to fifteen of them.
        (Double, Decimal { scale }) => format!("{column}::text::numeric(38,{scale})"),
        (Long, Decimal { scale }) => format!("{column}::numeric(38,{scale})"),
        (Decimal { scale: old }, Decimal { scale }) if old < scale => {
            format!("{column}::numeric(38,{scale})")
        }
        (LocalDate, LocalDateTime) => format!("{column}::timestamp without time zone"),
        (from, to) => unreachable!("{to} is not wider than {from}"),
    }
}

fn text(column: &str, from: ColumnType) -> String {
    match from {
        ColumnType::Boolean | ColumnType::Long | ColumnType::LocalDate | ColumnType::Json => {
            format!("{column}::text")
        }
        ColumnType::Decimal { .. } => format!("trim_scale({column})::text"),
        ColumnType::Double => double_text(column),
        ColumnType::LocalDateTime => date_time_text(column),
        ColumnType::Instant => {
            format!("{} || 'Z'", date_time_text(&format!("({column} AT TIME ZONE 'UTC')")))
        }
        ColumnType::String => column.to_owned(),
    }
}

fn date_time_text(timestamp: &str) -> String {
    format!("replace({timestamp}::text, ' ', 'T')")
}

/// Plain digits where a decimal of 38 of them (37 after the point) holds the number: its 17 digits at
/// most leave nothing else to look at than its size and its scale.
fn double_text(column: &str) -> String {
    let digits = format!("trim_scale({column}::text::numeric)");
    format!(
        "CASE \
         WHEN {column} = 0 THEN '0' \
         WHEN abs({column}) < 1e38 AND scale({digits}) <= 37 THEN {digits}::text \
         ELSE regexp_replace({column}::text, 'e[+]?(-?)0*', 'e\\1') END"
    )
}

/// A JSON string literal, escaped as [`protocol::json::quote`] does.
fn json_string(text: &str) -> String {
    let plain = format!("replace(replace({text}, '\\', '\\\\'), '\"', '\\\"')");
    let common = [(10, "\\n"), (13, "\\r"), (9, "\\t")];
    let rare = (1..32).filter(|code| !common.iter().any(|(known, _)| known == code));
    let replace = |inner: String, code: i32, escape: &str| {
        format!("replace({inner}, chr({code}), '{escape}')")
    };
    let lines = common.iter().fold(plain, |inner, (code, escape)| replace(inner, *code, escape));
    let all =
        rare.fold(lines.clone(), |inner, code| replace(inner, code, &format!("\\u{code:04x}")));
    format!(
        "'\"' || CASE WHEN {text} ~ '[\\u0001-\\u0008\\u000b\\u000c\\u000e-\\u001f]' \
         THEN {all} ELSE {lines} END || '\"'"
    )
}
