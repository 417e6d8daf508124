//! Every answer against the reference.

use std::collections::BTreeMap;

use engine::PlanError;
use protocol::FunctionError;
use serde_json::value::RawValue;

use crate::check::Finding;
use crate::check::observation::{Call, Survey, place};

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(setup) = &survey.setup {
        of_setup(setup, &mut findings);
    }
    let mut told = Vec::new();
    for (sync, calls) in survey.syncs.iter().enumerate() {
        let mut empty_in_a_row = 0;
        for (page, call) in calls.calls.iter().enumerate() {
            let place = place(sync, page);
            let of_call = of_answer(call).into_iter().chain(of_members(call));
            for finding in of_call.chain(of_warnings(call)) {
                // What every page does the same way is told once.
                if !told.contains(&(finding.id, finding.path.clone())) {
                    told.push((finding.id, finding.path.clone()));
                    findings.push(finding.on(place.clone()));
                }
            }
            let Some(answer) = call.page() else { continue };
            let is_empty = !answer.has_rows() && answer.response.has_more;
            empty_in_a_row = if is_empty { empty_in_a_row + 1 } else { 0 };
            if empty_in_a_row == 11 {
                let message = "11 answers in a row have no rows and say hasMore";
                findings.push(Finding::wrong("F-077", message).on(place.clone()).at("insert"));
            }
            if answer.response.has_more && answer.response.state == call.state {
                let message = "the answer gives back the state that was sent, and says hasMore: the same call would follow for ever";
                findings.push(Finding::wrong("F-081", message).on(place).at("state"));
            }
        }
    }
    findings
}

fn of_setup(call: &Call, findings: &mut Vec<Finding>) {
    const BYTES_WARNED: u64 = 64 << 10;
    let place = "setup test".to_owned();
    match &call.answer {
        Err(error) => {
            let message = format!("the setup test fails: {error}");
            findings.push(Finding::wrong("F-024", message).on(place));
        }
        Ok(page) if page.response.body_bytes > BYTES_WARNED => {
            let bytes = page.response.body_bytes;
            let message = format!("the setup test is answered by {bytes} bytes");
            findings.push(Finding::note("F-027", message).on(place).at("insert"));
        }
        Ok(_) => {}
    }
}

/// Why it is no page, or why its rows cannot land.
fn of_answer(call: &Call) -> Option<Finding> {
    if let Err(error) = &call.answer {
        let id = match error {
            FunctionError::Malformed { code: "unable_to_parse_json", .. } => "F-050",
            FunctionError::Malformed { code: "missing_state", .. } => "F-033",
            FunctionError::Malformed { code: "response_too_large", .. } => "F-054",
            FunctionError::Malformed { message, .. } if message.contains("envelope") => "F-043",
            FunctionError::Malformed { .. } => "F-038",
            FunctionError::TimedOut { .. } => "F-049",
            FunctionError::Failed(_) => "F-045",
            FunctionError::Unavailable { .. } => "F-051",
            FunctionError::Refused { .. } | FunctionError::Cancelled => return None,
        };
        let finding = Finding::wrong(id, error.to_string());
        return Some(if id == "F-033" { finding.at("state") } else { finding });
    }
    let error = call.refused.as_ref()?;
    let (id, path) = match error {
        PlanError::NullPrimaryKey { .. } => ("F-104", null_key(call)),
        PlanError::DeleteWithoutPrimaryKey { table }
        | PlanError::DeleteWithoutKeyValue { table, .. } => {
            ("F-115", Some(format!("delete.{table}")))
        }
        PlanError::PrimaryKeyChanged { table, .. } => {
            ("F-127", Some(format!("schema.{table}.primary_key")))
        }
        PlanError::NonFiniteNumber { table, row, column } => {
            ("Q-13", Some(format!("insert.{table}[{}].{column}", row.saturating_sub(1))))
        }
        // What the user decided about tables is not the function's doing.
        PlanError::NamingChanged { .. }
        | PlanError::ContractBroken { .. }
        | PlanError::QuarantineTaken { .. }
        | PlanError::KeyColumnBlocked { .. }
        | PlanError::KeyHashChanged { .. }
        | PlanError::TypeLockConflict { .. }
        | PlanError::HistoryWithoutPrimaryKey { .. }
        | PlanError::TableModeChanged { .. }
        | PlanError::VersionTimeChanged { .. }
        | PlanError::VersionTimeUnreadable { .. }
        | PlanError::TableNameChanged { .. } => return None,
        PlanError::AmbiguousPrimaryKey { table, .. } | PlanError::TooManyColumns { table, .. } => {
            ("F-038", Some(format!("insert.{table}")))
        }
    };
    Some(path.into_iter().fold(Finding::wrong(id, error.to_string()), Finding::at))
}

/// The first row without a value for its key: `insert.orders[3].id`.
fn null_key(call: &Call) -> Option<String> {
    let page = call.page()?;
    page.response.schema.iter().find_map(|(table, hint)| {
        let rows = page.insert.get(&table.0)?;
        rows.iter().enumerate().find_map(|(index, row)| {
            let missing = hint
                .primary_key
                .iter()
                .find(|column| row.get(*column).is_none_or(|value| value == "null"))?;
            Some(format!("insert.{table}[{index}].{missing}"))
        })
    })
}

/// What was read tolerantly, and other platforms may not.
fn of_members(call: &Call) -> Vec<Finding> {
    let Some(page) = call.page() else { return Vec::new() };
    let members: Result<BTreeMap<String, &RawValue>, _> =
        serde_json::from_slice(&page.response.body);
    let mut findings = Vec::new();
    let has_more = members.iter().filter_map(|members| members.get("hasMore"));
    for value in has_more.filter(|value| value.get().starts_with('"')) {
        let message = format!(
            "hasMore is the text {}, not a boolean: a caller that only looks whether it is there calls for ever",
            value.get()
        );
        findings.push(Finding::note("Q-01", message).at("hasMore"));
    }
    findings
}

fn of_warnings(call: &Call) -> Vec<Finding> {
    let warnings = call.warnings.iter().filter_map(|warning| {
        let message = warning.message.clone();
        Some(match warning.code {
            "unusual_state" => Finding::note("F-034", message).at("state"),
            "encoded_twice" => Finding::note("Q-12", message),
            "update_ignored" => Finding::wrong("F-040", message).at("update"),
            "duplicate_key" => Finding::wrong("Dec-13", message),
            "unknown_member" => Finding::note("Dec-12", message),
            "reserved_column" => Finding::wrong("F-151", message),
            _ => return None,
        })
    });
    warnings.collect()
}
