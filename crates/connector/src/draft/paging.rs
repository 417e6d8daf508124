//! How pages follow each other, as far as one answer and its request tell.

use serde_json::Value;

use super::Sample;
use super::find::{Found, Line, Member};
use super::secret::plain;
use super::write::quoted;

/// The request and what stands in its answer beside the rows.
pub(super) struct Asked<'a> {
    pub(super) sample: &'a Sample,
    pub(super) beside: &'a [Member<'a>],
    pub(super) query: &'a [(String, String)],
}

/// A way to the next page, and why it is believed.
struct Way {
    text: String,
    why: String,
    /// The parameter that it writes.
    parameter: Option<String>,
}

const TOTAL: [&str; 9] = [
    "total",
    "totalcount",
    "totalitems",
    "totalresults",
    "totalrecords",
    "nbhits",
    "totalhits",
    "totalelements",
    "totalrows",
];
const PAGES: [&str; 6] = ["totalpages", "nbpages", "pagecount", "lastpage", "pages", "numpages"];
const PAGE: [&str; 5] = ["page", "currentpage", "pagenumber", "pageno", "pageindex"];
const OFFSET: [&str; 4] = ["offset", "skip", "startat", "startindex"];
const SIZE: [&str; 8] =
    ["perpage", "limit", "pagesize", "size", "hitsperpage", "maxresults", "take", "top"];
/// Pages have such sizes: a list of so many rows may be cut off.
const SIZES: [u64; 10] = [10, 20, 25, 30, 50, 100, 200, 250, 500, 1000];

/// Finds `pagination`, or leaves a note on what could not be found.
pub(super) fn find(asked: &Asked<'_>, rows: usize, key: Option<&str>, found: &mut Found) {
    let rows = rows as u64;
    let total = asked.told(&TOTAL, rows).or_else(|| asked.told(&["count"], rows + 1));
    let total = total.map(|total| (total.path.clone(), quoted(&format!("body.{}", total.path))));
    let way = by_address(asked)
        .or_else(|| by_token(asked))
        .or_else(|| by_page(asked))
        .or_else(|| by_offset(asked))
        .or_else(|| by_key(asked, key?));
    let Some(Way { text, mut why, parameter }) = way else {
        if total.is_some() || SIZES.contains(&rows) {
            found.open.push(format!(
                "The answer has {rows} rows and does not tell how to get more. If there are more, see `pagination` in the reference of manifests."
            ));
        }
        found.pagination = total.map(|(_, place)| Line {
            text: format!("pagination: {{total: {place}}}"),
            why: "The answer tells how many rows there are; fewer are an error.".into(),
        });
        return;
    };
    let mut keys = vec![text];
    found.written.extend(parameter);
    if let Some((path, place)) = total {
        keys.push(format!("total: {place}"));
        why +=
            &format!(" The answer tells in `{path}` how many rows there are; fewer are an error.");
    }
    let is_size = |value: &String| value.parse().is_ok_and(|size: u64| size > 0);
    if let Some((name, value)) = asked.parameter(&SIZE).filter(|(_, value)| is_size(value)) {
        keys.push(format!("size: {{to: {}, value: {value}}}", quoted(&format!("query.{name}"))));
        found.written.insert(name.clone());
    }
    found.pagination = Some(Line { text: format!("pagination: {{{}}}", keys.join(", ")), why });
}

impl Asked<'_> {
    /// A parameter of the request by its plain name.
    fn parameter(&self, words: &[&str]) -> Option<&(String, String)> {
        self.query.iter().find(|(name, _)| words.contains(&plain(name).as_str()))
    }

    /// A number of the answer by its plain name.
    fn told(&self, words: &[&str], least: u64) -> Option<&Member<'_>> {
        self.beside.iter().find(|member| {
            words.contains(&member.name.as_str())
                && member.value.as_u64().is_some_and(|number| number >= least)
        })
    }
}

/// The answer has the address of the next page.
fn by_address(asked: &Asked<'_>) -> Option<Way> {
    const NAMES: [&str; 7] =
        ["next", "nexturl", "nextpageurl", "nextlink", "nextpage", "nexthref", "nexturi"];
    let way = |from: &str, why: String| Way {
        text: format!("cursor: {{from: {}, to: url}}", quoted(from)),
        why,
        parameter: None,
    };
    if crate::page::link(&asked.sample.headers, "next").is_some() {
        let why = "The `Link` header has the address of the next page.".to_owned();
        return Some(way("link.next", why));
    }
    let is_address = |text: &str| text.starts_with("http") || text.starts_with(['/', '?']);
    let mut named = asked.beside.iter().filter(|member| NAMES.contains(&member.name.as_str()));
    let member = named.find(|member| match member.value {
        Value::String(text) => is_address(text),
        Value::Null => member.name != "nextpage",
        _ => false,
    })?;
    let path = &member.path;
    let why = if member.value.is_null() {
        format!(
            "The answer has an empty `{path}`, in which the address of the next page may stand: check it."
        )
    } else {
        format!("The answer has the address of the next page in `{path}`.")
    };
    Some(way(&format!("body.{path}"), why))
}

