//! The verdict as one page that needs nothing else: to keep, to send, to print.

use super::junit::escaped;
use super::{Verdict, headline};
use crate::check::catalogue::{ALL, kind};
use crate::check::observation::{Call, place};
use crate::check::{Finding, Weight};
use crate::words;

const STYLE: &str = include_str!("report.css");

pub(crate) fn document(verdicts: &[Verdict<'_>]) -> String {
    let bodies: String = verdicts.iter().map(section).collect();
    let title = match verdicts {
        [one] => escaped(one.connection),
        many => format!("{} connections", many.len()),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>hasmore check: {title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{bodies}<footer>made by hasmore check {}; no row values, no secrets unless asked for</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    )
}

fn section(verdict: &Verdict<'_>) -> String {
    let class = if verdict.is_right() { "right" } else { "wrong" };
    let findings: String =
        verdict.findings.iter().map(|it| card(it, verdict.show_values)).collect();
    let numbers = [
        ("calls made", words::number(verdict.calls() as u64)),
        ("rows in two syncs", words::number(verdict.rows())),
        ("kinds looked at", ALL.len().to_string()),
        ("memory of the handler", verdict.memory_bytes().map_or("–".to_owned(), words::bytes)),
    ];
    let numbers =
        numbers.map(|(what, number)| format!("<div><b>{number}</b><span>{what}</span></div>"));
    let reservations = verdict
        .reservations()
        .iter()
        .map(|text| format!("<p class=\"reservation\">{}</p>\n", escaped(text)))
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<main>\n<header class=\"{class}\">\n<p class=\"what\">hasmore check</p>\n<h1>{}</h1>\n<p class=\"verdict\">{}</p>\n</header>\n<div class=\"numbers\">{}</div>\n{reservations}{findings}{}{}</main>\n",
        escaped(verdict.connection),
        escaped(&headline(verdict)),
        numbers.concat(),
        limits(verdict),
        calls(verdict),
    )
}

fn card(finding: &Finding, show_values: bool) -> String {
    let kind = kind(finding.id);
    let (class, mark) = match finding.weight {
        Weight::Wrong => ("wrong", "wrong"),
        Weight::Note => ("note", "worth knowing"),
    };
    let place = [finding.page.as_deref(), finding.path.as_deref()];
    let place = place.into_iter().flatten();
    let place =
        place.map(|it| format!("<code>{}</code> ", escaped(it))).collect::<Vec<_>>().concat();
    let mut details = String::new();
    for detail in &finding.details {
        let class = match detail.what.chars().next() {
            Some('-') => "less",
            Some('+') => "more",
            _ => "other",
        };
        details.push_str(&format!("<li class=\"{class}\">{}", escaped(&detail.what)));
        for value in detail.values.iter().filter(|_| show_values) {
            details.push_str(&format!("<pre>{}</pre>", escaped(value)));
        }
        details.push_str("</li>\n");
    }
    let details =
        if details.is_empty() { details } else { format!("<ul class=\"diff\">\n{details}</ul>\n") };
    format!(
        "<article class=\"{class}\">\n<p class=\"tags\"><b>{}</b> <i>{mark}</i> {place}</p>\n<h2>{}</h2>\n{details}<p>{}</p>\n<p class=\"cure\"><b>Cure</b> {}</p>\n</article>\n",
        finding.id,
        escaped(&finding.message),
        escaped(kind.meaning),
        marked(kind.cure),
    )
}

/// Words between backticks are code.
fn marked(text: &str) -> String {
    let parts = escaped(text);
    let parts = parts.split('`').enumerate();
    parts
        .map(
            |(index, part)| {
                if index % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }
            },
        )
        .collect()
}

fn limits(verdict: &Verdict<'_>) -> String {
    let bar = |percent: u64| {
        let class = if percent > 80 { "near" } else { "far" };
        format!(
            "<td><div class=\"bar {class}\"><div style=\"width:{}%\"></div></div>{percent} %</td>",
            percent.clamp(1, 100)
        )
    };
    let rows = verdict
        .headroom()
        .iter()
        .map(|headroom| {
            format!(
                "<tr><td>{}</td>{}<td class=\"of\">{} of {}</td>{}<td class=\"of\">{} of {}</td></tr>\n",
                headroom.target.name(),
                bar(headroom.bytes_used_percent()),
                words::bytes(headroom.bytes),
                words::bytes(headroom.target.bytes_max()),
                bar(headroom.time_used_percent()),
                words::time(headroom.took),
                words::time(headroom.target.time_max()),
            )
        })
        .collect::<Vec<_>>()
        .concat();
    format!(
        "<h3>Limits</h3>\n<table>\n<tr><th>cloud</th><th colspan=\"2\">largest answer</th><th colspan=\"2\">longest call</th></tr>\n{rows}</table>\n"
    )
}

fn calls(verdict: &Verdict<'_>) -> String {
    let each = verdict.survey.syncs.iter().enumerate().flat_map(|(sync, calls)| {
        calls.calls.iter().enumerate().map(move |(page, call)| (place(sync, page), call))
    });
    let rows: String = each.map(|(place, call)| row(&place, call)).collect();
    format!(
        "<h3>Calls of the two syncs</h3>\n<table class=\"calls\">\n<tr><th>page</th><th>rows</th><th>answer</th><th>time</th><th>requests to the API</th><th>then</th></tr>\n{rows}</table>\n"
    )
}

fn row(place: &str, call: &Call) -> String {
    let (rows, bytes, then) = match &call.answer {
        Ok(page) => (
            words::number(page.response.rows()),
            words::bytes(page.response.body_bytes),
            if page.response.has_more { "has more" } else { "the end" },
        ),
        Err(error) => ("–".to_owned(), "–".to_owned(), error.code()),
    };
    format!(
        "<tr><td>{place}</td><td>{rows}</td><td>{bytes}</td><td>{}</td><td>{}</td><td>{then}</td></tr>\n",
        words::time(call.took),
        call.upstream.len(),
    )
}
