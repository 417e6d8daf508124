//! Refresh tokens that change with every use: the newest is kept in the state, encrypted.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::manifest::Oauth2;
use crate::page::mark;
use crate::read_error::ReadError;
use crate::request_builder::NAMES;
use crate::template::{Scope, Template, TemplateError, Templates};

/// A refresh token as the state holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredToken {
    /// A mark of the token in the secrets that it came from: another one there begins anew.
    of: String,
    sealed: String,
}

/// The newest refresh token.
pub(super) struct Kept {
    /// The token that the secrets hold.
    first: Template,
    key: Template,
    newest: Mutex<Newest>,
}

#[derive(Default)]
struct Newest {
    token: Option<String>,
    stored: Option<StoredToken>,
    is_new: bool,
}

/// A shorter key could be guessed.
const KEY_CHARACTERS_MIN: usize = 16;

impl Kept {
    pub(super) fn compile(
        oauth: &Oauth2,
        templates: &mut Templates,
    ) -> Result<Option<Kept>, TemplateError> {
        let (Some(first), Some(key)) = (&oauth.refresh_token, &oauth.keep_with) else {
            return Ok(None);
        };
        let (first, key) = (templates.compile(first, NAMES)?, templates.compile(key, NAMES)?);
        Ok(Some(Kept { first, key, newest: Mutex::default() }))
    }

    /// Takes what the state holds, unless the secrets have another token since, or this process knows a
    /// newer one.
    pub(super) fn recall(
        &self,
        stored: Option<&StoredToken>,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<(), ReadError> {
        let of = self.of(templates, scope)?;
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.is_new = false;
        if newest.stored.as_ref().is_some_and(|known| known.of == of) {
            return Ok(());
        }
        *newest = Newest::default();
        if let Some(stored) = stored.filter(|stored| stored.of == of) {
            newest.token = Some(self.open(stored, templates, scope)?);
            newest.stored = Some(stored.clone());
        }
        Ok(())
    }

    /// A new token has been given out; the one before it may be void.
    pub(super) fn keep(
        &self,
        token: &str,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<(), ReadError> {
        let of = self.of(templates, scope)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).expect("the system has random numbers");
        let key = self.key(templates, scope)?;
        let mut text = token.as_bytes().to_vec();
        let number = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(number, Aad::from(of.as_bytes()), &mut text)
            .expect("a token is shorter than what can be encrypted");
        let sealed = STANDARD.encode([&nonce[..], &text].concat());
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = Some(StoredToken { of, sealed });
        *newest = Newest { token: Some(token.to_owned()), stored, is_new: true };
        Ok(())
    }

    pub(super) fn current(&self) -> Option<String> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).token.clone()
    }

    pub(super) fn stored(&self) -> (Option<StoredToken>, bool) {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        (newest.stored.clone(), newest.is_new)
    }

    fn of(&self, templates: &Templates, scope: &Scope) -> Result<String, ReadError> {
        let first = templates.render(&self.first, scope).map_err(super::refused_template)?;
        Ok(mark(first.as_bytes()))
    }

    fn open(
        &self,
        stored: &StoredToken,
        templates: &Templates,
        scope: &Scope,
    ) -> Result<String, ReadError> {
        let key = self.key(templates, scope)?;
        let unreadable = || {
            ReadError::new(
                "kept_token_unreadable",
                "the refresh token in the state cannot be read with the key of `keep_with`",
                "give the key that it was kept with, or log in anew and put the new refresh token into the secrets",
            )
        };
        let sealed = STANDARD.decode(&stored.sealed).map_err(|_| unreadable())?;
        let (nonce, text) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(unreadable)?;
        let mut text = text.to_vec();
        let number = Nonce::assume_unique_for_key(*nonce);
        let opened = key.open_in_place(number, Aad::from(stored.of.as_bytes()), &mut text);
        let opened = opened.map_err(|_| unreadable())?;
        String::from_utf8(opened.to_vec()).map_err(|_| unreadable())
    }

    fn key(&self, templates: &Templates, scope: &Scope) -> Result<LessSafeKey, ReadError> {
        let text = templates.render(&self.key, scope).map_err(super::refused_template)?;
        if text.chars().count() < KEY_CHARACTERS_MIN {
            return Err(ReadError::new(
                "login_failed",
                format!("the key of `keep_with` is shorter than {KEY_CHARACTERS_MIN} characters"),
                "make one, for example by `openssl rand -base64 24`, and keep it with the secrets",
            ));
        }
        let salted = Salt::new(HKDF_SHA256, b"hasmore").extract(text.as_bytes());
        let key = salted.expand(&[b"refresh token"], &CHACHA20_POLY1305);
        Ok(LessSafeKey::new(UnboundKey::from(key.expect("a key has 32 bytes"))))
    }
}
