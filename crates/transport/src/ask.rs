use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{StatusCode, header};

use crate::body;
use crate::client::connect_lazily;
use crate::route::{Proxies, Route};

/// Who gives out tokens and secrets answers at once, or is not there.
const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// One question to a service beside a function: one that gives out tokens, or keeps secrets. The machine's
/// own services are asked straight, whatever proxy there is.
///
/// # Errors
/// Why there is no answer, in a few words.
pub(crate) async fn ask(
    mut request: hyper::Request<Full<Bytes>>,
    proxies: &Proxies,
    is_own: bool,
) -> Result<(StatusCode, Bytes), String> {
    let uri = request.uri().clone();
    let route = if is_own { Ok(Route::Straight) } else { Route::to(&uri, proxies) };
    let route = route.map_err(|error| error.to_string())?;
    if let Some(authorization) = route.authorization() {
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.clone());
    }
    let exchange = async {
        let answer = connect_lazily(&uri, &route).request(request).await;
        let answer = answer.map_err(|error| body::innermost(&error))?;
        let (head, body) = answer.into_parts();
        let body = body::read_body(&head.headers, body, ANSWER_BYTES_MAX).await;
        Ok((head.status, body.map_err(|error| format!("{error:?}"))?))
    };
    tokio::time::timeout(TIMEOUT, exchange).await.unwrap_or_else(|_| Err("no answer".into()))
}

/// Whether a service is busy, not unwilling.
pub(crate) fn is_busy(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 500 | 502 | 503 | 504)
}

/// A text as part of a form or a query.
pub(crate) fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::new(), |out, byte| {
        if plain(byte) {
            out + &char::from(byte).to_string()
        } else {
            out + &format!("%{byte:02X}")
        }
    })
}

/// `name=value&…`
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}
