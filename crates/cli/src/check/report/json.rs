//! The verdict for machines.

use serde_json::{Value, json};

use super::Verdict;
use crate::check::catalogue::kind;
use crate::check::{Finding, Weight};

pub(crate) fn verdict(verdict: &Verdict<'_>) -> Value {
    let headroom = verdict.headroom().into_iter().map(|headroom| {
        json!({
            "target": headroom.target.name(),
            "bytes": headroom.bytes,
            "bytes_max": headroom.target.bytes_max(),
            "ms": u64::try_from(headroom.took.as_millis()).unwrap_or(u64::MAX),
            "ms_max": u64::try_from(headroom.target.time_max().as_millis()).unwrap_or(u64::MAX),
        })
    });
    json!({
        "connection": verdict.connection,
        "right": verdict.is_right(),
        "findings": verdict.findings.iter().map(|it| finding(it, verdict.show_values)).collect::<Vec<_>>(),
        "calls": verdict.calls(),
        "rows": verdict.rows(),
        "headroom": headroom.collect::<Vec<_>>(),
        "memory_bytes": verdict.memory_bytes(),
        "reservations": verdict.reservations(),
    })
}

fn finding(finding: &Finding, show_values: bool) -> Value {
    let kind = kind(finding.id);
    let details = finding.details.iter().map(|detail| {
        let values = if show_values { &detail.values[..] } else { &[] };
        json!({ "what": detail.what, "values": values })
    });
    json!({
        "id": finding.id,
        "weight": match finding.weight {
            Weight::Wrong => "wrong",
            Weight::Note => "note",
        },
        "page": finding.page,
        "path": finding.path,
        "message": finding.message,
        "details": details.collect::<Vec<_>>(),
        "meaning": kind.meaning,
        "cure": kind.cure,
    })
}
