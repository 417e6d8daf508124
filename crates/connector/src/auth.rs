//! What lets a request in: values from secrets, a token that is fetched or made for them, a signature.

mod jwt;
mod kept;
mod sign;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::Secrets;
use tokio::time::Instant;

use crate::connector::Clock;
use crate::http::{Http, HttpError, describe};
use crate::manifest::{Auth, Manifest, TableConfig, Target};
use crate::read_error::ReadError;
use crate::request_builder::{HttpRequest, NAMES, RequestTemplate};
use crate::selector::{Path, scalar};
use crate::template::{Scope, Template, TemplateError, Templates};

use jwt::SignedToken;
use kept::Kept;
pub(crate) use kept::StoredToken;
use sign::Signature;

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
    Jwt(SignedToken),
    Signature(Signature),
}

/// Where tokens come from, and where they are written.
struct TokenSource {
    request: RequestTemplate,
    basic: Option<(Template, Template)>,
    path: Path,
    to: Option<Target>,
    is_oauth2: bool,
    /// Exchanged for the token.
    assertion: Option<SignedToken>,
    /// What is known of refresh tokens that change.
    kept: Option<Kept>,
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
                let grant = match (&oauth.refresh_token, &oauth.assertion) {
                    (Some(_), _) => "refresh_token",
                    (None, Some(_)) => "urn:ietf:params:oauth:grant-type:jwt-bearer",
                    (None, None) => "client_credentials",
                };
                let mut form = oauth.fields.clone();
                form.insert("grant_type".into(), grant.into());
                let optional = [("refresh_token", &oauth.refresh_token), ("scope", &oauth.scope)];
                for (name, value) in optional {
                    form.extend(value.clone().map(|value| (name.to_owned(), value)));
                }
                let client = oauth.client_id.as_ref().zip(oauth.client_secret.as_ref());
                let mut basic = None;
                match client.filter(|_| oauth.basic) {
                    Some((id, secret)) => basic = Some((compile(id)?, compile(secret)?)),
                    None => {
                        let id = oauth.client_id.iter().map(|id| ("client_id", id));
                        let secret = oauth.client_secret.iter().map(|it| ("client_secret", it));
                        form.extend(id.chain(secret).map(|(name, it)| (name.into(), it.clone())));
                    }
                }
                let assertion = oauth.assertion.as_ref();
                let assertion =
                    assertion.map(|jwt| SignedToken::compile(jwt, templates)).transpose()?;
                let kept = Kept::compile(oauth, templates)?;
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
                    assertion,
                    kept,
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
                    assertion: None,
                    kept: None,
                }))
            }
            Auth::Jwt(jwt) => Kind::Jwt(SignedToken::compile(jwt, templates)?),
            Auth::Aws(aws) => Kind::Signature(Signature::aws(aws, templates)?),
            Auth::Hmac(hmac) => Kind::Signature(Signature::hmac(hmac, templates)?),
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
            Kind::None | Kind::Signature(_) => {}
            Kind::Value(to, value) => put(request, to, templates.render(value, scope)?),
            Kind::Basic(username, password) => {
                let value = basic(username, password, templates, scope)?;
                put(request, &Target::Header("authorization".into()), value);
            }
            Kind::Token(_) | Kind::Jwt(_) => {
                let token = self.current().map(|token| token.text).unwrap_or_default();
                let to = match &self.kind {
                    Kind::Token(source) => source.to.as_ref(),
                    _ => None,
                };
                match to {
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

    /// The request as it is sent: a signature tells the time, so it is added last.
    ///
    /// # Errors
    /// When a template has no value.
    pub(crate) fn sign(
        &self,
        request: &HttpRequest,
        templates: &Templates,
        scope: &Scope,
        now: &Clock,
    ) -> Result<HttpRequest, TemplateError> {
        match &self.kind {
            Kind::Signature(signature) => signature.sign(request, templates, scope, now),
            _ => Ok(request.clone()),
        }
    }

    /// What the state says of a refresh token, before anything is sent.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn recall(
        &self,
        stored: Option<&StoredToken>,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<(), ReadError> {
        self.kept().map_or(Ok(()), |kept| kept.recall(stored, templates, scope))
    }

    /// What the state is to say of a refresh token, and whether that is new since it was recalled.
    pub(crate) fn stored(&self) -> (Option<StoredToken>, bool) {
        self.kept().map_or((None, false), Kept::stored)
    }

    fn kept(&self) -> Option<&Kept> {
        match &self.kind {
            Kind::Token(source) => source.kept.as_ref(),
            _ => None,
        }
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
        (deadline, now): (Instant, &Clock),
    ) -> Result<(), ReadError> {
        if let Kind::Jwt(jwt) = &self.kind {
            if self.current().is_none() {
                let text = jwt.make(templates, scope, now).map_err(refused_template)?;
                self.keep(text, Some(jwt.life));
            }
            return Ok(());
        }
        let Kind::Token(source) = &self.kind else { return Ok(()) };
        let _alone = self.fetching.lock().await;
        if self.current().is_some() {
            return Ok(());
        }
        let failed = refused_template;
        let mut request = source.request.build(templates, paths, scope, &[]).map_err(failed)?;
        if let Some((username, password)) = &source.basic {
            let value = basic(username, password, templates, scope).map_err(failed)?;
            put(&mut request, &Target::Header("authorization".into()), value);
        }
        if let Some(assertion) = &source.assertion {
            let assertion = assertion.make(templates, scope, now).map_err(failed)?;
            set_field(&mut request, "assertion", &assertion);
        }
        if let Some(token) = source.kept.as_ref().and_then(Kept::current) {
            set_field(&mut request, "refresh_token", &token);
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
            let Some(kept) = &source.kept else {
                return Err(ReadError::new(
                    "refresh_token_rotated",
                    format!(
                        "{place} gave out a new refresh token, which cannot be kept: the one in the secrets may be void now"
                    ),
                    "say with `keep_with` by which key it is kept in the state, or use client credentials",
                ));
            };
            kept.keep(&rotated, templates, scope)?;
        }
        let seconds = find("expires_in").filter(|_| source.is_oauth2);
        let seconds = seconds.and_then(|seconds| seconds.parse::<u64>().ok());
        self.keep(text, seconds.map(Duration::from_secs));
        Ok(())
    }

    fn keep(&self, text: String, life: Option<Duration>) {
        let expires = life.map(|life| Instant::now() + life.saturating_sub(MARGIN.min(life / 2)));
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(Token { text, expires });
    }

    /// What is as secret as the secrets: the token, and what HTTP Basic makes of them.
    pub(crate) fn conceal(&self, templates: &Templates, scope: &Scope) -> Secrets {
        let mut concealed = Secrets::default();
        if let Some(token) = self.current() {
            concealed.insert("token", &token.text);
        }
        if let Some(token) = self.kept().and_then(Kept::current) {
            concealed.insert("refresh token", &token);
        }
        let pair = match &self.kind {
            Kind::Basic(username, password) => Some((username, password)),
            Kind::Token(source) => source.basic.as_ref().map(|(id, secret)| (id, secret)),
            Kind::None | Kind::Value(..) | Kind::Jwt(_) | Kind::Signature(_) => None,
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
        matches!(self.kind, Kind::Token(_) | Kind::Jwt(_)) && token.take().is_some()
    }

    fn current(&self) -> Option<Token> {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        token.filter(|token| token.expires.is_none_or(|expires| Instant::now() < expires))
    }
}

fn refused_template(error: TemplateError) -> ReadError {
    ReadError::new("invalid_template", error.to_string(), "correct `auth`")
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

/// Gives a field of a form this value.
fn set_field(request: &mut HttpRequest, name: &str, value: &str) {
    let body = request.body.take().unwrap_or_default();
    let others = form_urlencoded::parse(&body).filter(|(known, _)| known != name);
    let mut fields = form_urlencoded::Serializer::new(String::new());
    fields.extend_pairs(others).append_pair(name, value);
    request.body = Some(fields.finish().into());
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
