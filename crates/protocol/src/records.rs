use bytes::Bytes;

/// One table's rows as the JSON text that came: an array of objects, counted, not yet read.
///
/// A slice of the response's own buffer: making one copies nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    json: Bytes,
    rows: u64,
    non_finite: bool,
}

impl Records {
    /// For text that a validating pass has covered: `[{…},…]`, or nothing at all. `non_finite` says
    /// whether that pass met a bare `NaN` or `Infinity`.
    pub fn from_valid(json: Bytes, rows: u64, non_finite: bool) -> Records {
        Records { json, rows, non_finite }
    }

    /// `[{…},…]`, or empty when the function sent nothing for the table.
    pub fn as_json(&self) -> &[u8] {
        &self.json
    }

    /// The number of elements in the array.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether a bare `NaN` or `Infinity` stands somewhere in the rows.
    pub fn has_non_finite(&self) -> bool {
        self.non_finite
    }
}
