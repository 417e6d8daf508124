//! What lets a request in: values from secrets, or a token that is fetched for them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::Secrets;
use tokio::time::Instant;

use crate::http::{Http, HttpError, describe};
use crate::manifest::{Auth, Manifest, TableConfig, Target};
use crate::read_error::ReadError;
use crate::request_builder::{HttpRequest, NAMES, RequestTemplate};
use crate::selector::{Path, scalar};
use crate::template::{Scope, Template, TemplateError, Templates};

/// How requests are let in, compiled.
pub(crate) struct Authenticator {
    kind: Kind,
    /// Fetched once and shared by all requests.
    token: Mutex<Option<Token>>,
    /// Only one request for a token is under way.
    fetching: tokio::sync::Mutex<()>,
}

enum Kind {
    None,
    /// A value and where it is written.
    Value(Target, Template),
    Basic(Template, Template),
    Token(Box<TokenSource>),
}

/// Where tokens come from, and where they are written.
struct TokenSource {
    request: RequestTemplate,
    basic: Option<(Template, Template)>,
    path: Path,
    to: Option<Target>,
    is_oauth2: bool,
}

#[derive(Clone)]
struct Token {
    text: String,
    expires: Option<Instant>,
}

/// A token is fetched anew so long before it expires.
const MARGIN: Duration = Duration::from_secs(30);

impl Authenticator {
    /// # Errors
    /// When a value is no template.
    pub(crate) fn compile(
        manifest: &Manifest,
        templates: &mut Templates,
        paths: &mut Templates,
    ) -> Result<Authenticator, TemplateError> {
        let mut compile = |text: &str| templates.compile(text, NAMES);
        let header = || Target::Header("authorization".into());
        let kind = match &manifest.auth {
            Auth::None => Kind::None,
            Auth::Bearer(token) => Kind::Value(header(), compile(&format!("Bearer {token}"))?),
            Auth::Basic(basic) => Kind::Basic(compile(&basic.username)?, compile(&basic.password)?),
            Auth::ApiKey(key) => {
                check_place(&key.to)?;
                Kind::Value(key.to.clone(), compile(&key.value)?)
            }
            Auth::Oauth2(oauth) => {
                let grant = match oauth.refresh_token {
                    Some(_) => "refresh_token",
                    None => "client_credentials",
                };
                let mut form = oauth.fields.clone();
                form.insert("grant_type".into(), grant.into());
                let optional = [("refresh_token", &oauth.refresh_token), ("scope", &oauth.scope)];
                for (name, value) in optional {
                    form.extend(value.clone().map(|value| (name.to_owned(), value)));
                }
                let basic = if oauth.basic {
                    Some((compile(&oauth.client_id)?, compile(&oauth.client_secret)?))
                } else {
                    form.insert("client_id".into(), oauth.client_id.clone());
                    form.insert("client_secret".into(), oauth.client_secret.clone());
                    None
                };
                let table = TableConfig {
                    path: Some(oauth.token_url.clone()),
                    form,
                    ..TableConfig::default()
                };
                Kind::Token(Box::new(TokenSource {
                    request: token_request(manifest, &table, templates, paths)?,
                    basic,
                    path: "access_token".parse().expect("a path"),
                    to: None,
                    is_oauth2: true,
                }))
            }
            Auth::Session(session) => {
                session.to.as_ref().map_or(Ok(()), check_place)?;
                let table = TableConfig {
                    path: Some(session.path.clone()),
                    body: session.body.clone(),
                    form: session.form.clone(),
                    method: Some(crate::manifest::Method::Post),
                    ..TableConfig::default()
                };
                Kind::Token(Box::new(TokenSource {
                    request: token_request(manifest, &table, templates, paths)?,
                    basic: None,
                    path: session.token.clone(),
                    to: session.to.clone(),
                    is_oauth2: false,
                }))
            }
        };
        Ok(Authenticator { kind, token: Mutex::default(), fetching: tokio::sync::Mutex::default() })
    }

