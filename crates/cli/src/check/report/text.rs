//! The verdict for a person at a terminal.

use super::{Verdict, headline};
use crate::check::catalogue::kind;
use crate::check::{Finding, Weight};
use crate::output::outln;
use crate::paint::Paint;
use crate::words;

pub(crate) fn print(verdict: &Verdict<'_>) {
    let paint = Paint::of(&std::io::stdout());
    let headline = headline(verdict);
    let headline = if verdict.is_right() { paint.green(&headline) } else { paint.red(&headline) };
    outln!("{}: {headline}", paint.bold(verdict.connection));
    for finding in &verdict.findings {
        outln!("");
        print_one(finding, verdict.show_values, paint);
    }
    outln!("");
    let calls = words::count(verdict.calls() as u64, "call");
    let rows = words::count(verdict.rows(), "row");
    outln!("{calls} made, {rows} in two syncs. Nothing was stored.");
    for headroom in verdict.headroom() {
        let line = format!(
            "{:<23} largest answer {:>3} %, longest call {:>3} % of the limit",
            headroom.target.name(),
            headroom.bytes_used_percent(),
            headroom.time_used_percent()
        );
        outln!("{}", paint.dim(&line));
    }
    if let Some(bytes) = verdict.memory_bytes() {
        let line = format!("memory of the handler   {} at most", words::bytes(bytes));
        outln!("{}", paint.dim(&line));
    }
    for reservation in verdict.reservations() {
        outln!("{} {reservation}", paint.yellow("note:"));
    }
}

fn print_one(finding: &Finding, show_values: bool, paint: Paint) {
    let kind = kind(finding.id);
    let mark = match finding.weight {
        Weight::Wrong => paint.red("wrong"),
        Weight::Note => paint.yellow("worth knowing"),
    };
    let place = [finding.page.as_deref(), finding.path.as_deref()];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(": ");
    outln!("{mark} {} {}", paint.bold(finding.id), paint.dim(&place));
    outln!("  {}", finding.message);
    for detail in &finding.details {
        outln!("    {}", detail.what);
        for value in detail.values.iter().filter(|_| show_values) {
            outln!("      {value}");
        }
    }
    if !show_values && finding.details.iter().any(|detail| !detail.values.is_empty()) {
        outln!("    {}", paint.dim("values are hidden: --show-values shows them"));
    }
    outln!("  {} {}", paint.cyan("cure:"), kind.cure);
}
