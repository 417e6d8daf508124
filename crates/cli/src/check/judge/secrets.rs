//! L-13: what should be hidden, in the state or in what is printed.

use crate::check::Finding;
use crate::check::leaves::leaves;
use crate::check::observation::{Call, Survey, place};

/// Names of what lets somebody in, without case and punctuation. Tokens of pages are not meant.
const NAMES: [&str; 9] = [
    "accesstoken",
    "apikey",
    "authorization",
    "authtoken",
    "bearertoken",
    "clientsecret",
    "idtoken",
    "password",
    "privatekey",
];
/// The shortest text that could let anybody in.
const LENGTH_MIN: usize = 6;

pub(super) fn findings(survey: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    let calls = survey.syncs.iter().enumerate().flat_map(|(sync, calls)| {
        calls.calls.iter().enumerate().map(move |(page, call)| (place(sync, page), call))
    });
    let setup = survey.setup.iter().map(|call| ("setup test".to_owned(), call));
    let (mut state_told, mut print_told) = (false, false);
    for (place, call) in setup.chain(calls) {
        if let Some(finding) = in_state(call).filter(|_| !state_told) {
            state_told = true;
            findings.push(finding.on(place.clone()));
        }
        if let Some(finding) = in_print(call).filter(|_| !print_told) {
            print_told = true;
            findings.push(finding.on(place));
        }
    }
    findings
}

fn in_state(call: &Call) -> Option<Finding> {
    let page = call.page()?;
    if let Some(name) = &call.secret_in_state {
        let message =
            format!("the state holds the secret {name}: states are kept, shown and logged");
        return Some(Finding::wrong("L-13", message).at("state"));
    }
    let found = leaves(page.response.state.as_json());
    found.into_iter().find_map(|(place, leaf)| {
        let name = place.rsplit(['.', '[']).next().unwrap_or_default();
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        let name: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
        let holds = leaf.number.is_none() && leaf.text.len() >= LENGTH_MIN;
        let is_jwt = leaf.text.starts_with("eyJ") && leaf.text.matches('.').count() == 2;
        let message = format!(
            "{place} looks like something that lets one in: states are kept, shown and logged"
        );
        if holds && (NAMES.contains(&&*name) || is_jwt || leaf.text.starts_with("Bearer ")) {
            return Some(Finding::wrong("L-13", message).at(place));
        }
        // A token that is exchanged for the next one has no other place to live.
        (holds && name == "refreshtoken").then(|| Finding::note("L-13", message).at(place))
    })
}

fn in_print(call: &Call) -> Option<Finding> {
    let line = call.printed.iter().find(|line| {
        line.contains("<secret ") || line.to_ascii_lowercase().contains("authorization: bearer ")
    })?;
    let name = line.split_once("<secret ").and_then(|(_, rest)| rest.split('>').next());
    let what = name.map_or("a login".to_owned(), |name| format!("the secret {name}"));
    let message = format!(
        "the function prints {what}: in a cloud's log everybody with access to logs reads it"
    );
    Some(Finding::wrong("L-13", message))
}
