//! The verdict as JUnit's XML: one test for each kind of finding, so that a CI lists what was looked at.

use super::Verdict;
use crate::check::Weight;
use crate::check::catalogue::ALL;

pub(crate) fn document(verdicts: &[Verdict<'_>]) -> String {
    let suites: String = verdicts.iter().map(suite).collect();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n{suites}</testsuites>\n")
}

fn suite(verdict: &Verdict<'_>) -> String {
    let name = escaped(verdict.connection);
    let mut failures = 0;
    let mut cases = String::new();
    for kind in ALL {
        let of_kind: Vec<_> =
            verdict.findings.iter().filter(|finding| finding.id == kind.id).collect();
        let title = escaped(&format!("{} {}", kind.id, kind.title));
        cases.push_str(&format!("    <testcase classname=\"{name}\" name=\"{title}\">\n"));
        let wrong = of_kind.iter().filter(|finding| finding.weight == Weight::Wrong);
        let wrong: Vec<String> = wrong.map(|it| told(it, kind.cure)).collect();
        if !wrong.is_empty() {
            failures += 1;
            let first = escaped(wrong[0].lines().next().unwrap_or_default());
            let all = escaped(&wrong.join("\n\n"));
            cases.push_str(&format!("      <failure message=\"{first}\">{all}</failure>\n"));
        }
        let notes = of_kind.iter().filter(|finding| finding.weight == Weight::Note);
        let notes: Vec<String> = notes.map(|it| told(it, kind.cure)).collect();
        if !notes.is_empty() {
            let all = escaped(&notes.join("\n\n"));
            cases.push_str(&format!("      <system-out>{all}</system-out>\n"));
        }
        cases.push_str("    </testcase>\n");
    }
    let tests = ALL.len();
    format!(
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\">\n{cases}  </testsuite>\n"
    )
}

fn told(finding: &crate::check::Finding, cure: &str) -> String {
    let place = [finding.page.as_deref(), finding.path.as_deref()];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(": ");
    let details = finding.details.iter().map(|detail| format!("\n  {}", detail.what));
    let details = details.collect::<Vec<_>>().concat();
    format!("{}\n  at {place}{details}\n  cure: {cure}", finding.message)
}

/// Text for XML; what XML cannot hold at all is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            control if control.is_control() => {}
            other => out.push(other),
        }
    }
    out
}
