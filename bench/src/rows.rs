//! Rows as a function would send them: about 600 bytes and 16 fields each, the same on every machine.
//!
//! They lie back to back as JSON text in one buffer, so that a page is a slice of it and the
//! function server costs next to nothing.

use std::fmt::Write as _;
use std::ops::Range;

/// 2024-01-01T00:00:00Z, when the first row was last changed.
const FIRST_CHANGE: u64 = 1_704_067_200;
const SECONDS_BETWEEN_CHANGES: u64 = 7;
const SECONDS_A_DAY: u64 = 86_400;
/// One row in so many is edited after the first sync: 1 %.
const EDITED_EVERY: usize = 100;

/// All rows in the order of their last change, then the edited ones again.
pub struct Rows {
    text: String,
    /// Where each row begins; one more than there are rows.
    starts: Vec<usize>,
    count: usize,
    logins: u64,
    edited: usize,
}

impl Rows {
    pub fn generate(count: usize) -> Rows {
        let mut rows = Rows {
            text: String::with_capacity(count * 640),
            starts: Vec::with_capacity(count + count / EDITED_EVERY + 1),
            count,
            logins: 0,
            edited: 0,
        };
        for index in 0..count {
            rows.logins += rows.push(index, index, false);
        }
        for index in (0..count).step_by(EDITED_EVERY) {
            rows.push(index, count + rows.edited, true);
            rows.edited += 1;
        }
        rows.starts.push(rows.text.len());
        rows
    }

    /// How many rows there are, each with its own key.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many of them are edited after the first sync.
    pub fn edited(&self) -> usize {
        self.edited
    }

    /// The sum of the column `logins`: an edit adds one.
    pub fn logins(&self, with_edits: bool) -> u64 {
        self.logins + if with_edits { self.edited as u64 } else { 0 }
    }

    /// The rows as the inside of a JSON array.
    pub fn page(&self, rows: Range<usize>) -> &str {
        if rows.is_empty() {
            return "";
        }
        // Each row is followed by a comma or a line's end, which is left off the last one.
        &self.text[self.starts[rows.start]..self.starts[rows.end] - 2]
    }

    /// The rows one to a line, which is what DuckDB reads fastest.
    pub fn lines(&self, rows: Range<usize>) -> String {
        let mut lines = self.page(rows).replace(",\n", "\n");
        lines.push('\n');
        lines
    }

    /// Appends one row and returns its `logins`.
    fn push(&mut self, index: usize, position: usize, edited: bool) -> u64 {
        self.starts.push(self.text.len());
        let mut chance = Chance(index as u64 + 1);
        let logins = chance.below(500) + u64::from(edited);
        write_row(&mut self.text, &mut chance, index, position, logins);
        self.text.push_str(",\n");
        logins
    }
}

