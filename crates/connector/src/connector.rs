//! A manifest at work: answers requests by reading an API.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use minijinja::Value;
use protocol::{Function, FunctionError, Request, Response, Room, Warning};
use tokio::time::Instant;

use crate::ahead::Ahead;
use crate::answer::{Answer, Budget};
use crate::files::{KeptFiles, Stores};
use crate::http::{Http, Identity, Reach, Via};
use crate::manifest::Manifest;
use crate::page::Page;
use crate::plan::{Landing, Plan};
use crate::progress::{Flat, Progress, Reading, sync_name};
use crate::read_error::ReadError;
use crate::reader::{Call, KeptAnswer, Reader};
use crate::request_builder::HttpRequest;
use crate::reshape::HashKey;
use crate::template::{Scope, Template};

/// A Function that reads an API as its manifest says.
///
/// The same state gets the same answer as long as the API gives the same pages (F-090).
pub struct Connector {
    manifest: Manifest,
    pub(crate) plan: Arc<Plan>,
    pub(crate) http: Http,
    pub(crate) ahead: Ahead,
    pub(crate) kept: Kept,
    pub(crate) stores: Stores,
    pub(crate) files: KeptFiles,
    /// The large answer that is being read.
    pub(crate) under_way: Mutex<Option<KeptAnswer>>,
    clock: Clock,
}

/// Tells the time as RFC 3339 in UTC. It is asked only where the manifest wants an upper bound.
pub type Clock = Arc<dyn Fn() -> String + Send + Sync>;

/// The clock of the machine, to the millisecond.
pub fn system_clock() -> Clock {
    Arc::new(|| format!("{:.3}", jiff::Timestamp::now()))
}

/// Pages that children are read for, so that a page is not fetched again for each of them.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<(HttpRequest, Arc<Page>)>>);

/// As deep as parents are nested, and some.
const KEPT_MAX: usize = 8;

