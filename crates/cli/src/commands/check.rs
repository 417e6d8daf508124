use std::path::Path;
use std::sync::Arc;

use crate::arguments::{CheckArguments, GlobalArguments};
use crate::check::Finding;
use crate::check::judge::judge;
use crate::check::observation::{Survey, Target};
use crate::check::report::{Verdict, html, json, junit, text};
use crate::check::survey::{Plan, Surveyor};
use crate::connection::{self, Connection, FunctionSource};
use crate::failure::{Exit, Failure};
use crate::folder::TemporaryFolder;
use crate::interrupt::Stop;
use crate::log::{ConnectionLog, Log};
use crate::output::outln;

/// What was seen of one connection.
struct Checked {
    name: String,
    survey: Survey,
    findings: Vec<Finding>,
    sees_upstream: bool,
}

/// Calls each function as often as a verdict needs, and tells it; nothing is stored.
pub(crate) fn run(
    global: &GlobalArguments,
    arguments: &CheckArguments,
    log: &Arc<Log>,
) -> Result<Exit, Failure> {
    let connections = connection::selected(global, &arguments.connections, &arguments.given)?;
    let checked = std::sync::Mutex::new(Vec::new());
    let exit = super::each(connections, false, log, async |connection, stop| {
        match Box::pin(survey(&connection, arguments, log, stop)).await {
            Ok(seen) => {
                let verdict = verdict(&seen, arguments);
                if arguments.json {
                    outln!("{}", json::verdict(&verdict));
                } else {
                    text::print(&verdict);
                }
                let exit = if verdict.is_right() { Exit::Landed } else { Exit::Function };
                checked.lock().expect("no panic while it is held").push(seen);
                exit
            }
            Err(failure) => {
                let failure = failure.of(&connection.name).redacted(&connection);
                log.fail(&failure);
                failure.exit()
            }
        }
    });
    let checked = checked.into_inner().expect("no panic while it was held");
    let verdicts: Vec<_> = checked.iter().map(|seen| verdict(seen, arguments)).collect();
    if let Some(file) = &arguments.junit {
        write(file, &junit::document(&verdicts))?;
    }
    if let Some(file) = &arguments.html {
        write(file, &html::document(&verdicts))?;
    }
    Ok(exit)
}

async fn survey(
    connection: &Arc<Connection>,
    arguments: &CheckArguments,
    log: &Arc<Log>,
    stop: &Stop,
) -> Result<Checked, Failure> {
    let run = super::begin(connection);
    let out = ConnectionLog::new(log, connection, &run.sync_id);
    out.warn_all(&connection.warnings);
    let folder = TemporaryFolder::new("check")?;
    let is_seen = !connection.function.hides_its_upstream();
    let proxy = is_seen.then(|| super::upstream_proxy(folder.path())).transpose()?;
    let plan = Plan {
        pages_max: arguments.pages,
        with_faults: !arguments.no_faults,
        target: arguments.target.or_else(|| target(connection)),
    };
    let surveyor = Surveyor::new(connection, &run, proxy, stop.receiver())?;
    let survey = surveyor.survey(&plan).await;
    let deleted = surveyor.delete_objects().await;
    surveyor.close().await;
    let survey = survey?;
    deleted?;
    let findings = judge(&survey).into_iter();
    let findings = findings.map(|it| it.redacted(&|text| connection.redact(text))).collect();
    Ok(Checked { name: connection.name.clone(), survey, findings, sees_upstream: is_seen })
}

fn verdict<'check>(seen: &'check Checked, arguments: &CheckArguments) -> Verdict<'check> {
    Verdict {
        connection: &seen.name,
        survey: &seen.survey,
        findings: seen.findings.clone(),
        show_values: arguments.show_values,
        sees_upstream: seen.sees_upstream,
    }
}

/// The cloud that a function is for, as far as it shows.
fn target(connection: &Connection) -> Option<Target> {
    match &connection.function {
        FunctionSource::Handler { .. } | FunctionSource::Lambda { .. } => Some(Target::Lambda),
        FunctionSource::Url { url, .. } => {
            let host = url.split('/').nth(2)?.split(':').next()?;
            [
                (".on.aws", Target::Lambda),
                (".cloudfunctions.net", Target::Google),
                (".run.app", Target::Google),
                (".azurewebsites.net", Target::Azure),
            ]
            .into_iter()
            .find_map(|(end, target)| host.ends_with(end).then_some(target))
        }
        FunctionSource::Manifest(_) | FunctionSource::Command { .. } => None,
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|error| {
        let message = format!("{} cannot be written: {error}", file.display());
        Failure::new("file_unwritable", message)
    })
}
