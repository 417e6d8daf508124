//! A line of curl as the request that it would send.

use connector::SampleRequest;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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
    let (mut data, mut in_query, mut user) = (Vec::new(), false, None);
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
                let (name, password) = pair.split_once(':').unwrap_or((&pair, ""));
                user = Some(format!("{}:{}@", encoded(name), encoded(password)));
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
    if let (Some(user), Some(at)) = (user, request.url.find("://")) {
        request.url.insert_str(at + "://".len(), &user);
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
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Method, address, headers and body in one line.
    fn check(line: &str, expected: Result<&str, &str>) {
        let found = read(line).map(|request| {
            let headers = request.headers.iter().map(|(name, value)| format!("[{name}: {value}]"));
            let method = request.method.into_iter();
            let parts = method.chain([request.url]).chain(headers).chain(request.body);
            parts.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{line}");
    }

    #[test]
    fn a_line_is_the_request_that_it_sends() {
        check("curl https://x.y/z?a=b", Ok("https://x.y/z?a=b"));
        check(
            "curl 'https://x.y' \\\n  -H 'Accept: a/b' -XPUT --compressed -d '{\"a\": 1}'",
            Ok("PUT https://x.y [Accept: a/b] {\"a\": 1}"),
        );
        check("curl -G x.y/z -d a=1 --data-urlencode 'q=a b'", Ok("http://x.y/z?a=1&q=a%20b"));
        check("curl -u me:w@rd x.y", Ok("http://me:w%40rd@x.y"));
        check("curl -u sk1: https://x.y", Ok("https://sk1:@x.y"));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_told() {
        check("curl --form a=hunter2 x.y", Err("curl's --form is not known here: leave it out"));
        check("curl -d @hunter2 x.y", Err("a body from a file is not read: give it as text"));
        check("curl", Err("there is no address"));
        check("curl 'x.y", Err("a quote has no end"));
    }
}
