//! From what was seen to findings: pure functions, one file for each kind.

mod cursor;
pub(crate) mod faults;
mod headroom;
mod overlap;
mod protocol;
mod repeated;
mod secrets;
mod upstream;

use super::observation::{Keys, Survey};
use super::{Finding, Weight};

/// All findings, the wrong ones first, each in the order of the pages.
pub(crate) fn judge(survey: &Survey) -> Vec<Finding> {
    let keys = Keys::of(survey);
    let mut findings = protocol::findings(survey);
    findings.extend(repeated::findings(survey, &keys));
    findings.extend(overlap::findings(survey, &keys));
    findings.extend(cursor::findings(survey, &keys));
    findings.extend(upstream::findings(survey));
    findings.extend(secrets::findings(survey));
    findings.extend(headroom::findings(survey));
    findings.extend(faults::findings(survey, &keys));
    findings.dedup_by(|next, first| next == first);
    findings.sort_by_key(|finding| finding.weight);
    findings
}

/// Whether nothing is wrong.
pub(crate) fn is_right(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.weight != Weight::Wrong)
}
