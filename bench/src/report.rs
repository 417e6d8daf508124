//! The one table, and whether each target was met.

use crate::cases::{Kind, LARGE, PAGE_ROWS, SMALL, Table};
use bench::measure::Cost;

pub(crate) fn render(table: &Table) -> String {
    let mut lines = vec![format!(
        "{:>9}  {:>8}  {:<16} {:>8} {:>8} {:>8} {:>7}",
        "rows", "pages of", "sync", "CPU s", "wall s", "peak MB", "× L"
    )];
    for limit in &table.limits {
        let name = format!("L, {}", name(limit.kind));
        let cost = Cost { cpu_seconds: table.net(limit.cost), ..limit.cost };
        lines.push(line(table, limit.rows, "–", &name, cost));
    }
    for sync in &table.syncs {
        let pages = sync.page_rows.to_string();
        lines.push(line(table, sync.rows, &pages, name(sync.kind), sync.cost));
    }
    lines.push(format!(
        "\nL is DuckDB alone: the same rows on disk, read by read_json with the types given, merged by key\n\
         without an index. {:.2} s for starting Python are taken off its CPU. × L is CPU against the first\n\
         L of as many rows.\n",
        table.start.cpu_seconds
    ));
    lines.extend(targets(table).iter().map(Target::render));
    lines.join("\n") + "\n"
}

fn line(table: &Table, rows: usize, pages: &str, name: &str, cost: Cost) -> String {
    let ratio = table.limit(rows).map_or(f64::NAN, |limit| cost.cpu_seconds / limit);
    format!(
        "{:>9}  {pages:>8}  {name:<16} {:>8.2} {:>8.2} {:>8.0} {ratio:>7.2}",
        thousands(rows),
        cost.cpu_seconds,
        cost.wall_seconds,
        cost.peak_megabytes
    )
}

/// What the project holds itself to; `found` is the worst of the cases it covers.
struct Target {
    what: &'static str,
    found: f64,
    most: f64,
    unit: &'static str,
}

impl Target {
    fn render(&self) -> String {
        let verdict = if self.found <= self.most { "met   " } else { "MISSED" };
        let Target { what, found, most, unit } = self;
        format!("{verdict}  {what}: {found:.2}{unit}, at most {most:.2}{unit}")
    }
}

fn targets(table: &Table) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut target = |what, most, unit, found: Vec<f64>| {
        if let Some(found) = found.into_iter().reduce(f64::max) {
            targets.push(Target { what, found, most, unit });
        }
    };
    target("first sync", 1.2, " L", table.ratios(Kind::First));
    target("the same sync again", 0.9, " L", table.ratios(Kind::Again));
    target("CPU of pages of 100 against pages of 1,000", 1.15, " ×", table.page_ratios());
    let cpu = |cost: Cost| cost.cpu_seconds;
    let incremental = PAGE_ROWS.map(|pages| table.cost(SMALL, pages, Kind::Incremental).map(cpu));
    target(
        "1 % of 100,000 rows edited",
        0.15,
        " CPU s",
        incremental.into_iter().flatten().collect(),
    );
    let peaks = |rows| {
        let peak = |pages| table.cost(rows, pages, Kind::First).map(|cost| cost.peak_megabytes);
        PAGE_ROWS.map(peak).into_iter().flatten().collect::<Vec<f64>>()
    };
    let growth = peaks(LARGE).into_iter().zip(peaks(SMALL)).map(|(large, small)| large / small);
    target("peak memory of 1,000,000 rows against 100,000", 1.6, " ×", growth.collect());
    target("peak memory of 1,000,000 rows", 400.0, " MB", peaks(LARGE));
    target("from the start to the first request", 50.0, " ms", vec![table.first_request_ms]);
    targets
}

impl Table {
    /// A limit's own CPU, without Python's start.
    fn net(&self, cost: Cost) -> f64 {
        cost.cpu_seconds - self.start.cpu_seconds
    }

    /// L of so many rows.
    fn limit(&self, rows: usize) -> Option<f64> {
        let of_rows =
            |limit: &&crate::cases::Limit| limit.rows == rows && limit.kind == Kind::First;
        self.limits.iter().find(of_rows).map(|limit| self.net(limit.cost))
    }

    fn cost(&self, rows: usize, page_rows: usize, kind: Kind) -> Option<Cost> {
        let wanted = (rows, page_rows, kind);
        self.syncs
            .iter()
            .find(|sync| (sync.rows, sync.page_rows, sync.kind) == wanted)
            .map(|sync| sync.cost)
    }

    fn ratios(&self, kind: Kind) -> Vec<f64> {
        self.syncs
            .iter()
            .filter(|sync| sync.kind == kind)
            .filter_map(|sync| Some(sync.cost.cpu_seconds / self.limit(sync.rows)?))
            .collect()
    }

    /// First syncs only: an incremental one has few pages.
    fn page_ratios(&self) -> Vec<f64> {
        let cpu = |rows, pages| Some(self.cost(rows, pages, Kind::First)?.cpu_seconds);
        [SMALL, LARGE]
            .into_iter()
            .filter_map(|rows| Some(cpu(rows, 100)? / cpu(rows, 1_000)?))
            .collect()
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::First => "first",
        Kind::Again => "again",
        Kind::Incremental => "1 % edited",
    }
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::{Limit, Sync};

    fn cost(cpu_seconds: f64, peak_megabytes: f64) -> Cost {
        Cost { cpu_seconds, wall_seconds: 1.0, peak_megabytes }
    }

    fn sync(rows: usize, page_rows: usize, kind: Kind, cost: Cost) -> Sync {
        Sync { rows, page_rows, kind, cost }
    }

    #[test]
    fn the_worst_case_decides_whether_a_target_is_met() {
        let table = Table {
            start: cost(0.25, 50.0),
            first_request_ms: 60.0,
            limits: vec![Limit { rows: SMALL, kind: Kind::First, cost: cost(1.25, 300.0) }],
            syncs: vec![
                sync(SMALL, 1_000, Kind::First, cost(1.0, 200.0)),
                sync(SMALL, 100, Kind::First, cost(1.5, 210.0)),
                sync(SMALL, 1_000, Kind::Again, cost(0.75, 200.0)),
                sync(SMALL, 1_000, Kind::Incremental, cost(0.125, 100.0)),
            ],
        };
        let text = render(&table);
        for expected in [
            "  100,000         –  L, first             1.00     1.00      300    1.00\n",
            "  100,000       100  first                1.50     1.00      210    1.50\n",
            "MISSED  first sync: 1.50 L, at most 1.20 L\n",
            "met     the same sync again: 0.75 L, at most 0.90 L\n",
            "MISSED  CPU of pages of 100 against pages of 1,000: 1.50 ×, at most 1.15 ×\n",
            "MISSED  from the start to the first request: 60.00 ms, at most 50.00 ms\n",
            "met     1 % of 100,000 rows edited: 0.12 CPU s, at most 0.15 CPU s\n",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("peak memory"), "nothing was measured with 1,000,000 rows\n{text}");
    }

    #[test]
    fn large_numbers_are_readable() {
        assert_eq!(thousands(100), "100");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