    /// Adds to a request what lets it in. A token must have been made ready.
    ///
    /// # Errors
    /// When a template has no value.
    pub(crate) fn authorize(
        &self,
        request: &mut HttpRequest,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<(), TemplateError> {
        match &self.kind {
            Kind::None => {}
            Kind::Value(to, value) => put(request, to, templates.render(value, scope)?),
            Kind::Basic(username, password) => {
                let value = basic(username, password, templates, scope)?;
                put(request, &Target::Header("authorization".into()), value);
            }
            Kind::Token(source) => {
                let token = self.current().map(|token| token.text).unwrap_or_default();
                match &source.to {
                    Some(to) => put(request, to, token),
                    None => {
                        let value = format!("Bearer {token}");
                        put(request, &Target::Header("authorization".into()), value);
                    }
                }
            }
        }
        Ok(())
    }

    /// Fetches a token where one is needed and none is at hand.
    ///
    /// # Errors
    /// When none is given out. The answer is told only if it is an error.
    pub(crate) async fn make_ready(
        &self,
        http: &Http,
        templates: &Templates,
        paths: &Templates,
        scope: &Scope,
        deadline: Instant,
    ) -> Result<(), ReadError> {
        let Kind::Token(source) = &self.kind else { return Ok(()) };
        let _alone = self.fetching.lock().await;
        if self.current().is_some() {
            return Ok(());
        }
        let failed = |error: TemplateError| {
            ReadError::new("invalid_template", error.to_string(), "correct `auth`")
        };
        let mut request = source.request.build(templates, paths, scope, &[]).map_err(failed)?;
        if let Some((username, password)) = &source.basic {
            let value = basic(username, password, templates, scope).map_err(failed)?;
            put(&mut request, &Target::Header("authorization".into()), value);
        }
        let answer = http.send(&request, Some(deadline)).await.map_err(|error| match error {
            HttpError::Unavailable { message, retry_after } => {
                ReadError::Unavailable { message, retry_after }
            }
            HttpError::Refused { message, .. } => refused(message),
        })?;
        if !answer.status.is_success() {
            return Err(refused(describe(&request, &answer)));
        }
        let place = request.shown.clone();
        if protocol::json::validate(&answer.body).is_err() {
            return Err(refused(format!("the answer of {place} is not JSON")));
        }
        let text = source.path.find(&answer.body).and_then(scalar);
        let Some(text) = text else {
            return Err(refused(format!("the answer of {place} has no `{}`", source.path)));
        };
        let find = |name: &str| {
            let path: Path = name.parse().expect("a path");
            path.find(&answer.body).and_then(scalar)
        };
        if source.is_oauth2
            && let Some(rotated) = find("refresh_token")
            && !request.body.as_ref().is_some_and(|body| holds(body, &rotated))
            && request.body.as_ref().is_some_and(|body| holds(body, "refresh_token"))
        {
            return Err(ReadError::new(
                "refresh_token_rotated",
                format!(
                    "{place} gave out a new refresh token, which cannot be kept: the one in the secrets may be void now"
                ),
                "use client credentials, or let the server give out refresh tokens that stay",
            ));
        }
        let seconds = find("expires_in").filter(|_| source.is_oauth2);
        let seconds = seconds.and_then(|seconds| seconds.parse::<u64>().ok());
        let expires = seconds.map(|seconds| {
            let life = Duration::from_secs(seconds);
            Instant::now() + life.saturating_sub(MARGIN.min(life / 2))
        });
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(Token { text, expires });
        Ok(())
    }

    /// What is as secret as the secrets: the token, and what HTTP Basic makes of them.
    pub(crate) fn conceal(&self, templates: &Templates, scope: &Scope) -> Secrets {
        let mut concealed = Secrets::default();
        if let Some(token) = self.current() {
            concealed.insert("token", &token.text);
        }
        let pair = match &self.kind {
            Kind::Basic(username, password) => Some((username, password)),
            Kind::Token(source) => source.basic.as_ref().map(|(id, secret)| (id, secret)),
            Kind::None | Kind::Value(..) => None,
        };
        let value =
            pair.and_then(|(username, password)| basic(username, password, templates, scope).ok());
        if let Some(value) = value {
            concealed.insert("auth", value.trim_start_matches("Basic "));
        }
        concealed
    }

    /// Forgets a token that was refused. Whether there was one, so that asking again may help.
    pub(crate) fn forget(&self) -> bool {
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(self.kind, Kind::Token(_)) && token.take().is_some()
    }

    fn current(&self) -> Option<Token> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        token.filter(|token| token.expires.is_none_or(|expires| Instant::now() < expires))
    }
}

fn refused(message: String) -> ReadError {
    ReadError::new("login_failed", message, "check `auth` and the secrets that it uses")
}

fn token_request(
    manifest: &Manifest,
    table: &TableConfig,
    templates: &mut Templates,
    paths: &mut Templates,
) -> Result<RequestTemplate, TemplateError> {
    let bare = Manifest {
        query: indexmap::IndexMap::new(),
        headers: indexmap::IndexMap::new(),
        ..manifest.clone()
    };
    RequestTemplate::compile(&bare, "", table, &[], templates, paths)
        .map_err(|problem| problem.error)
}

/// Whether a form holds this text as a name or a value.
fn holds(form: &[u8], text: &str) -> bool {
    form_urlencoded::parse(form).any(|(name, value)| name == text || value == text)
}

fn basic(
    username: &Template,
    password: &Template,
    templates: &Templates,
    scope: &Scope,
) -> Result<String, TemplateError> {
    let pair =
        format!("{}:{}", templates.render(username, scope)?, templates.render(password, scope)?);
    Ok(format!("Basic {}", STANDARD.encode(pair)))
}

fn check_place(to: &Target) -> Result<(), TemplateError> {
    match to {
        Target::Header(_) | Target::Query(_) => Ok(()),
        Target::Body(_) | Target::Path(_) | Target::Url => {
            Err(TemplateError("a key is written to a header or the query".into()))
        }
    }
}

fn put(request: &mut HttpRequest, to: &Target, value: String) {
    match to {
        Target::Header(name) => {
            let name = name.to_ascii_lowercase();
            request.headers.retain(|(known, _)| *known != name);
            request.headers.push((name, value));
        }
        Target::Query(name) => {
            request.url.query_pairs_mut().append_pair(name, &value);
        }
        Target::Body(_) | Target::Path(_) | Target::Url => {
            unreachable!("a key is written to a header or the query: it was checked")
        }
    }
}
