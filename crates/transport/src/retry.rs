use std::pin::Pin;
use std::time::Duration;

use protocol::{Function, FunctionError, Request, Response};

use crate::chance::fraction;
use crate::log::{Log, LogLine};

/// A Function that tries again with the same request when that can help (Dec-31).
///
/// A lost connection, a throttle or a gateway's error is worth three more tries, a timeout one. What
/// the function itself answered is final.
pub struct Retrying<F> {
    function: F,
    log: Log,
    sleep: Sleep,
    chance: Chance,
}

/// Waits for a while.
pub type Sleep = Box<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;
/// A number from 0 to 1.
pub type Chance = Box<dyn Fn() -> f64 + Send + Sync>;

/// Enough for a gateway that restarts, few enough to tell the person soon.
const TRIES_MORE_MAX: u32 = 3;
const TIMEOUTS_MORE_MAX: u32 = 1;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// A longer `Retry-After` is cut: the schedule brings the next try.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

impl<F> Retrying<F> {
    /// Each pause is told to `log`.
    pub fn new(function: F, log: Log) -> Retrying<F> {
        Retrying {
            function,
            log,
            sleep: Box::new(|pause| Box::pin(tokio::time::sleep(pause))),
            chance: Box::new(fraction),
        }
    }

    /// With its own time and chance, for tests.
    #[must_use]
    pub fn with_time(self, sleep: Sleep, chance: Chance) -> Retrying<F> {
        Retrying { sleep, chance, ..self }
    }

    /// How long to wait before try number `more` of those to come, or nothing if it is no use.
    fn pause(&self, error: &FunctionError, more: u32, timeouts: u32) -> Option<Duration> {
        let doubled = || {
            let whole = PAUSE_FIRST.saturating_mul(1 << (more - 1)).min(PAUSE_MAX);
            // Between half and whole, so that many connections do not come back at once.
            whole.mul_f64(0.5 + 0.5 * (self.chance)())
        };
        match error {
            FunctionError::Unavailable { retry_after, .. } if more <= TRIES_MORE_MAX => {
                Some(retry_after.map_or_else(doubled, |after| after.min(RETRY_AFTER_MAX)))
            }
            FunctionError::TimedOut { .. }
                if more <= TRIES_MORE_MAX && timeouts <= TIMEOUTS_MORE_MAX =>
            {
                Some(doubled())
            }
            _ => None,
        }
    }
}

impl<F: Function + Sync> Function for Retrying<F> {
    async fn call(&self, request: &Request) -> Result<Response, FunctionError> {
        let (mut more, mut timeouts) = (0, 0);
        loop {
            let error = match self.function.call(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            more += 1;
            timeouts += u32::from(matches!(error, FunctionError::TimedOut { .. }));
            let Some(pause) = self.pause(&error, more, timeouts) else { return Err(error) };
            (self.log)(LogLine::hasmore(format!(
                "{error}; trying again in {:.1} s ({more} of {TRIES_MORE_MAX})",
                pause.as_secs_f64()
            )));
            (self.sleep)(pause).await;
        }
    }
}