fn write_row(out: &mut String, chance: &mut Chance, index: usize, position: usize, logins: u64) {
    let changed = FIRST_CHANGE + position as u64 * SECONDS_BETWEEN_CHANGES;
    let created = FIRST_CHANGE - chance.below(900 * SECONDS_A_DAY);
    let (first, last) = (chance.pick(&FIRST_NAMES), chance.pick(&LAST_NAMES));
    write!(
        out,
        r#"{{"id":{},"external_id":"{:016x}-{:08x}","name":"{first} \"{}\" {last}","email":"user{index}@{}.example","#,
        1_000_000 + index,
        chance.next(),
        chance.below(1 << 32),
        chance.pick(&WORDS),
        chance.pick(&WORDS),
    )
    .expect(TEXT_GROWS);
    let (active, verified) = (chance.below(10) > 0, chance.below(2) == 0);
    write!(out, r#""active":{active},"verified":{verified},"logins":{logins},"#).expect(TEXT_GROWS);
    // A multiple of 1/64 is the same number in binary and in decimal.
    let sixty_fourths = u32::try_from(chance.below(1 << 20)).expect("the bound is below 2^32");
    write!(out, r#""balance":{:?},"plan":"#, f64::from(sixty_fourths) / 64.0).expect(TEXT_GROWS);
    match chance.below(3) {
        0 => out.push_str("null"),
        _ => write!(out, "\"{}\"", chance.pick(&PLANS)).expect(TEXT_GROWS),
    }
    out.push_str(r#","referrer_id":"#);
    match chance.below(4) {
        0 => write!(out, "{}", 1_000_000 + chance.below(index as u64 + 1)).expect(TEXT_GROWS),
        _ => out.push_str("null"),
    }
    write!(
        out,
        r#","address":{{"street":"{} {}","city":"{}","zip":"{:05}","primary":{}}},"tags":["#,
        chance.pick(&LAST_NAMES),
        1 + chance.below(200),
        chance.pick(&CITIES),
        chance.below(100_000),
        chance.below(2) == 0,
    )
    .expect(TEXT_GROWS);
    for tag in 0..chance.below(4) {
        let comma = if tag == 0 { "" } else { "," };
        write!(out, "{comma}\"{}\"", chance.pick(&WORDS)).expect(TEXT_GROWS);
    }
    out.push_str("],");
    write!(
        out,
        r#""created_at":"{}","updated_at":"{}","last_seen_at":"#,
        timestamp(created),
        timestamp(changed)
    )
    .expect(TEXT_GROWS);
    match chance.below(3) {
        0 => out.push_str("null"),
        _ => {
            let seen = created + chance.below(changed - created + 1);
            write!(out, "\"{}\"", timestamp(seen)).expect(TEXT_GROWS);
        }
    }
    out.push_str(r#","notes":"#);
    if chance.below(16) == 0 {
        out.push_str("null}");
        return;
    }
    out.push('"');
    for word in 0..12 + chance.below(26) {
        let between = match (word, word % 9) {
            (0, _) => "",
            (_, 0) => r"\n",
            _ => " ",
        };
        out.push_str(between);
        out.push_str(chance.pick(&WORDS));
    }
    out.push_str("\"}");
}

const TEXT_GROWS: &str = "text in memory takes what is written to it";

const FIRST_NAMES: [&str; 8] = ["Ada", "Zoë", "Lin", "Jürgen", "Noor", "Mateusz", "Aiko", "Siân"];
const LAST_NAMES: [&str; 8] =
    ["Okafor", "Müller", "Nguyễn", "Silva", "O'Neill", "Kowalska", "Haddad", "Берг"];
const CITIES: [&str; 6] = ["Köln", "Porto", "東京", "Malmö", "Austin", "São Paulo"];
const PLANS: [&str; 3] = ["free", "team", "enterprise"];
const WORDS: [&str; 16] = [
    "invoice",
    "renewal",
    "café",
    "beta",
    "north",
    "priority",
    "a\\/b",
    "review",
    "quarter",
    "naïve",
    "seat",
    "upgrade",
    "contact",
    "follow-up",
    "draft",
    "ledger",
];

/// SplitMix64: a few instructions, and the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).expect("an index into a short list")]
    }
}

/// Seconds since 1970 as `2024-01-01T00:00:00Z`, by the days-from-civil method on 400-year eras.
fn timestamp(seconds: u64) -> String {
    let (day, second) = (seconds / SECONDS_A_DAY, seconds % SECONDS_A_DAY);
    // Years begin in March, so that the leap day is the last of its year.
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn rows_have_16_fields_and_about_600_bytes_and_are_the_same_each_time() {
        let rows = Rows::generate(1_000);
        let page: Vec<Value> =
            serde_json::from_str(&format!("[{}]", rows.page(0..1_000))).expect("rows are JSON");
        assert_eq!(page.len(), 1_000);
        assert!(page.iter().all(|row| row.as_object().is_some_and(|row| row.len() == 16)));
        let mean = rows.page(0..1_000).len() / 1_000;
        assert!((580..=620).contains(&mean), "a row has {mean} bytes");
        assert_eq!(rows.page(0..1_000), Rows::generate(1_000).page(0..1_000));
    }

    #[test]
    fn edits_keep_the_keys_and_add_one_login() {
        let rows = Rows::generate(1_000);
        assert_eq!(rows.edited(), 10);
        let read = |range| -> Vec<Value> {
            serde_json::from_str(&format!("[{}]", rows.page(range))).expect("rows are JSON")
        };
        let (before, after) = (read(0..1_000), read(1_000..1_010));
        assert_eq!(after[3]["id"], before[300]["id"]);
        assert_eq!(after[3]["logins"].as_u64(), before[300]["logins"].as_u64().map(|n| n + 1));
        let sum: u64 = before.iter().filter_map(|row| row["logins"].as_u64()).sum();
        assert_eq!((rows.logins(false), rows.logins(true)), (sum, sum + 10));
    }

    #[test]
    fn lines_and_pages_hold_the_same_rows() {
        let rows = Rows::generate(20);
        assert_eq!(rows.lines(5..8).trim_end().replace('\n', ",\n"), rows.page(5..8));
        assert_eq!(rows.lines(5..8).lines().count(), 3);
        assert_eq!(rows.page(4..4), "");
    }

    #[test]
    fn timestamps_are_right_around_leap_days() {
        let check = |seconds, expected| assert_eq!(timestamp(seconds), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(951_782_400, "2000-02-29T00:00:00Z");
        check(FIRST_CHANGE - 1, "2023-12-31T23:59:59Z");
        check(FIRST_CHANGE, "2024-01-01T00:00:00Z");
    }
}
