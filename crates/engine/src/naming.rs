//! Source names to names in the destination (section 5.3).

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::run::Naming;
use crate::system_columns::RESERVED_PREFIX;

/// Bytes of a name: what Postgres holds, kept everywhere (Dec-52).
const NAME_BYTES_MAX: usize = 63;
/// What is kept of a longer one, before `_` and eight hexadecimal digits.
const NAME_BYTES_KEPT: usize = 54;

/// The destination's name for a table.
pub(crate) fn table_name(source: &str, naming: Naming) -> String {
    let name = match naming {
        Naming::Source => source.to_owned(),
        Naming::Fivetran => {
            let name = snake_case(source);
            let bare = name.trim_start_matches('_');
            // Leading underscores go when a letter follows (F-144).
            if bare.starts_with(|c: char| c.is_ascii_lowercase()) { bare.to_owned() } else { name }
        }
    };
    fit(name)
}

/// Names that a database gives to columns of its own: DuckDB's first, then those of Postgres
/// (<https://www.postgresql.org/docs/current/ddl-system-columns.html>).
const DATABASE_COLUMNS: [&str; 7] = ["rowid", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// The destination's name for a column, before collisions are looked at.
pub(crate) fn column_name(source: &str, naming: Naming) -> String {
    let name = match naming {
        Naming::Source => source.to_owned(),
        Naming::Fivetran => snake_case(source),
    };
    let taken = DATABASE_COLUMNS.iter().any(|database| name.eq_ignore_ascii_case(database));
    fit(if taken { name + "_" } else { name })
}

/// Whether a column may not be taken from the rows (Dec-44).
pub(crate) fn is_reserved(name: &str) -> bool {
    name.get(..RESERVED_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX))
}

/// The name, or the name with `_2`, `_3`, … where it is taken; letters of either case are the same
/// (Dec-51; databases differ in case only at their peril).
pub(crate) fn free_name(name: String, taken: &BTreeSet<String>) -> String {
    if !taken.contains(&name.to_lowercase()) {
        return name;
    }
    (2..=u64::MAX)
        .map(|number| {
            let suffix = format!("_{number}");
            let mut kept = name.len().min(NAME_BYTES_MAX - suffix.len());
            while !name.is_char_boundary(kept) {
                kept -= 1;
            }
            format!("{}{suffix}", &name[..kept])
        })
        .find(|candidate| !taken.contains(&candidate.to_lowercase()))
        .expect("some number is free")
}

/// Rules 1 to 6: letters of ASCII, underscores for the rest, camel case parted, lower case.
fn snake_case(source: &str) -> String {
    let ascii = deunicode::deunicode_with_tofu(source, "_");
    let mut name = String::with_capacity(ascii.len() + 4);
    let bytes = ascii.trim_end().as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let byte = if byte.is_ascii_alphanumeric() { byte } else { b'_' };
        let before = at.checked_sub(1).map_or(b'_', |before| bytes[before]);
        let parted = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || (before.is_ascii_uppercase()
                    && bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase)));
        if (parted || byte == b'_') && !name.ends_with('_') {
            name.push('_');
        }
        if byte != b'_' {
            name.push(char::from(byte.to_ascii_lowercase()));
        }
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Cuts what is too long, stably and uniquely; nothing at all becomes `_` (Dec-50, Dec-52).
pub(crate) fn fit(name: String) -> String {
    let name = name.replace('\0', "_");
    if name.is_empty() {
        return "_".to_owned();
    }
    if name.len() <= NAME_BYTES_MAX {
        return name;
    }
    let digest = Sha256::digest(name.as_bytes());
    let mut kept = NAME_BYTES_KEPT;
    while !name.is_char_boundary(kept) {
        kept -= 1;
    }
    let [a, b, c, d, ..] = *digest else { unreachable!("a SHA-256 has 32 bytes") };
    format!("{}_{a:02x}{b:02x}{c:02x}{d:02x}", &name[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_140_to_f_145_column_names() {
        for (source, expected) in [
            ("tflLineStatus", "tfl_line_status"),
            ("HTTPServer", "http_server"),
            ("userID", "user_id"),
            ("v2Name", "v2_name"),
            ("Event ID", "event_id"),
            ("user-data", "user_data"),
            ("user.data", "user_data"),
            ("Größe", "grosse"),
            ("naïve", "naive"),
            ("2023_sales", "_2023_sales"),
            ("_id", "_id"),
            ("a__b", "a_b"),
            ("a_", "a_"),
            ("ABC", "abc"),
            ("a B", "a_b"),
            ("a_B", "a_b"),
            ("", "_"),
            ("%%%", "_"),
            ("\"; DROP TABLE x; --", "_drop_table_x_"),
            ("select", "select"),
            ("rowid", "rowid_"),
            ("rowId", "row_id"),
        ] {
            assert_eq!(column_name(source, Naming::Fivetran), expected, "{source:?}");
        }
    }

    #[test]
    fn f_144_f_146_table_names() {
        for (source, expected) in [
            ("_orders", "orders"),
            ("__a", "a"),
            ("_2023", "_2023"),
            ("userData", "user_data"),
            ("user.data", "user_data"),
            ("_", "_"),
        ] {
            assert_eq!(table_name(source, Naming::Fivetran), expected, "{source:?}");
        }
    }

    #[test]
    fn f_149_long_names_are_cut_stably_and_uniquely() {
        let long = |last: &str| column_name(&("a".repeat(80) + last), Naming::Fivetran);
        assert_eq!(long("x"), long("x"));
        assert_ne!(long("x"), long("y"));
        assert_eq!(long("x").len(), 63);
        assert!(column_name(&"é".repeat(10_000), Naming::Source).len() <= 63);
        assert_eq!(column_name("RowID", Naming::Source), "RowID_");
        assert_eq!(column_name("\u{1f980}Größe", Naming::Source), "\u{1f980}Größe");
    }

    #[test]
    fn f_147_a_taken_name_gets_a_number() {
        let taken = BTreeSet::from(["a_b".to_owned(), "a_b_2".to_owned()]);
        assert_eq!(free_name("A_b".to_owned(), &taken), "A_b_3");
        assert!(is_reserved("_Fivetran_synced") && !is_reserved("_fivetran"));
    }
}
