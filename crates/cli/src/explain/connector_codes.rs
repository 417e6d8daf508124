//! The codes of connectors, which are manifests at work, by kind and then by code.

use super::Explanation;
use super::codes::{config, function, warning};

pub(super) const ALL: &[Explanation] = &[
    config(
        "document_unreadable",
        "The file that a manifest is to be drafted from is not there, or is no text.",
        "Correct the path; an address begins with https:// or http://.",
    ),
    config(
        "foreign_state",
        "The state that was kept was not made by this manifest, or is about a table that it no longer has.",
        "Reset the state to read everything again (`hasmore state reset`), name the state's members with `state`, or name the table as before.",
    ),
    config(
        "invalid_certificate",
        "What `tls` of the manifest names is no certificate or no private key in PEM.",
        "Give the text of the file: a certificate begins with -----BEGIN CERTIFICATE-----, a key with -----BEGIN PRIVATE KEY-----.",
    ),
    config(
        "invalid_document",
        "What a manifest is to be drafted from is neither a HAR file nor an OpenAPI document of version 3, or has no list of rows.",
        "Save the browser's requests as HAR with their contents, convert Swagger 2 to OpenAPI 3, or give the address of a list of rows.",
    ),
    config(
        "invalid_expression",
        "A `filter` or an `add` of a table has no value for a row.",
        "Correct it; a field that may be missing is written `row.field | default('')`.",
    ),
    config(
        "invalid_manifest",
        "The manifest has mistakes; each is shown at its place.",
        "Correct them; `hasmore manifest check FILE` looks again without calling anything.",
    ),
    config(
        "invalid_template",
        "A template has no value: a field that is missing, or an address that is none.",
        "Correct the template; a field that may be missing is written `{{ parent.field | default('') }}`.",
    ),
    config(
        "kept_token_unreadable",
        "The state holds a refresh token that was encrypted with another key than `keep_with` has now.",
        "Give the key that it was kept with; or log in anew and put the new refresh token into the secrets, which begins anew.",
    ),
    config(
        "login_failed",
        "The API gave no token for the `auth` of the manifest.",
        "Check `auth` and the secrets that it uses.",
    ),
    config(
        "manifest_not_deployable",
        "The manifest reads what hasmore-function leaves out to stay small: Parquet, Avro, or files by SFTP.",
        "Let `hasmore sync` or `hasmore serve` read it, or deploy its other tables in a manifest of their own.",
    ),
    config(
        "manifest_not_found",
        "There is no manifest of that name.",
        "Correct the path, or let `hasmore init URL` write one.",
    ),
    config(
        "manifest_unreadable",
        "The manifest is there and cannot be read.",
        "Check that it is a text file and that you may read it.",
    ),
    config(
        "nothing_synced",
        "A range was asked for (`--from`) of a connection that has not synced yet, or whose state was reset.",
        "Sync without `--from` first: a range is read beside what syncs have reached.",
    ),
    config(
        "refresh_token_rotated",
        "The server gave out a new refresh token, and the manifest does not say how it is kept; the one in the secrets may be void now.",
        "Give `oauth2` a `keep_with`, the key that encrypts the newest token in the state, and log in once more for a token that is good.",
    ),
    config(
        "state_needed",
        "The login of the manifest gives out a new refresh token each time, and this command keeps no state: the token would be lost.",
        "Sync; or try the manifest with a token of its own, as `bearer`.",
    ),
    config(
        "sync_under_way",
        "A range was asked for (`--from`) while a sync or a resync that was cut short waits to be ended.",
        "Sync without `--from` first.",
    ),
    function(
        "answer_too_large",
        "One row alone, or the state, is larger than an answer may be where the function runs.",
        "Leave fields out with `drop`, or let the function run where more is let through; Lambda takes 6 MB, Google's and Azure's functions more.",
    ),
    function(
        "files_refused",
        "A store does not let its files be listed or read, or a path of `files` is none.",
        "Check `files` and `storage` of the manifest, and what its keys are allowed to do: list the bucket and read its objects.",
    ),
    function(
        "host_key_changed",
        "A server that is reached by SFTP shows another key than the one that is known, or one that is revoked. Somebody else may answer in its place; nothing was sent.",
        "Ask those who run the server for the fingerprint of its key (`ssh-keygen -lf` on the server shows it). If it is the one in the message, say it as `host_key` of `storage: {sftp: …}`, or correct the line in `known_hosts`.",
    ),
    function(
        "host_key_unknown",
        "Nothing is known of the key that a server shows which is reached by SFTP, so it may be any server; nothing was sent.",
        "Ask those who run the server for the fingerprint of its key. If it is the one in the message, say it as `host_key` of `storage: {sftp: …}`, or add the server to `~/.ssh/known_hosts` by logging in once with `sftp`.",
    ),
    function(
        "invalid_cursor",
        "A row's cursor, `start`, or the cursor in the state is no value of the cursor's kind.",
        "Name the `kind` of the cursor, or another field; after a change of the manifest, reset the state.",
    ),
    function(
        "invalid_file",
        "A file is not what the manifest says: another format, a broken archive, a row that does not fit.",
        "Correct `format` and what the table says of it, or the file; `bad_rows: skip` leaves rows out that do not fit.",
    ),
    function(
        "invalid_page",
        "An answer of the API is not what the manifest says: no JSON, or no rows where `records` points.",
        "Correct `records`; `hasmore preview` shows the first page.",
    ),
    function(
        "missing_key",
        "A row that is marked as gone has no value for its key.",
        "Correct `primary_key`.",
    ),
    function(
        "missing_parent_field",
        "A parent's row lacks a field that `include` names.",
        "Correct `include`.",
    ),
    function(
        "more_not_found",
        "More rows follow, or may follow, and the page has nothing to get them by.",
        "Check `from` and `has_more` of `pagination`.",
    ),
    function(
        "not_descending",
        "A row is newer than the row before it, and the manifest says that the API answers newest first.",
        "Take `order: descending` out, or ask the API for that order.",
    ),
    function(
        "page_changed",
        "A page that was read in part is another one now, and its rows have no key: read again, some would be there twice.",
        "Give the table, and those below it, a `primary_key`; or empty the table and reset the state.",
    ),
    function(
        "private_address",
        "A redirect or a link of the API leads to an address inside of the network around the function, which is refused in a cloud.",
        "If that address is the API itself, name it in `base_url`; otherwise ask those who run the API why it leads there.",
    ),
    function(
        "repeated_page",
        "The API answered with the same rows as on the page before; it may not know the parameter that asks for the next page.",
        "Check where `pagination` writes the next page, in the API's documentation.",
    ),
    function(
        "repeated_token",
        "The API's tokens lead back to a page that was read.",
        "Check where `pagination` reads and writes the token, in the API's documentation.",
    ),
    function(
        "source_refused",
        "The API answered with a status that means no: a key, an address or a parameter is wrong.",
        "Read what it says. 401 and 403: the secret and what it may do; 404: `base_url` and `path`; 400 and 422: `query` and `cursor`.",
    ),
    function(
        "source_unavailable",
        "The API was busy or gone, as often as it was tried.",
        "Sync again later, from where this sync stopped; press it less with `requests: {per_second: 1}`.",
    ),
    function(
        "token_refused",
        "The API refused a token of its own, and the table's rows have no key: read again, some would be there twice.",
        "Give the table, and those below it, a `primary_key`; or empty the table and reset the state.",
    ),
    function(
        "too_many_pages",
        "There were still more pages after `pages_max`.",
        "Raise `pages_max` if the table is that large; otherwise the pages never end.",
    ),
    function(
        "total_mismatch",
        "Fewer rows came than `total` said.",
        "Sync again: rows may have gone while the pages were read. If it stays, `total` counts something else: take it out.",
    ),
    warning(
        "answer_changed",
        "A large answer was read in part, and is another one now. It is read again, and its rows replace those with their keys.",
        "Nothing, if it happens rarely; else let one call read the whole answer: raise `bytes` and `time` of `call`.",
    ),
    warning(
        "bad_rows",
        "Rows of a file do not fit: too many or too few fields, a line that is too long, a cell that is an error. `bad_rows: skip` leaves them out.",
        "Correct how the file is laid out in the manifest, or have it mended.",
    ),
    warning(
        "file_changed",
        "A file was written or removed while it was read. A changed one is read again, and its rows replace those with their keys.",
        "Nothing, if it happens rarely; else have files written under another name and renamed when they are whole.",
    ),
    warning(
        "full_page_without_token",
        "The first page is as full as a page can be, and says nothing of another.",
        "If there are more rows than these, correct `from` of `pagination`: it may be misspelt.",
    ),
    warning(
        "late_files",
        "Files have come that were changed longer before the newest one than `lookback` of `files` says, and are not read.",
        "Raise `lookback`, and reset the state of the table's connection to read everything again.",
    ),
    warning(
        "login_untested",
        "A setup test did not log in, since a login gives out a new refresh token, which a test cannot keep.",
        "Nothing is wrong; the first sync shows whether the login works.",
    ),
    warning(
        "missing_cursor",
        "Rows lack the cursor's field; they were kept.",
        "They are read again only with others: choose a field that every row has.",
    ),
    warning(
        "no_files",
        "A path of `files` stands for no file.",
        "Check the path, if there should be one: `*` stays within a folder, `**` goes through all of them.",
    ),
    warning(
        "one_cursor_for_all",
        "A table has more than 1,000 parents, so one cursor stands for all of them, to keep the state small.",
        "Rows of a parent that appears later are read from that cursor on. If it may bring older ones, read the table without a cursor.",
    ),
    warning(
        "parent_skipped",
        "The requests for one parent failed, and `parent_errors: skip` leaves it out.",
        "Its rows are as they were; it is asked again by the next sync.",
    ),
    warning(
        "range_unfinished",
        "A range of the past (`--from`) was not read to its end before another sync began, and is given up.",
        "Read the range again; what had landed of it is not there twice.",
    ),
    warning(
        "rule_unused",
        "No row of a page has a field that a rule hides or drops.",
        "It may be misspelt, or stand inside another field: nothing is hidden by it.",
    ),
    warning(
        "table_shifted",
        "Rows came or went while the pages of a table were read by number, so that others moved from page to page.",
        "Where rows went, the table is read again; if that does not help, the reading is not whole and the cursor stays. An API that pages by token or by the last row's key has no such trouble.",
    ),
    warning(
        "token_expired",
        "The API refused a token of its own, so the window that it was for is read again.",
        "Nothing is lost. If it happens in every sync, read more rows a page.",
    ),
];
