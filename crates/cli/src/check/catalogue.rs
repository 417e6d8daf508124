//! Every kind of finding: its id, what it means, and the cure. The page `docs/reference/checks.md` is made
//! from it.

/// One kind of finding.
pub(crate) struct Kind {
    pub(crate) id: &'static str,
    /// What is looked at, as a test's name.
    pub(crate) title: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) cure: &'static str,
}

/// The kind with this id.
pub(crate) fn kind(id: &str) -> &'static Kind {
    ALL.iter()
        .find(|kind| kind.id == id)
        .expect("every finding's id is in the catalogue: a test says so")
}

const fn kind_of(
    id: &'static str,
    title: &'static str,
    meaning: &'static str,
    cure: &'static str,
) -> Kind {
    Kind { id, title, meaning, cure }
}

/// Ways to lose or repeat rows first, then the protocol by its numbers.
pub(crate) const ALL: &[Kind] = &[
    kind_of(
        "L-01",
        "pages do not overlap",
        "Each page repeats most of the one before: the position grows by 1 a call instead of by the rows that were sent, or is kept when all has been read.",
        "Add the number of rows sent to the position, and set it back to 0 in the answer that says `hasMore: false`.",
    ),
    kind_of(
        "L-02",
        "the function reads to the end before its cursor moves",
        "The function stopped at a number of pages of its own, said `hasMore: false`, and moved its cursor past rows that it never read.",
        "Keep the API's next page in the state and answer `hasMore: true`; move the cursor with the last page only.",
    ),
    kind_of(
        "L-03",
        "a failure of the API loses no rows",
        "When the API fails, the function answers as if there were nothing, with a state that has moved on.",
        "Let the failure be an error: raise it, or answer `errorMessage`. The same state is then sent again.",
    ),
    kind_of(
        "L-04",
        "the cursor stays while pages remain",
        "The cursor moves with each page while a position counts rows within what the cursor selects. The next page counts in another window.",
        "Keep the cursor until the last page and carry the newest value seen beside it, or page by the cursor alone.",
    ),
    kind_of(
        "L-05",
        "the cursor is a value of the rows",
        "The cursor is the time of the call. Rows that change while the source is read, or that the source writes late, are never asked for.",
        "Store the newest value seen in the rows; or ask the API for rows up to a moment and store that same moment.",
    ),
    kind_of(
        "L-06",
        "a page asks for its own part only",
        "Every page asks the API for everything and sends a part of it. Rows that come or go meanwhile shift the parts.",
        "Ask the API for one page a call, and keep its token or position in the state.",
    ),
    kind_of(
        "L-07",
        "the last page comes once",
        "The function sees the end only when an answer repeats, and sends that answer too.",
        "End at the API's own sign: no next token, or fewer rows than a page holds.",
    ),
    kind_of(
        "L-08",
        "rows move the state",
        "Rows came and the state stayed as it was: every sync asks for the first window again.",
        "Set the cursor on the first sync too, from the newest row that was sent.",
    ),
    kind_of(
        "L-09",
        "the state decides what is sent",
        "Two different states give the same rows: the function does not look at its state. A sync that comes late misses rows.",
        "Ask for what is newer than the state's cursor, not for a window counted back from now.",
    ),
    kind_of(
        "L-10",
        "a window does not end \"now\"",
        "The same state asks the API for something else each time, so the pages of one window do not fit together.",
        "Fix the end of the window with its first page and keep it in the state until the last.",
    ),
    kind_of(
        "L-11",
        "keys are those of the source",
        "A key column holds another value each time the same row is sent, so every retry adds the row once more.",
        "Use the source's id; where it has none, a hash of the columns that name the row.",
    ),
    kind_of(
        "L-12",
        "an API that holds nothing is no error",
        "The function fails when the lists of its API are empty, as they are for a new account or a quiet hour.",
        "Answer an empty `insert`, the state as it came and `hasMore: false` when there is nothing.",
    ),
    kind_of(
        "L-13",
        "nothing secret is stored or printed",
        "A state or a printed line holds what lets somebody in. States are stored, shown and logged.",
        "Take secrets from `secrets` in each call, and print neither the request nor its headers.",
    ),
    kind_of(
        "L-14",
        "a row that comes again is one row",
        "The table has no key: every row is added, and a row that is sent again is there twice.",
        "Declare `schema: {\"TABLE\": {\"primary_key\": [\"…\"]}}` in every answer.",
    ),
    kind_of(
        "L-15",
        "answers and calls keep away from the limits",
        "Less than a fifth of what the cloud allows is left, and sources grow.",
        "Send fewer rows a call with `hasMore: true`; measure the answer, not the rows.",
    ),
    kind_of(
        "F-024",
        "the setup test passes",
        "The function fails when it is asked with `setup_test: true`.",
        "Read the message; test by hand with `hasmore test`.",
    ),
    kind_of(
        "F-027",
        "the setup test is small",
        "The answer to the setup test is over 64 KiB, which other platforms may refuse.",
        "Answer `setup_test: true` by one cheap call and no rows.",
    ),
    kind_of(
        "F-033",
        "there is a state",
        "The answer has no `state`, so that nothing says where to go on.",
        "Answer the state to send with the next call, or the one that came.",
    ),
    kind_of(
        "F-034",
        "the state is an object",
        "The state is a text or a list. It is kept as it is; other platforms may refuse it.",
        "Put it into an object: `{\"cursor\": …}`.",
    ),
    kind_of(
        "F-038",
        "members have the types of the protocol",
        "A member of the answer has another type than the protocol's, or its rows cannot become columns.",
        "`insert` and `delete` hold lists of objects by table, `schema` holds objects by table, `hasMore` is a boolean.",
    ),
    kind_of(
        "F-040",
        "rows are in `insert`",
        "The answer has a member `update`, which nobody applies.",
        "Send changed rows in `insert`: a key replaces the row that was there.",
    ),
    kind_of(
        "F-043",
        "the answer is not wrapped",
        "The answer is an envelope with `statusCode` and `body`, as API Gateway wants it.",
        "Return the object in `body` itself.",
    ),
    kind_of(
        "F-045",
        "no call fails",
        "The function answered an error, raised one, or ended.",
        "Read its message. What had been answered before is not lost.",
    ),
    kind_of(
        "F-049",
        "calls end in time",
        "A call took longer than it may.",
        "Send fewer rows a call with `hasMore: true`.",
    ),
    kind_of(
        "F-050",
        "the answer is JSON",
        "The answer is not JSON, perhaps a page of HTML.",
        "Return one JSON object with `state`, `insert` and `hasMore`.",
    ),
    kind_of(
        "F-051",
        "the function can be reached",
        "There was no connection, a throttle or a gateway's error.",
        "See whether it runs, and whether its address is right.",
    ),
    kind_of(
        "F-054",
        "answers are within the limit",
        "An answer is larger than its cloud lets through.",
        "Send fewer rows a call with `hasMore: true`.",
    ),
    kind_of(
        "F-077",
        "empty pages end",
        "More than 10 answers in a row had no rows and said `hasMore`: a sync gives up there.",
        "Look further within one call, until there are rows or the time is used up.",
    ),
    kind_of(
        "F-081",
        "hasMore comes with another state",
        "The answer says `hasMore` and gives back the state that was sent: the same call would follow for ever.",
        "Move the state with every page, or answer `hasMore: false`.",
    ),
    kind_of(
        "F-090",
        "the same state gives the same answer",
        "A call that is made again gives other rows, another state, or an error. After a lost answer the call is made again.",
        "Let the answer follow from the state and the source alone: nothing kept in the process, no clock, no chance.",
    ),
    kind_of(
        "F-104",
        "every row has its key",
        "A row has no value for a column of its key.",
        "Send a value, or declare a key that every row has.",
    ),
    kind_of(
        "F-115",
        "deletes have a key",
        "`delete` names rows of a table without a key, or without a value for it.",
        "Declare the table's `primary_key`, and send its columns in `delete`.",
    ),
    kind_of(
        "F-127",
        "the key stays the same",
        "The declared key differs from the one that the table was made with.",
        "Declare the same key in every answer; another key needs another table.",
    ),
    kind_of(
        "F-151",
        "columns leave our names alone",
        "A column has a name of the destination's own columns and is left out.",
        "Rename it.",
    ),
    kind_of(
        "Dec-12",
        "all members are known",
        "The answer has a member that the protocol does not know. It is ignored.",
        "Remove it, or correct its name.",
    ),
    kind_of(
        "Dec-13",
        "every name stands once",
        "A name stands twice in one object; only the last value counts.",
        "Send each table and each column once.",
    ),
    kind_of(
        "Q-01",
        "hasMore is a boolean",
        "`hasMore` is a text. A caller that only looks whether it is there calls for ever.",
        "Answer `true` or `false` without quotes.",
    ),
    kind_of(
        "Q-12",
        "the answer is encoded once",
        "The answer is a JSON string that holds JSON.",
        "Return the object itself; the runtime encodes it.",
    ),
    kind_of(
        "Q-13",
        "numbers are numbers",
        "A row holds a bare NaN or Infinity, which is not JSON.",
        "Send null in its place.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_of_checks_is_current() {
        let mut page = String::from(
            "# What `hasmore check` looks at\n\nEvery finding has an id, a meaning and a cure. `L-…` are ways to lose or repeat rows, seen in functions that\nran for years; `F-…`, `Dec-…` and `Q-…` are rules of the [protocol](protocol.md). A finding is *wrong*, and the\nverdict is \"not right\", or it is *worth knowing*. How to use it is told in\n[Check a function](../guide/check-a-function.md). This page is made from `crates/cli/src/check/catalogue.rs` by\nthe tests.\n\n| id | right is | a finding means | cure |\n| --- | --- | --- | --- |\n",
        );
        for Kind { id, title, meaning, cure } in ALL {
            page.push_str(&format!("| `{id}` | {title} | {meaning} | {cure} |\n"));
        }
        expect_test::expect_file!["../../../../docs/reference/checks.md"].assert_eq(&page);
    }

    /// So that [`kind`] finds every id, and the page tells of nothing that is not looked at.
    #[test]
    fn findings_and_catalogue_have_the_same_ids() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check/judge");
        let mut used = BTreeSet::new();
        for file in std::fs::read_dir(folder).expect("a folder").flatten() {
            let text = std::fs::read_to_string(file.path()).expect("a source file");
            let words = text.split('"').skip(1);
            let ids = words.filter(|word| {
                let Some((letters, digits)) = word.split_once('-') else { return false };
                ["L", "F", "Q", "Dec"].contains(&letters)
                    && digits.len() >= 2
                    && digits.bytes().all(|byte| byte.is_ascii_digit())
            });
            used.extend(ids.map(str::to_owned));
        }
        let known: BTreeSet<String> = ALL.iter().map(|kind| kind.id.to_owned()).collect();
        assert_eq!(used, known);
        assert_eq!(known.len(), ALL.len(), "each once");
    }
}
