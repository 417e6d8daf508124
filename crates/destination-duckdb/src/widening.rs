//! What [`engine::widen`] does to arrays, as an expression over a stored column.
//!
//! It is SQL, so that nothing of ours has to be there when DuckDB evaluates it. It does not depend on a
//! session's time zone: instants go through their microseconds.

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
            format!("CAST({} AS JSON)", text(column, from))
        }
        (_, Json) => format!("CAST({} AS JSON)", json_string(&text(column, from))),
        (Long, Double) => format!("CAST({column} AS DOUBLE)"),
        (Double, Decimal { scale }) => {
            format!("CAST(CAST({column} AS VARCHAR) AS DECIMAL(38,{scale}))")
        }
        (Long, Decimal { scale }) => format!("CAST({column} AS DECIMAL(38,{scale}))"),
        (Decimal { scale: old }, Decimal { scale }) if old < scale => {
            format!("CAST({column} AS DECIMAL(38,{scale}))")
        }
        (LocalDate, LocalDateTime) => format!("CAST({column} AS TIMESTAMP)"),
        (from, to) => unreachable!("{to} is not wider than {from}"),
    }
}

fn text(column: &str, from: ColumnType) -> String {
    match from {
        ColumnType::Boolean | ColumnType::Long | ColumnType::LocalDate => {
            format!("CAST({column} AS VARCHAR)")
        }
        ColumnType::Decimal { scale } => decimal_text(&format!("CAST({column} AS VARCHAR)"), scale),
        ColumnType::Double => double_text(column),
        ColumnType::LocalDateTime => date_time_text(column),
        ColumnType::Instant => {
            format!("{} || 'Z'", date_time_text(&format!("make_timestamp(epoch_us({column}))")))
        }
        ColumnType::String | ColumnType::Json => column.to_owned(),
    }
}

fn decimal_text(digits: &str, scale: u8) -> String {
    if scale == 0 { digits.to_owned() } else { format!("rtrim(rtrim({digits}, '0'), '.')") }
}

fn date_time_text(timestamp: &str) -> String {
    format!("replace(CAST({timestamp} AS VARCHAR), ' ', 'T')")
}

/// DuckDB prints the shortest digits, but its own way: `1.0`, `1e+16`, `1.5e-07`, `-0.0`. A number with
/// an exponent is given plain digits when a decimal of 38 of them (37 after the point) holds it.
fn double_text(column: &str) -> String {
    let digits = format!("CAST({column} AS VARCHAR)");
    let decimal = |scale| format!("CAST(CAST({digits} AS DECIMAL(38,{scale})) AS VARCHAR)");
    let scale = format!(
        "length(regexp_extract({digits}, '[.](\\d+)e', 1)) \
         + CAST(regexp_extract({digits}, 'e-(\\d+)', 1) AS INTEGER)"
    );
    format!(
        "CASE \
         WHEN {column} = 0 THEN '0' \
         WHEN NOT contains({digits}, 'e') THEN regexp_replace({digits}, '[.]0$', '') \
         WHEN contains({digits}, 'e+') AND abs({column}) < 1e38 THEN {large} \
         WHEN contains({digits}, 'e-') AND {scale} <= 37 THEN {small} \
         ELSE regexp_replace({digits}, 'e[+]?(-?)0*', 'e\\1') END",
        large = decimal(0),
        small = decimal_text(&decimal(37), 37),
    )
}

/// A JSON string literal, escaped as [`protocol::json::quote`] does.
fn json_string(text: &str) -> String {
    let plain = format!("replace(replace({text}, '\\', '\\\\'), '\"', '\\\"')");
    let common = [(10, "\\n"), (13, "\\r"), (9, "\\t")];
    let rare = (0..32).filter(|code| !common.iter().any(|(known, _)| known == code));
    let replace = |inner: String, code: i32, escape: &str| {
        format!("replace({inner}, chr({code}), '{escape}')")
    };
    let lines = common.iter().fold(plain, |inner, (code, escape)| replace(inner, *code, escape));
    let all =
        rare.fold(lines.clone(), |inner, code| replace(inner, code, &format!("\\u{code:04x}")));
    format!(
        "'\"' || CASE WHEN regexp_matches({text}, '[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f]') \
         THEN {all} ELSE {lines} END || '\"'"
    )
}

#[cfg(test)]
mod tests;
