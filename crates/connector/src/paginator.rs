//! From one page to the next, or to the reason for the end. Values in, values out.

use serde::{Deserialize, Serialize};

use crate::manifest::{Pagination, Source};

/// Where a page begins, as the state holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PageAt {
    /// The page that needs no word about paging, or the first number.
    #[default]
    First,
    /// The page with this number.
    Page(u64),
    /// The page after so many rows.
    Offset(u64),
    /// The page that the one before it pointed to.
    Token(String),
    /// The same, by a token that is a number, which matters in a JSON body.
    Number(String),
}

/// What a page says about the pages after it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageFacts {
    /// Rows on this page, before anything is filtered here.
    pub(crate) rows: u64,
    /// Rows of this reading up to here, this page included.
    pub(crate) rows_so_far: u64,
    /// Pages of this reading up to here, this page included.
    pub(crate) pages_so_far: u64,
    /// `Token` or `Number`.
    pub(crate) token: Option<PageAt>,
    pub(crate) total: Option<u64>,
    pub(crate) total_pages: Option<u64>,
    pub(crate) has_more: Option<bool>,
}

/// What comes after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Page(PageAt),
    Done(StopReason),
}

/// Why a reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The answer said so, or there is only one page.
    LastPage,
    EmptyPage,
    ShortPage,
    NoToken,
    TotalReached,
    /// Rows older than the cursor began.
    CursorReached,
    /// The last step came up to the upper bound.
    WindowEnd,
    /// All new files were read.
    FilesRead,
}

impl StopReason {
    /// Its name in logs and summaries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            StopReason::LastPage => "last_page",
            StopReason::EmptyPage => "empty_page",
            StopReason::ShortPage => "short_page",
            StopReason::NoToken => "no_token",
            StopReason::TotalReached => "total_reached",
            StopReason::CursorReached => "cursor_reached",
            StopReason::WindowEnd => "window_end",
            StopReason::FilesRead => "files_read",
        }
    }
}

/// Why pages cannot be trusted to be all: an end here would lose rows silently.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PagingError {
    #[error("the API said there are {total} rows and gave {found}")]
    TotalMismatch { total: u64, found: u64 },
    #[error("more rows may follow, and the page has no {source_name} to get them")]
    NoTokenForMore { source_name: String },
    #[error("the API said that more rows follow an empty page, and where they begin is unknown")]
    EmptyPageForMore,
    #[error("the page after this one is this one again: the API answered with the same token")]
    RepeatedToken,
    #[error(
        "the API answered with the same rows as on the page before: it may not know the parameter that asks for the next page"
    )]
    RepeatedPage,
    #[error("after {pages} pages there were still more (`pages_max`)")]
    TooManyPages { pages: u64 },
}

impl PagingError {
    /// Its code in the reference of errors.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            PagingError::TotalMismatch { .. } => "total_mismatch",
            PagingError::NoTokenForMore { .. } | PagingError::EmptyPageForMore => "more_not_found",
            PagingError::RepeatedToken => "repeated_token",
            PagingError::RepeatedPage => "repeated_page",
            PagingError::TooManyPages { .. } => "too_many_pages",
        }
    }
}

/// A reading of more pages is an error unless the manifest says otherwise: no API is read to its end
/// by a million requests.
const PAGES_MAX: u64 = 1_000_000;

/// The page at `at` has been read; where is the next?
///
/// # Errors
/// When an end here might not be the end of the table.
pub(crate) fn next(
    style: &Pagination,
    at: &PageAt,
    facts: &PageFacts,
) -> Result<Next, PagingError> {
    let next = match step(style, at, facts)? {
        Next::Page(next) if next == *at => return Err(PagingError::RepeatedToken),
        next => next,
    };
    let pages_max = style.pages_max.unwrap_or(PAGES_MAX);
    match &next {
        Next::Page(_) if facts.pages_so_far >= pages_max => {
            Err(PagingError::TooManyPages { pages: facts.pages_so_far })
        }
        Next::Page(_) => Ok(next),
        Next::Done(_) => match facts.total {
            Some(total) if facts.rows_so_far < total => {
                Err(PagingError::TotalMismatch { total, found: facts.rows_so_far })
            }
            _ => Ok(next),
        },
    }
}

