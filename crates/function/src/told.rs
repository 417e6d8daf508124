use std::time::Instant;

use protocol::{Function, FunctionError, Request, Response};

/// A Function whose calls are told on standard error, a line each, for the log of the place where it
/// runs: how much was answered, and what was odd. No row and no secret is in them.
pub struct Told<F>(pub F);

impl<F: Function + Sync> Function for Told<F> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let begun = Instant::now();
        let answer = self.0.call(request).await;
        let took = begun.elapsed().as_millis();
        match &answer {
            Ok(response) => {
                for warning in &response.warnings {
                    eprintln!("warning[{}]: {}", warning.code, warning.message);
                }
                let more = if response.has_more { "has more" } else { "the last" };
                eprintln!("answered {} rows in {took} ms, {more}", response.rows());
            }
            Err(error) => eprintln!("error[{}]: {error} (after {took} ms)", error.code()),
        }
        answer
    }
}