/// The answer has a token that some parameter takes.
fn by_token(asked: &Asked<'_>) -> Option<Way> {
    const NAMES: [&str; 11] = [
        "nextcursor",
        "nextpagetoken",
        "nexttoken",
        "endcursor",
        "scrollparam",
        "scrollid",
        "continuationtoken",
        "nextpage",
        "nextoffset",
        "cursor",
        "next",
    ];
    let holds = |value: &Value| value.is_string() || value.is_number() || value.is_null();
    let member = NAMES.iter().find_map(|name| {
        asked.beside.iter().find(|member| member.name == *name && holds(member.value))
    })?;
    let name = last(&member.path);
    let guess = match name.strip_prefix("next_").or_else(|| name.strip_prefix("next")) {
        _ if member.name == "endcursor" => "after".to_owned(),
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            rest[..1].to_lowercase() + &rest[1..]
        }
        _ => name.to_owned(),
    };
    let plain_guess = plain(&guess);
    let known = asked.parameter(&[&plain_guess, "pagetoken", "cursor"]);
    let (to, sure) = match known {
        Some((name, _)) => (name.clone(), "the request has a parameter for it."),
        None => (guess, "check in the API's documentation that it is sent by this name."),
    };
    Some(Way {
        text: format!(
            "cursor: {{from: {}, to: {}}}",
            quoted(&format!("body.{}", member.path)),
            quoted(&format!("query.{to}"))
        ),
        why: format!("The answer has a token for the next page in `{}`; {sure}", member.path),
        parameter: Some(to),
    })
}

/// Pages have numbers.
fn by_page(asked: &Asked<'_>) -> Option<Way> {
    let told = asked.told(&PAGE, 0);
    let (name, number, mut why) = match asked.parameter(&PAGE) {
        Some((name, value)) => (
            name.as_str(),
            value.parse().ok(),
            format!("The request numbers its page by `{name}`."),
        ),
        None => {
            let name = last(&told?.path);
            let why = format!(
                "The answer tells its number in `{name}`; check that the parameter is called so too."
            );
            (name, None, why)
        }
    };
    let number = number.or_else(|| told.and_then(|member| member.value.as_u64()));
    let start = if number == Some(0) { ", start: 0" } else { "" };
    let mut text = format!("page: {{to: {}{start}}}", quoted(&format!("query.{name}")));
    if let Some(pages) = asked.told(&PAGES, 1) {
        text += &format!(", total_pages: {}", quoted(&format!("body.{}", pages.path)));
        why += &format!(" The answer tells in `{}` how many pages there are.", pages.path);
    }
    Some(Way { text, why, parameter: Some(name.to_owned()) })
}

/// Pages begin after so many rows.
fn by_offset(asked: &Asked<'_>) -> Option<Way> {
    let (name, why) = match asked.parameter(&OFFSET) {
        Some((name, _)) => (name.as_str(), format!("The request skips rows by `{name}`.")),
        None => {
            let name = last(&asked.told(&OFFSET, 0)?.path);
            let why = format!(
                "The answer tells in `{name}` how many rows it skipped; check that the parameter is called so too."
            );
            (name, why)
        }
    };
    Some(Way {
        text: format!("offset: {{to: {}}}", quoted(&format!("query.{name}"))),
        why,
        parameter: Some(name.to_owned()),
    })
}

/// The answer only says whether there is more: pages follow the key of the last row.
fn by_key(asked: &Asked<'_>, key: &str) -> Option<Way> {
    const MORE: [&str; 4] = ["hasmore", "hasnext", "hasnextpage", "more"];
    let more = asked
        .beside
        .iter()
        .find(|member| MORE.contains(&member.name.as_str()) && member.value.is_boolean())?;
    let known = asked.parameter(&["startingafter", "after", "sinceid", "lastid"]);
    let name = known.map_or("starting_after", |(name, _)| name);
    Some(Way {
        text: format!(
            "cursor: {{from: {}, to: {}}}, has_more: {}",
            quoted(&format!("last_row.{key}")),
            quoted(&format!("query.{name}")),
            quoted(&format!("body.{}", more.path))
        ),
        why: format!(
            "The answer says whether there is more and names no next page, so pages may follow the last row's `{key}`; check the name of the parameter."
        ),
        parameter: Some(name.to_owned()),
    })
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