fn step(style: &Pagination, at: &PageAt, facts: &PageFacts) -> Result<Next, PagingError> {
    let done = |reason| Ok(Next::Done(reason));
    if facts.has_more == Some(false) {
        return done(StopReason::LastPage);
    }
    let more = facts.has_more == Some(true);
    if let Some(token) = &style.cursor {
        // Where the key of a last row leads on, only an empty page ends.
        if facts.rows == 0 && matches!(token.from, Source::LastRow(_)) {
            return done(StopReason::EmptyPage);
        }
        return match &facts.token {
            Some(_) if !more && is_short(style, facts) => done(StopReason::ShortPage),
            Some(token) => Ok(Next::Page(token.clone())),
            // Rows are here, and the field that leads on is not: it is misspelt.
            None if more || matches!(token.from, Source::LastRow(_)) => {
                Err(PagingError::NoTokenForMore { source_name: token.from.to_string() })
            }
            None => done(StopReason::NoToken),
        };
    }
    let following = match (&style.page, &style.offset) {
        (Some(page), _) => {
            let number = match at {
                PageAt::Page(number) => *number,
                _ => page.start,
            };
            let pages = number + 1 - page.start.min(number);
            if facts.total_pages.is_some_and(|total| pages >= total) {
                return done(StopReason::LastPage);
            }
            PageAt::Page(number + 1)
        }
        (None, Some(offset)) => {
            let from = match at {
                PageAt::Offset(rows) => *rows,
                _ => offset.start,
            };
            PageAt::Offset(from + facts.rows)
        }
        (None, None) => return done(StopReason::LastPage),
    };
    match facts {
        PageFacts { rows: 0, .. } if more && style.page.is_none() => {
            Err(PagingError::EmptyPageForMore)
        }
        PageFacts { rows: 0, .. } if !more => done(StopReason::EmptyPage),
        PageFacts { total: Some(total), rows_so_far, .. } if rows_so_far >= total => {
            done(StopReason::TotalReached)
        }
        facts if !more && is_short(style, facts) => done(StopReason::ShortPage),
        _ => Ok(Next::Page(following)),
    }
}

fn is_short(style: &Pagination, facts: &PageFacts) -> bool {
    let size = style.size.as_ref().map(|size| size.value);
    style.short_page_ends && size.is_some_and(|size| facts.rows < size)
}

/// How many pages follow, where the API tells how many there are.
pub(crate) fn left(facts: &PageFacts) -> Option<u64> {
    match (facts.total, facts.total_pages) {
        (_, Some(pages)) => Some(pages.saturating_sub(facts.pages_so_far)),
        (Some(total), None) if facts.rows > 0 => {
            Some(total.saturating_sub(facts.rows_so_far).div_ceil(facts.rows))
        }
        _ => None,
    }
}

