//! Calls of a function as files, without secrets: what was asked, what was answered, and what the function
//! asked of its API meanwhile.
//!
//! `recording.json` says whose calls they are. Call 1 is `0001-request.json` with `0001-response.json` or
//! `0001-error.json`, and `0001-upstream.json` where requests to an API were seen.

mod redaction;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::{Failure as Report, Function, FunctionError, Request, Response};
use serde_json::{Value, json};
use transport::Exchange;

use crate::connection::Connection;
use crate::failure::Failure;
pub(crate) use redaction::Redaction;

/// A recording that was read.
pub(crate) struct Recording {
    pub(crate) connection: String,
    pub(crate) namespace: String,
    pub(crate) calls: Vec<RecordedCall>,
}

/// One call. The bytes are those of the files.
pub(crate) struct RecordedCall {
    pub(crate) request: Request,
    pub(crate) answer: Result<Vec<u8>, String>,
    pub(crate) upstream: Vec<Exchange>,
}

/// Writes calls as they come.
pub(crate) struct Recorder {
    folder: PathBuf,
    redaction: Redaction,
    calls: usize,
}

const FORMAT: u64 = 1;
const HEAD: &str = "recording.json";

impl Recorder {
    /// Begins in a folder that holds nothing yet.
    pub(crate) fn begin(folder: &Path, connection: &Connection) -> Result<Recorder, Failure> {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        let mut there = std::fs::read_dir(folder).map_err(|error| unwritable(folder, &error))?;
        if there.next().is_some() {
            let message = format!("the folder {} holds something already", folder.display());
            return Err(Failure::new("recording_exists", message));
        }
        let head = json!({
            "format": FORMAT,
            "connection": connection.name,
            "namespace": connection.namespace,
        });
        let recorder =
            Recorder { folder: folder.to_owned(), redaction: Redaction::of(connection), calls: 0 };
        recorder.write(HEAD, format!("{head:#}\n").as_bytes())?;
        Ok(recorder)
    }

    /// Writes one call down.
    pub(crate) fn add(
        &mut self,
        request: &Request,
        answer: &Result<Response, FunctionError>,
        upstream: &[Exchange],
    ) -> Result<(), Failure> {
        self.calls += 1;
        // Tokens that the API gave out on the way are as secret as what they were given for.
        for exchange in upstream {
            self.redaction.learn(exchange);
        }
        let name = |kind: &str| format!("{:04}-{kind}.json", self.calls);
        let text = |bytes: &[u8]| self.redaction.text(&String::from_utf8_lossy(bytes));
        self.write(&name("request"), text(request.to_json().as_bytes()).as_bytes())?;
        match answer {
            Ok(response) => self.write(&name("response"), text(&wire(response)).as_bytes())?,
            Err(error) => {
                let told = json!({ "code": error.code(), "message": error.to_string() });
                self.write(&name("error"), text(told.to_string().as_bytes()).as_bytes())?;
            }
        }
        if upstream.is_empty() {
            return Ok(());
        }
        let exchanges = upstream.iter().map(|exchange| self.exchange(exchange));
        let exchanges = Value::Array(exchanges.collect());
        self.write(&name("upstream"), format!("{exchanges:#}\n").as_bytes())
    }

    fn exchange(&self, exchange: &Exchange) -> Value {
        let text = |text: &str| self.redaction.text(text);
        let headers = exchange.headers.iter().filter(|(name, _)| {
            !["set-cookie", "set-cookie2"].contains(&name.to_ascii_lowercase().as_str())
        });
        let headers = headers.map(|(name, value)| json!([name, text(value)]));
        json!({
            "method": exchange.method,
            "url": text(&exchange.url),
            "sent": self.body(&exchange.sent),
            "status": exchange.status,
            "headers": headers.collect::<Vec<_>>(),
            "body": self.body(&exchange.body),
        })
    }

    fn body(&self, bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.redaction.text(text).into(),
            Err(_) => {
                let lossy = String::from_utf8_lossy(bytes);
                let hidden = self.redaction.text(&lossy);
                // Bytes that hold a secret are not kept as they are, even where they are no text.
                if hidden == lossy {
                    json!({ "base64": STANDARD.encode(bytes) })
                } else {
                    hidden.into()
                }
            }
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let file = self.folder.join(name);
        std::fs::write(&file, bytes).map_err(|error| unwritable(&file, &error))
    }
}

