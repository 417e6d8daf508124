//! A sheet of an Excel or OpenDocument workbook becomes JSON objects.

use std::io::{Cursor, Read};

use bytes::Bytes;
use calamine::{Data, ExcelDateTime, Reader, open_workbook_auto_from_rs};
use protocol::json;

use super::FormatError;
use super::cells::header;
use super::rows::Piece;
use crate::manifest::{BadRows, Excel};

pub(super) fn read(excel: &Excel, body: &Bytes, bytes_max: u64) -> Result<Piece, FormatError> {
    bounded(body, bytes_max)?;
    let broken =
        |error: calamine::Error| FormatError::Packed(format!("the workbook is broken: {error}"));
    let mut workbook = open_workbook_auto_from_rs(Cursor::new(body.clone())).map_err(broken)?;
    let names = workbook.sheet_names();
    let name = match &excel.sheet {
        Some(name) => Some(name),
        None => names.first(),
    };
    let name = name.filter(|name| names.contains(name)).cloned().ok_or_else(|| {
        FormatError::Packed(format!("the workbook has no such sheet; it has {}", names.join(", ")))
    })?;
    let sheet = workbook.worksheet_range(&name).map_err(broken)?;
    let first = sheet.start().map_or(0, |(row, _)| row);
    let skip = excel.skip_rows.saturating_sub(first) as usize;
    let mut cells = sheet.rows().enumerate().skip(skip);
    let wrong = |index: usize, message: String| FormatError::Line {
        line: index as u64 + u64::from(first) + 1,
        message,
    };
    let mut rows = Piece::default();
    let Some((index, names)) = cells.next() else { return Ok(rows) };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let names = header(names.iter().map(String::as_str)).map_err(|error| wrong(index, error))?;
    for (index, cells) in cells {
        if cells.iter().all(|cell| *cell == Data::Empty) {
            continue;
        }
        let start = rows.json.len();
        match write_row(&names, cells, &mut rows.json) {
            Ok(()) => rows.ranges.push(start..rows.json.len()),
            Err(_) if excel.bad_rows == BadRows::Skip => {
                rows.json.truncate(start);
                rows.bad += 1;
            }
            Err(error) => return Err(wrong(index, error)),
        }
        if rows.json.len() as u64 > bytes_max {
            return Err(FormatError::Packed(format!(
                "the sheet is larger than {bytes_max} bytes (`requests.body_bytes`)"
            )));
        }
    }
    Ok(rows)
}

/// Workbooks are zip archives, but for the oldest. What they unpack to is counted before it is believed.
fn bounded(body: &Bytes, bytes_max: u64) -> Result<(), FormatError> {
    if !body.starts_with(b"PK") {
        return Ok(());
    }
    let broken = |error: &dyn std::fmt::Display| {
        FormatError::Packed(format!("the workbook is broken: {error}"))
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(body)).map_err(|error| broken(&error))?;
    let mut left = bytes_max;
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(|error| broken(&error))?;
        let mut limited = file.take(left + 1);
        let size = std::io::copy(&mut limited, &mut std::io::sink());
        left = left.checked_sub(size.map_err(|error| broken(&error))?).ok_or_else(|| {
            FormatError::Packed(format!(
                "the workbook unpacks to more than {bytes_max} bytes (`requests.body_bytes`)"
            ))
        })?;
    }
    Ok(())
}

fn write_row(names: &[String], cells: &[Data], out: &mut String) -> Result<(), String> {
    out.push('{');
    for (place, (name, cell)) in names.iter().zip(cells).enumerate() {
        if place > 0 {
            out.push(',');
        }
        json::quote(name, out);
        out.push(':');
        write(cell, out)
            .map_err(|error| format!("the cell of column `{name:.60}` holds {error}"))?;
    }
    out.push('}');
    Ok(())
}

/// A cell as JSON; what a formula could not compute is an error, as it is in the sheet.
fn write(cell: &Data, out: &mut String) -> Result<(), String> {
    /// Larger whole numbers are not told apart by a cell.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    match cell {
        Data::Empty => out.push_str("null"),
        Data::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Data::Int(number) => out.push_str(&number.to_string()),
        Data::Float(number) if number.fract() == 0.0 && number.abs() < WHOLE_MAX => {
            out.push_str(&format!("{number:.0}"));
        }
        Data::Float(number) if number.is_finite() => out.push_str(&format!("{number:?}")),
        Data::Float(_) => return Err("no number".into()),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            json::quote(text, out);
        }
        Data::DateTime(time) => json::quote(&time_of(time), out),
        Data::Error(error) => return Err(error.to_string()),
    }
    Ok(())
}

/// A date, a date with a time, or a time of day or duration, as a number with a format means it.
fn time_of(time: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, millisecond) = time.to_ymd_hms_milli();
    let fraction = match millisecond {
        0 => String::new(),
        millisecond => format!(".{millisecond:03}"),
    };
    let number = time.as_f64();
    if time.is_duration() || number.abs() < 1.0 {
        let sign = if number < 0.0 { "-" } else { "" };
        #[expect(clippy::cast_possible_truncation, reason = "a sheet's times are below 10^13 ms")]
        let milliseconds = (number.abs() * 86_400_000.0).round() as i64;
        let (hours, rest) = (milliseconds / 3_600_000, milliseconds % 3_600_000);
        let (minutes, seconds, rest) = (rest / 60_000, rest % 60_000 / 1000, rest % 1000);
        let fraction = if rest == 0 { String::new() } else { format!(".{rest:03}") };
        return format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}");
    }
    if number.fract() == 0.0 {
        return format!("{year:04}-{month:02}-{day:02}");
    }
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}")
}