/// The pages that surely or probably follow, so that they can be fetched while this one is read: those
/// that numbers name. `at` has been read; at most `many` are told.
pub(crate) fn ahead(
    style: &Pagination,
    at: &PageAt,
    facts: &PageFacts,
    many: usize,
) -> Vec<PageAt> {
    let Ok(Next::Page(first)) = next(style, at, facts) else { return Vec::new() };
    let size = facts.rows;
    // Where nothing is known: one page more must be asked for.
    let left = left(facts).unwrap_or(1);
    let many = u64::try_from(many).unwrap_or(u64::MAX).min(left);
    let nth = |index: u64| match &first {
        PageAt::Page(number) => Some(PageAt::Page(number + index)),
        PageAt::Offset(rows) => Some(PageAt::Offset(rows + index * size)),
        other => (index == 0).then(|| other.clone()),
    };
    (0..many).map_while(nth).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    /// `style` is YAML; what follows the page.
    fn check(style: &str, at: PageAt, facts: PageFacts, expected: Expect) {
        let node = crate::yaml::parse(style).expect("YAML");
        let style: Pagination = crate::yaml::read(node, |_| None).expect("a pagination");
        let found = match next(&style, &at, &facts) {
            Ok(Next::Page(page)) => format!("{page:?}"),
            Ok(Next::Done(reason)) => reason.name().to_owned(),
            Err(error) => format!("{}: {error}", error.code()),
        };
        expected.assert_eq(&found);
    }

    fn rows(rows: u64) -> PageFacts {
        PageFacts { rows, rows_so_far: rows, pages_so_far: 1, ..PageFacts::default() }
    }

    const PAGE: &str = "page: {to: query.page}";
    const ZERO: &str = "page: {to: query.page, start: 0}";
    const OFFSET: &str = "offset: {to: query.offset}\nsize: {to: query.limit, value: 10}";
    const TOKEN: &str = "cursor: {from: body.next, to: query.cursor}";
    const KEYSET: &str = "cursor: {from: last_row.id, to: query.after}";

    fn token(token: &str, facts: PageFacts) -> PageFacts {
        PageFacts { token: Some(PageAt::Token(token.into())), ..facts }
    }

    #[test]
    fn numbers_go_on_until_an_empty_page() {
        check(PAGE, PageAt::First, rows(10), expect!["Page(2)"]);
        check(ZERO, PageAt::First, rows(10), expect!["Page(1)"]);
        check(PAGE, PageAt::Page(2), rows(3), expect!["Page(3)"]);
        check(PAGE, PageAt::Page(3), rows(0), expect!["empty_page"]);
        check("{}", PageAt::First, rows(3), expect!["last_page"]);
    }

    #[test]
    fn an_offset_grows_by_what_came_not_by_what_was_asked_for() {
        check(OFFSET, PageAt::First, rows(10), expect!["Offset(10)"]);
        check(OFFSET, PageAt::Offset(20), rows(7), expect!["Offset(27)"]);
        check(OFFSET, PageAt::Offset(27), rows(0), expect!["empty_page"]);
        let ends = format!("{OFFSET}\nshort_page_ends: true");
        check(&ends, PageAt::First, rows(7), expect!["short_page"]);
        check(&ends, PageAt::First, rows(10), expect!["Offset(10)"]);
    }

    #[test]
    fn totals_end_a_reading_and_are_held_to() {
        let total = |total, facts| PageFacts { total: Some(total), ..facts };
        check(PAGE, PageAt::First, total(10, rows(10)), expect!["total_reached"]);
        check(PAGE, PageAt::First, total(11, rows(10)), expect!["Page(2)"]);
        check(
            PAGE,
            PageAt::First,
            total(11, rows(0)),
            expect!["total_mismatch: the API said there are 11 rows and gave 0"],
        );
        check(
            TOKEN,
            PageAt::First,
            total(11, rows(10)),
            expect!["total_mismatch: the API said there are 11 rows and gave 10"],
        );
        let pages = |pages, facts| PageFacts { total_pages: Some(pages), ..facts };
        check(PAGE, PageAt::Page(3), pages(3, rows(10)), expect!["last_page"]);
        check(ZERO, PageAt::Page(2), pages(3, rows(10)), expect!["last_page"]);
        check(ZERO, PageAt::Page(1), pages(3, rows(10)), expect!["Page(2)"]);
    }

    #[test]
    fn tokens_lead_on_until_there_is_none() {
        check(TOKEN, PageAt::First, token("b", rows(10)), expect![[r#"Token("b")"#]]);
        check(TOKEN, PageAt::First, token("b", rows(0)), expect![[r#"Token("b")"#]]);
        check(TOKEN, PageAt::Token("b".into()), rows(10), expect!["no_token"]);
        check(
            TOKEN,
            PageAt::Token("b".into()),
            token("b", rows(10)),
            expect![
                "repeated_token: the page after this one is this one again: the API answered with the same token"
            ],
        );
        check(KEYSET, PageAt::Token("9".into()), token("12", rows(3)), expect![[r#"Token("12")"#]]);
        check(KEYSET, PageAt::Token("12".into()), rows(0), expect!["empty_page"]);
        check(
            KEYSET,
            PageAt::First,
            rows(3),
            expect![
                "more_not_found: more rows may follow, and the page has no last_row.id to get them"
            ],
        );
    }

    #[test]
    fn what_the_api_says_about_more_is_believed_or_refused_never_forgotten() {
        let more = |more, facts| PageFacts { has_more: Some(more), ..facts };
        check(PAGE, PageAt::First, more(false, rows(10)), expect!["last_page"]);
        check(PAGE, PageAt::First, more(true, rows(0)), expect!["Page(2)"]);
        check(
            OFFSET,
            PageAt::First,
            more(true, rows(0)),
            expect![
                "more_not_found: the API said that more rows follow an empty page, and where they begin is unknown"
            ],
        );
        check(
            TOKEN,
            PageAt::First,
            more(true, rows(10)),
            expect![
                "more_not_found: more rows may follow, and the page has no body.next to get them"
            ],
        );
        let capped = format!("{PAGE}\npages_max: 1");
        check(
            &capped,
            PageAt::First,
            rows(10),
            expect!["too_many_pages: after 1 pages there were still more (`pages_max`)"],
        );
    }

    #[test]
    fn pages_ahead_are_those_that_numbers_name() {
        let style = |text: &str| -> Pagination {
            crate::yaml::read(crate::yaml::parse(text).expect("YAML"), |_| None).expect("right")
        };
        let total = PageFacts { total: Some(35), ..rows(10) };
        assert_eq!(ahead(&style(PAGE), &PageAt::First, &total, 8), [2, 3, 4].map(PageAt::Page));
        let offsets = ahead(&style(OFFSET), &PageAt::First, &total, 2);
        assert_eq!(offsets, [10, 20].map(PageAt::Offset));
        assert_eq!(ahead(&style(PAGE), &PageAt::First, &rows(10), 8), [PageAt::Page(2)]);
        assert_eq!(ahead(&style(PAGE), &PageAt::First, &rows(0), 8), []);
    }
}
