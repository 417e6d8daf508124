//! A manifest at work: answers requests by reading an API.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minijinja::Value;
use protocol::{Function, FunctionError, Request, Response};
use tokio::time::Instant;

use crate::ahead::Ahead;
use crate::answer::{Answer, Budget};
use crate::http::{Http, Via};
use crate::manifest::Manifest;
use crate::page::Page;
use crate::plan::Plan;
use crate::progress::{Flat, Progress, Reading, sync_name};
use crate::reader::{Call, Reader};
use crate::request_builder::HttpRequest;
use crate::reshape::HashKey;
use crate::template::Scope;

/// A Function that reads an API as its manifest says.
///
/// The same state gets the same answer as long as the API gives the same pages (F-090).
pub struct Connector {
    manifest: Manifest,
    pub(crate) plan: Plan,
    pub(crate) http: Http,
    pub(crate) ahead: Ahead,
    pub(crate) kept: Kept,
    clock: Clock,
}

/// Tells the time as RFC 3339 in UTC. It is asked only where the manifest wants an upper bound.
pub type Clock = Arc<dyn Fn() -> String + Send + Sync>;

/// Pages that children are read for, so that a page is not fetched again for each of them.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<(HttpRequest, Arc<Page>)>>);

/// As deep as parents are nested, and some.
const KEPT_MAX: usize = 8;

/// Lambda's 6 MB answer with room for what surrounds the rows (section 3 of the protocol).
const BYTES_MAX: u64 = 4_500_000;
const TIME_MAX: Duration = Duration::from_secs(10);

