//! A line of curl as the request that it would send.

use connector::SampleRequest;

/// Reads a line such as browsers copy it. What is no part of the request is passed over; what is, and is
/// not known here, is an error.
///
/// # Errors
/// Names the flag; never its value.
pub(crate) fn read(line: &str) -> Result<SampleRequest, String> {
    let line = line.replace("\\\n", " ");
    let mut words = shlex::split(&line).ok_or("a quote has no end")?.into_iter().peekable();
    if words.peek().is_some_and(|word| word == "curl" || word.ends_with("/curl")) {
        words.next();
    }
    let mut request = SampleRequest::default();
    let (mut data, mut in_query) = (Vec::new(), false);
    while let Some(word) = words.next() {
        let (flag, mut attached) = split(&word);
        let mut value = || {
            let value = attached.take().or_else(|| words.next());
            value.ok_or_else(|| format!("{flag:.30} has nothing after it"))
        };
        match flag.as_str() {
            "-H" | "--header" => {
                let header = value()?;
                let (name, text) = header.split_once(':').ok_or("a header has no colon")?;
                request.headers.push((name.trim().to_owned(), text.trim().to_owned()));
            }
            "-X" | "--request" => request.method = Some(value()?),
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" => {
                let text = value()?;
                if text.starts_with('@') && flag != "--data-raw" {
                    return Err("a body from a file is not read: give it as text".into());
                }
                data.push(text);
            }
            "--data-urlencode" => {
                let text = value()?;
                let (name, text) = text.split_once('=').unwrap_or(("", &text));
                let name = if name.is_empty() { String::new() } else { format!("{name}=") };
                data.push(name + &encoded(text));
            }
            "--json" => {
                data.push(value()?);
                request.headers.push(("content-type".into(), "application/json".into()));
            }
            "-u" | "--user" => {
                let pair = value()?;
                request.headers.push(("authorization".into(), format!("Basic {}", base64(&pair))));
            }
            "-b" | "--cookie" => request.headers.push(("cookie".into(), value()?)),
            "-A" | "--user-agent" | "-o" | "--output" | "-m" | "--max-time"
            | "--connect-timeout" | "-w" | "--write-out" | "--retry" | "-e" | "--referer" => {
                value()?;
            }
            "-G" | "--get" => in_query = true,
            "--url" => request.url = value()?,
            "-s" | "-S" | "-L" | "-k" | "-v" | "-i" | "-f" | "-g" | "-sS" | "-sSL" | "-fsSL"
            | "--silent" | "--show-error" | "--location" | "--insecure" | "--compressed"
            | "--verbose" | "--include" | "--fail" | "--globoff" | "--http1.1" | "--http2" => {}
            flag if flag.starts_with('-') => {
                return Err(format!("curl's {flag:.30} is not known here: leave it out"));
            }
            _ if request.url.is_empty() => request.url = word,
            _ => return Err("there are two addresses".into()),
        }
    }
    if request.url.is_empty() {
        return Err("there is no address".into());
    }
    if !request.url.contains("://") {
        request.url = format!("http://{}", request.url);
    }
    let data = data.join("&");
    if in_query && !data.is_empty() {
        let mark = if request.url.contains('?') { '&' } else { '?' };
        request.url.push(mark);
        request.url.push_str(&data);
    } else if !data.is_empty() {
        request.body = Some(data);
    }
    Ok(request)
}

/// `-XPOST` and `--request=POST` as flag and value.
fn split(word: &str) -> (String, Option<String>) {
    if let Some((flag, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
        return (flag.to_owned(), Some(value.to_owned()));
    }
    for flag in ["-H", "-X", "-d", "-u", "-b"] {
        if let Some(value) = word.strip_prefix(flag).filter(|value| !value.is_empty()) {
            return (flag.to_owned(), Some(value.to_owned()));
        }
    }
    (word.to_owned(), None)
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let digit = (bits >> (18 - 6 * index)) & 63;
            let is_there = index <= chunk.len();
            out.push(if is_there { char::from(DIGITS[digit as usize]) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<(&str, Option<&str>, Option<&str>, &str), &str>) {
        let found = read(line).map(|request| {
            let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}"));
            (request.url, request.method, request.body, headers.collect::<Vec<_>>().join(", "))
        });
        let expected = expected.map_err(str::to_owned).map(|(url, method, body, headers)| {
            (url.to_owned(), method.map(str::to_owned), body.map(str::to_owned), headers.to_owned())
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn a_line_is_the_request_that_it_sends() {
        check("curl https://x.y/z?a=b", Ok(("https://x.y/z?a=b", None, None, "")));
        check(
            "curl 'https://x.y' \\\n  -H 'Accept: a/b' -XPUT --compressed -d '{\"a\": 1}'",
            Ok(("https://x.y", Some("PUT"), Some("{\"a\": 1}"), "Accept: a/b")),
        );
        check(
            "curl -G x.y/z -d a=1 --data-urlencode 'q=a b'",
            Ok(("http://x.y/z?a=1&q=a%20b", None, None, "")),
        );
        check(
            "curl -u me:word x.y",
            Ok(("http://x.y", None, None, "authorization: Basic bWU6d29yZA==")),
        );
        check("curl -u sk_1: x.y", Ok(("http://x.y", None, None, "authorization: Basic c2tfMTo=")));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_told() {
        check("curl --form a=hunter2 x.y", Err("curl's --form is not known here: leave it out"));
        check("curl -d @hunter2 x.y", Err("a body from a file is not read: give it as text"));
        check("curl", Err("there is no address"));
        check("curl 'x.y", Err("a quote has no end"));
    }
}
