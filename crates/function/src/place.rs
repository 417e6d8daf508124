//! Where a function runs, and what is let through there.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use connector::yaml::{Size, Span};
use protocol::{FunctionError, Room};
use transport::HttpKey;

/// Where a function runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// AWS Lambda, or what behaves like it: the address of its Runtime API.
    Lambda(String),
    /// An endpoint: a container on `$PORT`, an Azure custom handler, a server of one's own.
    Http { address: SocketAddr, room: Room },
}

/// What the environment of a function says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub place: Place,
    /// `HASMORE_KEY`: what callers must send as `Authorization: Bearer`.
    pub key: Option<HttpKey>,
}

/// Azure's load balancer waits no longer (section 3 of the protocol).
const AZURE: Room = Room { time: Some(Duration::from_secs(230)), bytes: Some(100_000_000) };
/// Cloud Run: what it lets through at most, and how long it waits unless it is told otherwise.
const CONTAINER: Room = Room { time: Some(Duration::from_secs(300)), bytes: Some(32 << 20) };

impl Settings {
    /// Reads an environment: `AWS_LAMBDA_RUNTIME_API`, `FUNCTIONS_CUSTOMHANDLER_PORT` or `PORT` say where
    /// this is, in this order; `otherwise` is the address where none is set. `HASMORE_TIME` and
    /// `HASMORE_BYTES` correct what is let through.
    ///
    /// # Errors
    /// [`FunctionError::Refused`] when one of them cannot be read.
    pub fn read(
        variable: &dyn Fn(&str) -> Option<String>,
        otherwise: SocketAddr,
    ) -> Result<Settings, FunctionError> {
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        let port = |name: &'static str| {
            let port = variable(name).map(|text| read::<u16>(name, &text));
            port.transpose()
        };
        let key = variable("HASMORE_KEY").map(HttpKey::new);
        if let Some(api) = variable("AWS_LAMBDA_RUNTIME_API") {
            return Ok(Settings { place: Place::Lambda(api), key });
        }
        let (address, mut room) = if let Some(port) = port("FUNCTIONS_CUSTOMHANDLER_PORT")? {
            (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), AZURE)
        } else if let Some(port) = port("PORT")? {
            (SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), CONTAINER)
        } else {
            (otherwise, Room::default())
        };
        if let Some(text) = variable("HASMORE_TIME") {
            room.time = Some(read::<Span>("HASMORE_TIME", &text)?.0);
        }
        if let Some(text) = variable("HASMORE_BYTES") {
            room.bytes = Some(read::<Size>("HASMORE_BYTES", &text)?.0);
        }
        Ok(Settings { place: Place::Http { address, room }, key })
    }
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: &str,
) -> Result<T, FunctionError> {
    text.parse().map_err(|error| FunctionError::Refused {
        code: "invalid_environment",
        message: format!("the environment variable {name}: {error}"),
        hint: "correct it, or unset it".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], expected: &str) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(each, _)| *each == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let otherwise = SocketAddr::from(([127, 0, 0, 1], 8080));
        let told = match Settings::read(&variable, otherwise) {
            Ok(Settings { place: Place::Lambda(api), .. }) => format!("lambda {api}"),
            Ok(Settings { place: Place::Http { address, room }, key }) => {
                let locked = if key.is_some() { " locked" } else { "" };
                format!("{address} {:?} {:?}{locked}", room.time, room.bytes)
            }
            Err(error) => format!("{}: {error}", error.code()),
        };
        assert_eq!(told, expected);
    }

    #[test]
    fn f_091_f_092_the_place_says_what_is_let_through() {
        check(&[], "127.0.0.1:8080 None None");
        check(
            &[("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"), ("PORT", "1")],
            "lambda 127.0.0.1:9001",
        );
        check(
            &[("FUNCTIONS_CUSTOMHANDLER_PORT", "7071")],
            "127.0.0.1:7071 Some(230s) Some(100000000)",
        );
        check(&[("PORT", "8081")], "0.0.0.0:8081 Some(300s) Some(33554432)");
        check(
            &[
                ("PORT", "80"),
                ("HASMORE_TIME", "60m"),
                ("HASMORE_BYTES", "10 MB"),
                ("HASMORE_KEY", "k"),
            ],
            "0.0.0.0:80 Some(3600s) Some(10000000) locked",
        );
        check(&[("PORT", "")], "127.0.0.1:8080 None None");
        check(
            &[("PORT", "many")],
            "invalid_environment: the environment variable PORT: invalid digit found in string",
        );
    }

    #[test]
    fn f_018_a_key_is_not_printed() {
        let variable = |name: &str| (name == "HASMORE_KEY").then(|| "hunter2".to_owned());
        let settings = Settings::read(&variable, SocketAddr::from(([127, 0, 0, 1], 1)));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
