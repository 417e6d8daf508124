//! The table itself, by kind and then by code.

use super::{Explanation, Kind};

const fn entry(
    kind: Kind,
    code: &'static str,
    cause: &'static str,
    cure: &'static str,
) -> Explanation {
    Explanation { code, kind, cause, cure }
}

pub(super) const fn config(
    code: &'static str,
    cause: &'static str,
    cure: &'static str,
) -> Explanation {
    entry(Kind::Configuration, code, cause, cure)
}

pub(super) const fn function(
    code: &'static str,
    cause: &'static str,
    cure: &'static str,
) -> Explanation {
    entry(Kind::Function, code, cause, cure)
}

pub(super) const fn destination(
    code: &'static str,
    cause: &'static str,
    cure: &'static str,
) -> Explanation {
    entry(Kind::Destination, code, cause, cure)
}

pub(super) const fn warning(
    code: &'static str,
    cause: &'static str,
    cure: &'static str,
) -> Explanation {
    entry(Kind::Warning, code, cause, cure)
}

pub(super) const ALL: &[Explanation] = &[
    config(
        "aws_access_denied",
        "AWS knows the caller and does not let it call the function, or take on the role.",
        "Allow it `lambda:InvokeFunction` on the function; a role's trust policy must name the caller, and the same external id as `aws: {external_id: …}`.",
    ),
    config(
        "aws_clock_skew",
        "The clock of this machine is off by more than AWS tolerates, so its signatures are refused.",
        "Set the clock, then sync again.",
    ),
    config(
        "aws_credentials_expired",
        "The session that calls AWS is over.",
        "Get new credentials: `aws sso login`, or whatever gave out the session token.",
    ),
    config(
        "aws_no_credentials",
        "None of AWS's usual places holds credentials: environment, profile, SSO, web identity, container, instance.",
        "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run `aws sso login`.",
    ),
    config(
        "aws_wrong_credentials",
        "AWS does not know the access key, or the secret is not the one that belongs to it.",
        "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile.",
    ),
    config(
        "cache_unwritable",
        "The folder where environments for handlers are kept cannot be written.",
        "Make it writable, or set XDG_CACHE_HOME to a folder that is.",
    ),
    config(
        "cannot_serve",
        "The address to listen at cannot be had, or the Lambda Runtime API is gone.",
        "Name another address with --address, such as 127.0.0.1:0 for a free port.",
    ),
    config(
        "command_not_executable",
        "The program of a `command` may not be run.",
        "Make it executable with chmod +x, or name its interpreter first.",
    ),
    config(
        "command_not_found",
        "There is no program of that name.",
        "Install it or correct the command; a path begins in the folder of the configuration file.",
    ),
    config(
        "config_invalid",
        "The configuration file has mistakes; each is shown at its place.",
        "Correct them; `hasmore config check` looks again without calling anything.",
    ),
    config(
        "config_not_found",
        "There is no configuration file.",
        "Name one with --config, or give a connection on the command line: hasmore sync --handler orders/lambda_function.lambda_handler --to warehouse.duckdb",
    ),
    config(
        "config_unreadable",
        "The configuration file is there and cannot be read.",
        "Check that it is a text file and that you may read it.",
    ),
    config(
        "environment_failed",
        "What a handler needs could not be installed.",
        "Read the installer's lines above; often a package name is wrong or the network is away.",
    ),
    config(
        "file_exists",
        "A file that would be written is there already.",
        "Name another with --output, or replace it with --force.",
    ),
    config(
        "file_unwritable",
        "A file cannot be written.",
        "Check the folder and that you may write there.",
    ),
    config(
        "folder_not_found",
        "The folder that a command runs in is not there.",
        "Correct the path.",
    ),
    config(
        "function_access_denied",
        "Whoever answers at the function's address does not let the caller in (HTTP 401 or 403): a key or a token is missing, is wrong, has expired, or is for another audience.",
        "Check what the connection sends: `headers`, `google` with its `audience`, `azure` with its `key` or `resource`, or `aws`; and that the caller may call the function.",
    ),
    config(
        "function_binary_not_found",
        "There is no program hasmore-function to put into the package.",
        "Install it beside hasmore, or name it with --binary; `cargo build --profile function -p function` makes it.",
    ),
    config(
        "function_binary_unfit",
        "The program to put into the package does not run where the package goes.",
        "Name a hasmore-function for Linux that was built on a system with glibc 2.34 or older, with --binary.",
    ),
    config(
        "google_no_token",
        "Nobody gave an ID token for the function: there is no key and no account of the machine, or Google refused the key.",
        "Name a service account's key with `google: {key_file: …}` or GOOGLE_APPLICATION_CREDENTIALS, or run where the machine has an account; check that the key is still valid.",
    ),
    config(
        "handler_ambiguous",
        "Several files could be the handler.",
        "Keep one of them, or name the handler by its whole path.",
    ),
    config(
        "handler_init_failed",
        "The handler's file could not be loaded; its own trace is shown.",
        "Mend the import or the syntax that the trace names; add missing packages to requirements.txt or package.json.",
    ),
    config(
        "handler_not_found",
        "There is no such handler file.",
        "Write folder/file.function, as in orders/lambda_function.lambda_handler; the path begins in the folder of the configuration file.",
    ),
    config(
        "handler_start_failed",
        "The handler's process could not be started.",
        "Check that the runtime it names can be run by hand.",
    ),
    config(
        "inline_secret",
        "A secret is written out where others can read it.",
        "Put it into an environment variable and write `${NAME}`, or into a file and write `file:path`.",
    ),
    config(
        "invalid_environment",
        "An environment variable says where the function runs, or how much is let through there, and cannot be read.",
        "Correct it, or unset it; durations are written as 60s or 15m, sizes as 10 MB.",
    ),
    config(
        "invalid_header",
        "A header cannot be sent.",
        "Correct its name or its value; some headers are set by hasmore itself.",
    ),
    config(
        "invalid_lambda",
        "What `lambda` says is not the name of a Lambda function.",
        "Write its name, name:alias, or its ARN; a function's URL belongs into `url`.",
    ),
    config(
        "invalid_namespace",
        "The schema that a connection names is kept by the system.",
        "Choose another `namespace`.",
    ),
    config(
        "invalid_proxy",
        "The proxy that the environment names for the `url` cannot be used: it is not spoken to in plain HTTP.",
        "Name an http:// proxy in HTTPS_PROXY or HTTP_PROXY, or the function's host in NO_PROXY.",
    ),
    config(
        "invalid_region",
        "What is given is not the name of an AWS region.",
        "Write it as AWS does, for example eu-west-1.",
    ),
    config(
        "invalid_state",
        "What was given as the new state is not JSON.",
        "Give one JSON value, for example --state '{}'.",
    ),
    config(
        "invalid_url",
        "The `url` cannot be called.",
        "Write a whole URL that begins with http:// or https://.",
    ),
    config(
        "lambda_not_found",
        "There is no Lambda function of that name, or no such alias, in that region and account.",
        "Correct the name, or name the region with `aws: {region: …}` or --region; an ARN says all of it.",
    ),
    config(
        "missing_region",
        "Nothing names the AWS region of the function.",
        "Write `aws: {region: eu-west-1}` or --region, name the function by its ARN, or set AWS_REGION.",
    ),
    config(
        "missing_runtime",
        "Python or Node, or AWS's runtime client for it, is not there.",
        "Install what the message names.",
    ),
    config(
        "missing_secret",
        "A value refers to an environment variable or a file that is not there.",
        "Set the variable or make the file; for example: export NAME=…",
    ),
    config(
        "namespace_changed",
        "A connection names another schema than its tables are in.",
        "Set `namespace` back, or sync under another connection name.",
    ),
    config(
        "no_connection",
        "The configuration file names no connection, or nothing has landed in the destination.",
        "Add one under `connections`, or sync into the destination first.",
    ),
    config(
        "no_destination",
        "The connection does not say where rows land.",
        "Add `destination: {to: warehouse.duckdb}` or `{to: ${DATABASE_URL}}`, or --to on the command line.",
    ),
    config(
        "no_destination_file",
        "The DuckDB or SQLite file is not there yet.",
        "The first sync makes it: hasmore sync. If there was one, check the path.",
    ),
    config(
        "no_port",
        "This machine gives no port on loopback to the demo, or to the proxy of a check.",
        "Look for a firewall or a limit of the system.",
    ),
    config(
        "no_state",
        "The connection has not landed anything, so it has no state (F-086).",
        "Sync it first; a first sync sends the empty state {}.",
    ),
    config(
        "sync_running",
        "Another process of hasmore writes to the same DuckDB file (F-083, F-085).",
        "Wait until it has ended, or stop it and start with `hasmore sync --force`.",
    ),
    config(
        "unknown_commit",
        "The history has no commit of that number.",
        "`hasmore state history` lists those that are there.",
    ),
    config(
        "unknown_connection",
        "There is no connection of that name.",
        "Correct the name; names are told apart by their case.",
    ),
    config(
        "unknown_destination",
        "The destination is neither a file nor a Postgres database.",
        "Name a DuckDB file, as in --to warehouse.duckdb, a SQLite file, as in --to warehouse.sqlite or --to sqlite:warehouse.db, --to postgres://USER@HOST/DATABASE, or a lake, as in --to delta:lake or --to delta:s3://BUCKET/PREFIX.",
    ),
    config("usage", "The command line cannot be read.", "hasmore help shows how it is written."),
    function(
        "ambiguous_primary_key",
        "Two members of a row have names that become the one name of a key column.",
        "Send one of them, or set `naming: source` before the first sync.",
    ),
    function(
        "delete_without_primary_key",
        "The function sends rows in `delete` for a table without a declared key, or without a value for it (Dec-26).",
        "Let it declare `schema.TABLE.primary_key`, and send the key with each row to delete.",
    ),
    function(
        "function_error",
        "The function says that it cannot go on, or answers with an error status.",
        "Read its message; the next sync sends the same state again.",
    ),
    function(
        "function_throttled",
        "The function, or the cloud that runs it, has too many calls at once or in too short a time, and said so four times.",
        "Wait and sync again, with the same state; let fewer connections sync at once, or raise the function's concurrency.",
    ),
    function(
        "function_timeout",
        "The function gave no answer in time.",
        "Let it answer with fewer rows a call, or raise `limits.call_timeout`.",
    ),
    function(
        "invalid_response",
        "The answer is JSON, but not that of the Functions protocol.",
        "Let the function return an object with state, insert, delete, schema and hasMore of the right types.",
    ),
    function(
        "missing_state",
        "The answer has no `state` (Dec-28).",
        "Let the function return `state` with every answer, `{}` if it needs none.",
    ),
    function(
        "naming_changed",
        "The option `naming` was changed after tables had landed.",
        "Set it back; for other names use another namespace.",
    ),
    function(
        "no_progress",
        "Three answers in a row brought the same rows and the same state, and said that there is more (Dec-33).",
        "Let the function move its state, or say hasMore: false.",
    ),
    function(
        "non_finite_number",
        "A row holds NaN or Infinity, which JSON has not (Q-13).",
        "Let the function send null, or set `lenient_numbers: true` to read them as NULL.",
    ),
    function(
        "null_primary_key",
        "A row has no value in a column of its table's key (Dec-46).",
        "Let the function send the key with every row, or declare another key.",
    ),
    function(
        "primary_key_changed",
        "The function declares another key than the table has (Dec-47).",
        "Let it declare the key as before, or make the table anew with the new one: `hasmore resync CONNECTION --allow-key-change`.",
    ),
    function(
        "request_too_large",
        "State and secrets together are more than Lambda takes.",
        "Keep less in the state.",
    ),
    function(
        "response_too_large",
        "The answer is larger than its target may send (Dec-36).",
        "Let the function send fewer rows a call and say hasMore: true; or raise `limits.response_bytes` where the real target allows more.",
    ),
    function(
        "too_many_columns",
        "A table would have more columns than can be kept; often data is used as names of columns.",
        "Let the function send such data as one nested object, or as rows.",
    ),
    function(
        "too_many_empty_responses",
        "More answers in a row than are tolerated had no rows and said that there is more (Dec-32).",
        "Let the function skip ahead within one call, or raise `limits.empty_pages`.",
    ),
    function(
        "transport",
        "The function could not be reached, or the connection broke off; it was tried four times.",
        "Check the address and the network; the next sync sends the same state again.",
    ),
    function(
        "unable_to_parse_json",
        "The answer is not JSON; its beginning is shown.",
        "Let the function answer with JSON only; a page of HTML is often a login or an error of a gateway.",
    ),
    entry(
        Kind::Stopped,
        "cancelled",
        "A stop was asked for while a call was under way.",
        "The next sync goes on from what had landed.",
    ),
    entry(
        Kind::Bug,
        "bug",
        "hasmore has a bug.",
        "Report it on the project's issue page. What had landed is safe.",
    ),
    warning(
        "bare_true",
        "A setup test was answered by the bare value true (Q-06).",
        "It passed; an object with a state is what the protocol has.",
    ),
    warning(
        "columns_renamed",
        "Two members of a row have names that become one; the later got a number (F-147).",
        "Send one of them, or set `naming: source` before the first sync.",
    ),
    warning(
        "date_out_of_range",
        "A date has a year outside 0001 to 9999; it became NULL (F-181).",
        "Let the function send a date that exists, or null.",
    ),
    warning(
        "duplicate_key",
        "One object has the same member twice; the last one counts (Dec-15).",
        "Let the function send each once.",
    ),
    warning(
        "empty_responses",
        "Several answers in a row had no rows and said that there is more.",
        "Let the function skip ahead within one call; a few more end the sync.",
    ),
    warning(
        "encoded_twice",
        "The answer is a JSON text inside a JSON text (Dec-17).",
        "Let the function return the object itself, not json.dumps of it.",
    ),
    warning(
        "inline_secret",
        "A secret stands in the configuration file itself.",
        "Put it into an environment variable and write `${NAME}`, or into a file and write `file:path`.",
    ),
    warning(
        "large_setup_answer",
        "A setup test was answered with more than 64 KiB (F-027).",
        "Let the function look at setup_test and answer without rows.",
    ),
    warning(
        "no_progress",
        "The function answered the state that was sent, and says that there is more (Dec-33).",
        "Let it move its state; the same answer three times ends the sync.",
    ),
    warning(
        "non_finite_number",
        "A NaN or Infinity became NULL, as `lenient_numbers` asks.",
        "Let the function send null.",
    ),
    warning(
        "nul_removed",
        "A text holds U+0000, which Postgres cannot hold; the character was removed (Dec-62).",
        "Let the function send the text without it. Inside objects and arrays it stays as it is.",
    ),
    warning(
        "output_lost",
        "Standard output could not be written, for example because a disk is full.",
        "What a sync has landed is not touched by it; ask again with `hasmore tables` or `hasmore state`.",
    ),
    warning(
        "reserved_column",
        "A member of a row has a name that begins with _fivetran_; it was left out (F-129).",
        "Rename it in the function.",
    ),
    warning(
        "setup_rows",
        "A setup test was answered with rows; they were dropped (F-023).",
        "Let the function look at setup_test and answer without rows.",
    ),
    warning(
        "sync_time_limit",
        "The time limit came before the function had no more (Dec-34).",
        "The next sync goes on from there; raise `limits.sync_time` if it should not have to.",
    ),
    warning(
        "tables_merged",
        "Two names of tables become one name, so their rows land in one table (F-146).",
        "Set `naming: source` before the first sync, or rename one.",
    ),
    warning(
        "unknown_member",
        "The answer has a member that the protocol does not know; it is ignored (Dec-12).",
        "Take it out, or check its spelling.",
    ),
    warning(
        "unusual_state",
        "The state is not an object; it is kept and sent back as it came (Dec-30).",
        "Let the function return an object.",
    ),
    warning(
        "update_ignored",
        "The answer has a member `update`, which is not part of the protocol: its rows are not applied (Dec-12).",
        "Let the function send changed rows in `insert`.",
    ),
];