/// The answer as it came, or as it would go out where it was made in this process or in two parts.
pub(crate) fn wire(response: &Response) -> Vec<u8> {
    if response.body.is_empty() || response.object.is_some() {
        return response.to_json();
    }
    response.body.to_vec()
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("{} cannot be written: {error}", path.display());
    Failure::new("file_unwritable", message)
}

impl Recording {
    /// Reads a folder.
    pub(crate) fn read(folder: &Path) -> Result<Recording, Failure> {
        let head = read_json(&folder.join(HEAD))?;
        if head["format"] != FORMAT {
            let message = format!("{} is no recording of this version", folder.display());
            return Err(Failure::new("recording_unreadable", message));
        }
        let text = |name: &str| head[name].as_str().unwrap_or_default().to_owned();
        let mut calls = Vec::new();
        loop {
            let file = |kind: &str| folder.join(format!("{:04}-{kind}.json", calls.len() + 1));
            let request = file("request");
            if !request.exists() {
                break;
            }
            calls.push(RecordedCall::read(&request, &file)?);
        }
        if calls.is_empty() {
            let message = format!("{} holds no call", folder.display());
            return Err(Failure::new("recording_unreadable", message));
        }
        Ok(Recording { connection: text("connection"), namespace: text("namespace"), calls })
    }
}

impl RecordedCall {
    fn read(request: &Path, file: &dyn Fn(&str) -> PathBuf) -> Result<RecordedCall, Failure> {
        let text = String::from_utf8_lossy(&read(request)?).into_owned();
        let request =
            Request::from_json(&text).map_err(|error| unreadable(request, &error.to_string()))?;
        let (response, error) = (file("response"), file("error"));
        let answer = if response.exists() {
            Ok(read(&response)?)
        } else {
            let told = read_json(&error)?;
            Err(told["message"].as_str().unwrap_or_default().to_owned())
        };
        let upstream = file("upstream");
        let upstream = if upstream.exists() {
            let json = read_json(&upstream)?;
            let exchanges = json.as_array().into_iter().flatten().map(exchange);
            let exchanges: Option<Vec<Exchange>> = exchanges.collect();
            exchanges.ok_or_else(|| unreadable(&upstream, "an exchange lacks a member"))?
        } else {
            Vec::new()
        };
        Ok(RecordedCall { request, answer, upstream })
    }
}

fn exchange(json: &Value) -> Option<Exchange> {
    let text = |name: &str| json[name].as_str().map(str::to_owned);
    let body = |value: &Value| match value {
        Value::String(text) => Some(text.clone().into_bytes()),
        other => STANDARD.decode(other["base64"].as_str()?).ok(),
    };
    let header = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    Some(Exchange {
        method: text("method")?,
        url: text("url")?,
        sent: body(&json["sent"])?.into(),
        status: u16::try_from(json["status"].as_u64()?).ok()?,
        headers: json["headers"].as_array()?.iter().map(header).collect::<Option<_>>()?,
        body: body(&json["body"])?.into(),
    })
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| unreadable(file, &error.to_string()))
}

fn read_json(file: &Path) -> Result<Value, Failure> {
    serde_json::from_slice(&read(file)?).map_err(|error| unreadable(file, &error.to_string()))
}

fn unreadable(file: &Path, why: &str) -> Failure {
    Failure::new("recording_unreadable", format!("{} cannot be read: {why}", file.display()))
}

/// A recording as the Function that it was made of: each state is answered as then, byte for byte.
impl Function for Recording {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let asked = request.state.as_json();
        let call = self.calls.iter().find(|call| call.request.state.as_json() == asked);
        let Some(call) = call else {
            return Err(FunctionError::Refused {
                code: "call_not_recorded",
                message: "this state was not sent when the calls were recorded".into(),
                hint: "record again, with more `--pages`".into(),
            });
        };
        match &call.answer {
            Ok(answer) => Response::from_json(answer.clone().into(), request),
            Err(message) => {
                Err(FunctionError::Failed(Report { message: message.clone(), ..Report::default() }))
            }
        }
    }
}