impl Kept {
    pub(crate) fn get(&self, request: &HttpRequest) -> Option<Arc<Page>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == request).map(|(_, page)| Arc::clone(page))
    }

    pub(crate) fn put(&self, request: HttpRequest, page: Arc<Page>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != request);
        kept.insert(0, (request, page));
        kept.truncate(KEPT_MAX);
    }

    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Connector {
    /// Sends nothing before the first call.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when a template of the manifest is none.
    pub fn new(manifest: Manifest, clock: Clock) -> Result<Connector, FunctionError> {
        Connector::by_way_of(None, manifest, clock)
    }

    /// The same, whose requests all go through a proxy.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when a template of the manifest is none.
    pub fn by_way_of(
        via: Option<Via>,
        manifest: Manifest,
        clock: Clock,
    ) -> Result<Connector, FunctionError> {
        let plan = Plan::compile(&manifest).map_err(|(table, problem)| FunctionError::Refused {
            code: "invalid_manifest",
            message: format!(
                "{}{}: {}",
                table.map(|table| format!("table {table:.60}: ")).unwrap_or_default(),
                problem.key,
                problem.error
            ),
            hint: "correct the manifest".into(),
        })?;
        let agent = format!("hasmore/{} ({:.60})", env!("CARGO_PKG_VERSION"), manifest.name);
        let http = Http::new(&manifest.requests, &agent, via);
        Ok(Connector {
            manifest,
            plan,
            http,
            ahead: Ahead::default(),
            kept: Kept::default(),
            clock,
        })
    }

    async fn answer(&self, request: &Request) -> Result<Response, FunctionError> {
        let flat = self.flat();
        let mut progress = Progress::read(&request.state, flat.as_ref())?;
        let budget = self.budget();
        let scope = self.scope(request)?;
        let call = Call {
            hash_key: self.hash_key(&scope)?,
            scope,
            sync: sync_name(&request.sync_id),
            now: Arc::clone(&self.clock),
            deadline: budget.until,
        };
        if request.setup_test {
            return self.setup_test(&call, request).await;
        }
        if progress.reading.is_empty() {
            self.forget_pages();
            progress.reading.push(Reading::of(&self.plan.tables[self.plan.roots[0]].name));
        }
        let begun = progress.clone();
        let mut answer = Answer::new(budget);
        let reader = Reader { connector: self, call: &call };
        let has_more = loop {
            let (before, mark) = (progress.clone(), answer.mark());
            match reader.step(&mut progress, &mut answer).await {
                Ok(()) if progress.reading.is_empty() => break false,
                Ok(()) if answer.is_full() => break true,
                Ok(()) => {}
                // What is whole goes first; the next call meets the error, if it is still there (F-096).
                Err(_) if before != begun => {
                    progress = before;
                    answer.back_to(mark);
                    break true;
                }
                Err(error) => return Err(error.into()),
            }
        };
        Ok(answer.response(&self.plan, progress.write(flat.as_ref()), has_more))
    }

    /// Every page is asked for anew.
    pub(crate) fn forget_pages(&self) {
        self.ahead.clear();
        self.kept.clear();
    }

    /// One request of the first table, and no rows (F-029).
    async fn setup_test(&self, call: &Call, request: &Request) -> Result<Response, FunctionError> {
        let reader = Reader { connector: self, call };
        let first = &self.plan.tables[self.plan.roots[0]];
        reader.first_page(first).await.map_err(|error| FunctionError::from(error.of(first)))?;
        Ok(Response { state: request.state.clone(), ..Response::default() })
    }

    fn budget(&self) -> Budget {
        let call = &self.manifest.call;
        Budget {
            pages_max: call.pages.unwrap_or(u64::MAX),
            bytes_max: call.bytes.map_or(BYTES_MAX, |size| size.0),
            until: Instant::now() + call.time.map_or(TIME_MAX, |time| time.0),
        }
    }

    fn flat(&self) -> Option<Flat<'_>> {
        let table = &self.plan.tables[0];
        let start = table.pagination.page.as_ref().map_or(1, |page| page.start);
        self.manifest.state.as_ref().map(|names| Flat { names, table: &table.name, start })
    }

    fn hash_key(&self, scope: &Scope) -> Result<Option<HashKey>, FunctionError> {
        let Some(template) = &self.plan.hash_key else { return Ok(None) };
        let key = self.plan.templates.render(template, scope);
        let key = key.ok().filter(|key| !key.is_empty()).ok_or_else(|| FunctionError::Refused {
            code: "missing_secret",
            message: "`hash_key` has no value".into(),
            hint: "give the connection the secret that it names".into(),
        })?;
        Ok(Some(HashKey::new(&key)))
    }

    /// What templates see: the secrets that the manifest names, and its settings.
    fn scope(&self, request: &Request) -> Result<Scope, FunctionError> {
        let mut secrets = std::collections::BTreeMap::new();
        for name in &self.manifest.secrets {
            let json = request.secrets.get_json(name).ok_or_else(|| FunctionError::Refused {
                code: "missing_secret",
                message: format!("the secret `{name:.60}` is missing"),
                hint: format!(
                    "give the connection a secret of that name: secrets: {{{name:.60}: ${{…}}}}"
                ),
            })?;
            let value: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
            secrets.insert(name.clone(), Value::from_serialize(&value));
        }
        let mut config = self.manifest.config.clone();
        config.extend(request.custom_payload.clone());
        let mut scope = Scope::default();
        scope.set("secrets", Value::from(secrets));
        scope.set_texts("config", &config);
        Ok(scope)
    }
}

impl Function for Connector {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let answer = self.answer(request).await;
        let Plan { authenticator, templates, .. } = &self.plan;
        let concealed = self.scope(request).map(|scope| authenticator.conceal(templates, &scope));
        let concealed = concealed.unwrap_or_default();
        let redact = |text: String| concealed.redact(&request.secrets.redact(&text));
        match answer {
            Ok(mut response) => {
                for warning in &mut response.warnings {
                    warning.message = redact(std::mem::take(&mut warning.message));
                }
                Ok(response)
            }
            Err(error) => Err(redacted(error, redact)),
        }
    }
}

fn redacted(error: FunctionError, redact: impl Fn(String) -> String) -> FunctionError {
    match error {
        FunctionError::Unavailable { code, message, retry_after } => {
            FunctionError::Unavailable { code, message: redact(message), retry_after }
        }
        FunctionError::Malformed { code, message } => {
            FunctionError::Malformed { code, message: redact(message) }
        }
        FunctionError::Failed(mut failure) => {
            failure.message = redact(failure.message);
            FunctionError::Failed(failure)
        }
        FunctionError::Refused { code, message, hint } => {
            FunctionError::Refused { code, message: redact(message), hint }
        }
        other @ (FunctionError::TimedOut { .. } | FunctionError::Cancelled) => other,
    }
}