/// Rows of one answer, unless the manifest says otherwise (section 3 of the protocol): Lambda's 6 MB with
/// room for what surrounds them, and more where more is let through.
const BYTES_MAX: u64 = 4_500_000;
const BYTES_MAX_BY_HTTP: u64 = 8_000_000;
/// The smallest limit of a place that counts as more: that of Google's functions.
const HTTP_BYTES: u64 = 10_000_000;
const TIME_MAX: Duration = Duration::from_secs(10);
/// What is kept of a call's time to write the answer and to send it: a tenth, and no more than this.
const TIME_TO_ANSWER_MAX: Duration = Duration::from_secs(5);

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
        let http = Http::new(&manifest.requests, &agent, Reach::Anywhere);
        Ok(Connector {
            manifest,
            plan: Arc::new(plan),
            http,
            ahead: Ahead::default(),
            kept: Kept::default(),
            stores: Stores::default(),
            files: KeptFiles::default(),
            under_way: Mutex::default(),
            clock,
        })
    }

    /// The same, whose requests all go through a proxy.
    #[must_use]
    pub fn by_way_of(self, via: Via) -> Connector {
        self.http.go_by(via);
        self
    }

    /// The same, but neither redirects nor links lead it to an address inside of the network around it: for
    /// functions in a cloud, where that is whom nobody outside should reach. The manifest's own addresses
    /// may be anywhere.
    #[must_use]
    pub fn public_only(mut self) -> Connector {
        let agent = format!("hasmore/{} ({:.60})", env!("CARGO_PKG_VERSION"), self.manifest.name);
        self.http = Http::new(&self.manifest.requests, &agent, Reach::PublicOnly);
        self
    }

    /// The folder that paths of this machine begin in.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.manifest.folder.as_deref()
    }

    async fn answer(&self, request: &Request) -> Result<Response, FunctionError> {
        let flat = self.flat();
        let mut stored = Progress::read(&request.state, flat.as_ref())?;
        let mut budget = self.budget(request.room);
        let scope = self.scope(request)?;
        let call = Call {
            hash_key: self.hash_key(&scope)?,
            scope,
            sync: sync_name(&request.sync_id),
            now: Arc::clone(&self.clock),
            deadline: budget.until,
        };
        self.identify(&call.scope)?;
        let Plan { authenticator, templates, .. } = &*self.plan;
        authenticator
            .recall(stored.refresh_token.as_ref(), templates, &call.scope)
            .map_err(FunctionError::from)?;
        if request.setup_test {
            return self.setup_test(&call, request).await;
        }
        let range = self.manifest.range.as_ref();
        let unfinished = stored.range.is_some() && range.is_none();
        let mut progress = match range {
            Some(range) => stored.of_range(range)?,
            None => Progress { range: None, ..std::mem::take(&mut stored) },
        };
        if progress.reading.is_empty() {
            self.forget_pages();
            progress.reading.push(Reading::of(&self.plan.tables[self.plan.roots[0]].name));
        }
        let begun = progress.clone();
        let mut answer = Answer::new(budget);
        let reader = Reader { connector: self, call: &call };
        let has_new_token = || authenticator.stored().1;
        let has_more = loop {
            let (before, mark) = (progress.clone(), answer.mark());
            let step = match in_time(&budget, reader.step(&mut progress, &mut answer)).await {
                Ok(()) => {
                    progress.refresh_token = authenticator.stored().0;
                    answer.excess(&self.plan, || progress.write(flat.as_ref()))
                }
                Err(error) if before == begun && !has_new_token() => return Err(error.into()),
                // What is whole goes first; the next call meets the error, if it is still there (F-096).
                Err(_) => Some(0),
            };
            match step {
                None if progress.reading.is_empty() => {
                    self.forget_answer();
                    break false;
                }
                // A new token must not wait: what the state held before may be void.
                None if answer.is_full() || has_new_token() => break true,
                None => {}
                Some(_) if before != begun || has_new_token() => {
                    progress = before;
                    answer.back_to(mark);
                    break true;
                }
                // Even the first page is too much beside the state: fewer of its rows (F-091).
                Some(excess) => {
                    budget = answer.shrunk(excess)?;
                    progress = begun.clone();
                    answer = Answer::new(budget);
                }
            }
        };
        if unfinished {
            answer.warnings.push(Warning::new(
                "range_unfinished",
                "a range of the past was not read to its end, and is given up; read it again",
            ));
        }
        if let Some(range) = range {
            progress = stored.with_range(range, progress);
        }
        progress.refresh_token = authenticator.stored().0;
        Ok(answer.response(&self.plan, progress.write(flat.as_ref()), has_more))
    }

    /// Every page is asked for anew.
    pub(crate) fn forget_pages(&self) {
        self.ahead.clear();
        self.kept.clear();
        self.forget_answer();
    }

    /// One request of the first table, and no rows (F-029). Where logging in gives out a new token, nothing
    /// is asked: the answer's state is not kept, and the token would be lost with it.
    async fn setup_test(&self, call: &Call, request: &Request) -> Result<Response, FunctionError> {
        let done = Response { state: request.state.clone(), ..Response::default() };
        if self.manifest.keeps_tokens() {
            let message =
                "the login is not tried in a test, since it gives out a new refresh token";
            return Ok(Response {
                warnings: vec![Warning::new("login_untested", message)],
                ..done
            });
        }
        let reader = Reader { connector: self, call };
        let roots = self.plan.roots.iter().map(|root| &self.plan.tables[*root]);
        let mut roots = roots.filter(|root| !matches!(root.landing, Landing::Deletes(_)));
        let first = roots.next().expect("a table that has a feed of deletes is a root, or has one");
        reader.first_page(first).await.map_err(FunctionError::from)?;
        Ok(done)
    }

    /// Shows the certificate that the manifest names.
    fn identify(&self, scope: &Scope) -> Result<(), FunctionError> {
        let refused = |message: String| {
            FunctionError::Refused {
            code: "invalid_certificate",
            message,
            hint: "give PEM: a certificate begins with -----BEGIN CERTIFICATE-----, a key with -----BEGIN PRIVATE KEY-----".into(),
        }
        };
        let render = |template: &Option<Template>| {
            let text = template.as_ref().map(|text| self.plan.templates.render(text, scope));
            text.transpose().map_err(|error| refused(error.to_string()))
        };
        let tls = &self.plan.tls;
        let own = render(&tls.certificate)?.zip(render(&tls.key)?);
        let identity = Identity { own, authority: render(&tls.authority)? };
        self.http.identify(identity).map_err(|error| refused(error.to_string()))
    }

    /// What the manifest asks for, within what the place of the function allows.
    fn budget(&self, room: Room) -> Budget {
        let call = &self.manifest.call;
        let by_http = room.bytes.is_some_and(|bytes| bytes >= HTTP_BYTES);
        let bytes = if by_http { BYTES_MAX_BY_HTTP } else { BYTES_MAX };
        let bytes = call.bytes.map_or(bytes, |size| size.0);
        let time = call.time.map_or(TIME_MAX, |time| time.0);
        let now = Instant::now();
        let usable = room.time.map(|left| left.saturating_sub((left / 10).min(TIME_TO_ANSWER_MAX)));
        Budget {
            pages_max: call.pages.unwrap_or(u64::MAX),
            bytes_max: room.bytes.map_or(bytes, |max| bytes.min(max - max / 8)),
            until: now + usable.map_or(time, |usable| time.min(usable / 2)),
            answer_bytes_max: room.bytes,
            end: usable.map(|usable| now + usable),
        }
    }

    pub(crate) fn flat(&self) -> Option<Flat<'_>> {
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
        for name in &self.manifest.optional_secrets {
            let value = request
                .secrets
                .get_json(name)
                .and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
            let value = value.map_or(Value::from(""), |value| Value::from_serialize(&value));
            secrets.insert(name.clone(), value);
        }
        let mut config = self.manifest.config.clone();
        config.extend(request.custom_payload.clone());
        let mut scope = Scope::default();
        scope.set("secrets", Value::from(secrets));
        scope.set_texts("config", &config);
        Ok(scope)
    }
}

/// The step, unless it is not done when the answer has to be written (F-092).
async fn in_time(
    budget: &Budget,
    step: impl Future<Output = Result<(), ReadError>>,
) -> Result<(), ReadError> {
    let Some(end) = budget.end else { return step.await };
    tokio::time::timeout_at(end, step).await.unwrap_or_else(|_| {
        Err(ReadError::Unavailable {
            message: "no page was read to its end in the time that a call has where the function runs; give it more, or ask the API for fewer rows a page".into(),
            retry_after: None,
        })
    })
}

impl Function for Connector {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let answer = self.answer(request).await;
        let Plan { authenticator, templates, .. } = &*self.plan;
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
