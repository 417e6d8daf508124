//! What lets a request in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::manifest::{Auth, Target};
use crate::request_builder::{HttpRequest, NAMES};
use crate::template::{Scope, Template, TemplateError, Templates};

/// How requests are let in, compiled.
pub(crate) enum Authenticator {
    None,
    /// A header and its value.
    Header(String, Template),
    Query(String, Template),
    Basic(Template, Template),
}

impl Authenticator {
    /// # Errors
    /// When a value is no template.
    pub(crate) fn compile(
        auth: &Auth,
        templates: &mut Templates,
    ) -> Result<Authenticator, TemplateError> {
        Ok(match auth {
            Auth::None => Authenticator::None,
            Auth::Bearer(token) => Authenticator::Header(
                "authorization".into(),
                templates.compile(&format!("Bearer {token}"), NAMES)?,
            ),
            Auth::Basic(basic) => Authenticator::Basic(
                templates.compile(&basic.username, NAMES)?,
                templates.compile(&basic.password, NAMES)?,
            ),
            Auth::ApiKey(key) => {
                let value = templates.compile(&key.value, NAMES)?;
                match &key.to {
                    Target::Header(name) => Authenticator::Header(name.to_ascii_lowercase(), value),
                    Target::Query(name) => Authenticator::Query(name.clone(), value),
                    Target::Body(_) | Target::Path(_) | Target::Url => {
                        return Err(TemplateError(
                            "a key is written to a header or the query".into(),
                        ));
                    }
                }
            }
        })
    }

    /// Adds to a request what lets it in.
    ///
    /// # Errors
    /// When a template has no value.
    pub(crate) fn authorize(
        &self,
        request: &mut HttpRequest,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<(), TemplateError> {
        match self {
            Authenticator::None => {}
            Authenticator::Header(name, value) => {
                let value = templates.render(value, scope)?;
                request.headers.retain(|(known, _)| known != name);
                request.headers.push((name.clone(), value));
            }
            Authenticator::Query(name, value) => {
                let value = templates.render(value, scope)?;
                request.url.query_pairs_mut().append_pair(name, &value);
            }
            Authenticator::Basic(username, password) => {
                let pair = format!(
                    "{}:{}",
                    templates.render(username, scope)?,
                    templates.render(password, scope)?
                );
                request.headers.retain(|(known, _)| known != "authorization");
                request
                    .headers
                    .push(("authorization".into(), format!("Basic {}", STANDARD.encode(pair))));
            }
        }
        Ok(())
    }
}
