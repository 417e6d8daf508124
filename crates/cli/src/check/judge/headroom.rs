//! L-15: how near to its cloud's limits the function works.

use crate::check::Finding;
use crate::check::observation::{Survey, place};
use crate::words;

/// Less than this share of a limit left is too little: sources grow.
const LEFT_PERCENT_MIN: u128 = 20;

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let Some(target) = survey.target else { return Vec::new() };
    let mut findings = Vec::new();
    let (mut bytes_told, mut time_told) = (false, false);
    for (sync, calls) in survey.syncs.iter().enumerate() {
        for (page, call) in calls.calls.iter().enumerate() {
            let bytes = call.page().map_or(0, |page| page.response.body_bytes);
            let is_near = |used: u128, max: u128| used * 100 > max * (100 - LEFT_PERCENT_MIN);
            if is_near(bytes.into(), target.bytes_max().into()) && !bytes_told {
                bytes_told = true;
                let message = format!(
                    "an answer of {} where {} takes no more than {}",
                    words::bytes(bytes),
                    target.name(),
                    words::bytes(target.bytes_max())
                );
                findings.push(Finding::wrong("L-15", message).on(place(sync, page)).at("insert"));
            }
            if is_near(call.took.as_millis(), target.time_max().as_millis()) && !time_told {
                time_told = true;
                let message = format!(
                    "a call of {} where {} gives no more than {}",
                    words::time(call.took),
                    target.name(),
                    words::time(target.time_max())
                );
                findings.push(Finding::wrong("L-15", message).on(place(sync, page)));
            }
        }
    }
    findings
}
