//! JSON Web Tokens that are signed here.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};

use crate::connector::Clock;
use crate::http::one_per_line;
use crate::manifest::Jwt;
use crate::request_builder::{CompiledBody, NAMES, write};
use crate::template::{Scope, Template, TemplateError, Templates};

/// A token that is made where it is needed.
pub(super) struct SignedToken {
    algorithm: Algorithm,
    key: Template,
    key_id: Option<Template>,
    claims: CompiledBody,
    pub(super) life: Duration,
}

/// What most servers take at most.
const LIFE: Duration = Duration::from_secs(3600);

impl SignedToken {
    pub(super) fn compile(
        jwt: &Jwt,
        templates: &mut Templates,
    ) -> Result<SignedToken, TemplateError> {
        let name = jwt.algorithm.as_deref().unwrap_or("RS256");
        let algorithm = name.parse().map_err(|_| {
            TemplateError(format!("the algorithm {name:.20} is unknown; try RS256, ES256 or HS256"))
        })?;
        let key_id = jwt.key_id.as_deref();
        Ok(SignedToken {
            algorithm,
            key: templates.compile(&jwt.key, NAMES)?,
            key_id: key_id.map(|key_id| templates.compile(key_id, NAMES)).transpose()?,
            claims: CompiledBody::compile(&jwt.claims, templates)?,
            life: jwt.life.map_or(LIFE, |life| life.0),
        })
    }

    /// A token that is good from now on.
    pub(super) fn make(
        &self,
        templates: &Templates,
        scope: &Scope,
        now: &Clock,
    ) -> Result<String, TemplateError> {
        let claims = write(&self.claims.render(templates, scope)?);
        let Ok(serde_json::Value::Object(mut claims)) = serde_json::from_str(&claims) else {
            return Err(TemplateError("the claims of a token are names with values".into()));
        };
        let issued = super::sign::timestamp(now)?.as_second();
        let life = i64::try_from(self.life.as_secs()).unwrap_or(i64::MAX);
        claims.insert("iat".into(), issued.into());
        claims.insert("exp".into(), issued.saturating_add(life).into());
        let mut header = Header::new(self.algorithm);
        if let Some(key_id) = &self.key_id {
            header.kid = Some(templates.render(key_id, scope)?);
        }
        let key = templates.render(&self.key, scope)?;
        let key = self.encoding_key(&key).ok_or_else(|| {
            TemplateError(format!("the key is no private key for {:?} in PEM", self.algorithm))
        })?;
        jsonwebtoken::encode(&header, &claims, &key)
            .map_err(|_| TemplateError("the token cannot be signed with this key".into()))
    }

    fn encoding_key(&self, key: &str) -> Option<EncodingKey> {
        let lines = one_per_line(key);
        let pem = lines.as_bytes();
        match self.algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                Some(EncodingKey::from_secret(key.as_bytes()))
            }
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem).ok(),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem).ok(),
            _ => EncodingKey::from_rsa_pem(pem).ok(),
        }
    }
}
