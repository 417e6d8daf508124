//! Signatures of whole requests.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use minijinja::Value;
use sha2::{Digest, Sha256, Sha512};

use crate::connector::Clock;
use crate::manifest::{Aws, HmacAlgorithm, HmacEncoding, HmacSignature};
use crate::request_builder::{HttpRequest, NAMES};
use crate::template::{Scope, Template, TemplateError, Templates};

/// How a request is signed, compiled.
pub(super) enum Signature {
    Aws(Box<AwsTemplates>),
    Hmac(Box<HmacTemplates>),
}

pub(super) struct AwsTemplates {
    access_key_id: Template,
    secret_access_key: Template,
    session_token: Option<Template>,
    region: Template,
    service: String,
}

pub(super) struct HmacTemplates {
    key: Template,
    sign: Template,
    algorithm: HmacAlgorithm,
    encoding: HmacEncoding,
    headers: Vec<(String, Template)>,
}

/// What a signature is made of.
const PARTS: &[&str] = &[
    "method",
    "host",
    "path",
    "query",
    "url",
    "body",
    "body_sha256",
    "timestamp",
    "timestamp_ms",
    "time",
];

impl Signature {
    pub(super) fn aws(aws: &Aws, templates: &mut Templates) -> Result<Signature, TemplateError> {
        let mut compile = |text: &str| templates.compile(text, NAMES);
        Ok(Signature::Aws(Box::new(AwsTemplates {
            access_key_id: compile(&aws.access_key_id)?,
            secret_access_key: compile(&aws.secret_access_key)?,
            session_token: aws.session_token.as_deref().map(&mut compile).transpose()?,
            region: compile(&aws.region)?,
            service: aws.service.clone(),
        })))
    }

    pub(super) fn hmac(
        hmac: &HmacSignature,
        templates: &mut Templates,
    ) -> Result<Signature, TemplateError> {
        let signed: Vec<&str> = NAMES.iter().chain(PARTS).copied().collect();
        let shown: Vec<&str> = signed.iter().copied().chain(["signature"]).collect();
        let mut headers = Vec::new();
        for (name, text) in &hmac.headers {
            headers.push((name.to_ascii_lowercase(), templates.compile(text, &shown)?));
        }
        Ok(Signature::Hmac(Box::new(HmacTemplates {
            key: templates.compile(&hmac.key, NAMES)?,
            sign: templates.compile(&hmac.sign, &signed)?,
            algorithm: hmac.algorithm,
            encoding: hmac.encoding,
            headers,
        })))
    }

    /// The request with its signature.
    pub(super) fn sign(
        &self,
        request: &HttpRequest,
        templates: &Templates,
        scope: &Scope,
        now: &Clock,
    ) -> Result<HttpRequest, TemplateError> {
        let now = timestamp(now)?;
        match self {
            Signature::Aws(aws) => aws.sign(request, templates, scope, now),
            Signature::Hmac(hmac) => hmac.sign(request, templates, scope, now),
        }
    }
}

/// The time as the clock tells it.
pub(super) fn timestamp(now: &Clock) -> Result<Timestamp, TemplateError> {
    now().parse().map_err(|_| TemplateError("the clock does not tell the time".into()))
}

impl AwsTemplates {
    fn sign(
        &self,
        request: &HttpRequest,
        templates: &Templates,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<HttpRequest, TemplateError> {
        let failed = |_| TemplateError("the request cannot be signed for AWS".into());
        let render = |template: &Template| templates.render(template, scope);
        let session = self.session_token.as_ref().map(render).transpose()?;
        let session = session.filter(|token| !token.is_empty());
        let (id, secret) = (render(&self.access_key_id)?, render(&self.secret_access_key)?);
        let identity = Credentials::new(id, secret, session, None, "manifest").into();
        let mut settings = SigningSettings::default();
        if self.service == "s3" {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let region = render(&self.region)?;
        let since = Duration::from_millis(u64::try_from(now.as_millisecond()).unwrap_or(0));
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&region)
            .name(&self.service)
            .time(SystemTime::UNIX_EPOCH + since)
            .settings(settings)
            .build()
            .expect("all parameters are given");
        let mut signed = request.clone();
        // A space is `%20` in what AWS signs.
        if let Some(query) = request.url.query().filter(|query| query.contains('+')) {
            signed.url.set_query(Some(&query.replace('+', "%20")));
        }
        let url = signed.url.to_string();
        let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(request.body.as_deref().unwrap_or_default());
        let signable = SignableRequest::new(request.method, url, headers, body).map_err(failed)?;
        let parts = sign(signable, &SigningParams::V4(parameters)).map_err(failed)?;
        let (headers, _) = parts.into_parts().0.into_parts();
        for header in headers {
            signed.headers.push((header.name().to_owned(), header.value().to_owned()));
        }
        Ok(signed)
    }
}

impl HmacTemplates {
    fn sign(
        &self,
        request: &HttpRequest,
        templates: &Templates,
        scope: &Scope,
        now: Timestamp,
    ) -> Result<HttpRequest, TemplateError> {
        let body = request.body.as_deref().unwrap_or_default();
        let url = &request.url;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let values = [
            request.method.to_owned(),
            format!("{}{port}", url.host_str().unwrap_or_default()),
            url.path().to_owned(),
            url.query().unwrap_or_default().to_owned(),
            url.to_string(),
            String::from_utf8_lossy(body).into_owned(),
            hex(&Sha256::digest(body)),
            now.as_second().to_string(),
            now.as_millisecond().to_string(),
            now.to_string(),
        ];
        let mut scope = scope.clone();
        for (name, value) in PARTS.iter().zip(values) {
            scope.set(name, Value::from(value));
        }
        let (key, text) =
            (templates.render(&self.key, &scope)?, templates.render(&self.sign, &scope)?);
        let bytes = match self.algorithm {
            HmacAlgorithm::Sha256 => {
                let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
                let mac = mac.expect("HMAC takes keys of any length");
                mac.chain_update(text).finalize().into_bytes().to_vec()
            }
            HmacAlgorithm::Sha512 => {
                let mac = Hmac::<Sha512>::new_from_slice(key.as_bytes());
                let mac = mac.expect("HMAC takes keys of any length");
                mac.chain_update(text).finalize().into_bytes().to_vec()
            }
        };
        let signature = match self.encoding {
            HmacEncoding::Hex => hex(&bytes),
            HmacEncoding::Base64 => STANDARD.encode(bytes),
        };
        scope.set("signature", Value::from(signature));
        let mut signed = request.clone();
        for (name, template) in &self.headers {
            let value = templates.render(template, &scope)?;
            signed.headers.retain(|(known, _)| known != name);
            signed.headers.push((name.clone(), value));
        }
        Ok(signed)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |number: u8| char::from(b"0123456789abcdef"[usize::from(number)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The signature of a request with the credentials and the time of AWS's signing test suite.
    fn check(session_token: Option<&str>, method: &'static str, target: &str, expected: &str) {
        let mut templates = Templates::default();
        let aws = Aws {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: session_token.map(str::to_owned),
            region: "us-east-1".into(),
            service: "service".into(),
        };
        let signature = Signature::aws(&aws, &mut templates).expect("templates");
        let request = HttpRequest {
            method,
            url: format!("https://example.amazonaws.com{target}").parse().expect("an address"),
            headers: Vec::new(),
            body: None,
            shown: String::new(),
            tells_body: true,
            is_away: false,
        };
        let now: Clock = Arc::new(|| "2015-08-30T12:36:00Z".to_owned());
        let signed = signature.sign(&request, &templates, &Scope::default(), &now);
        let headers = signed.expect("a signature").headers;
        let header = headers.iter().find(|(name, _)| name == "authorization").expect("a signature");
        let found = header.1.rsplit_once("Signature=").expect("a signature").1;
        assert_eq!(found, expected, "{method} {target}: {}", header.1);
    }

    /// Vectors of AWS's published signing test suite (aws-signing-test-suite, v4), vanilla, with
    /// queries, unreserved characters and a session token.
    #[test]
    fn aws_signatures_are_those_of_the_published_test_suite() {
        const TOKEN: &str = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        check(None, "GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
        check(
            None,
            "POST",
            "/",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        );
        check(
            None,
            "GET",
            "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        );
        check(
            None,
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        );
        check(
            None,
            "GET",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        );
        check(
            Some(TOKEN),
            "GET",
            "/",
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        );
    }
}
