use protocol::{Function, FunctionError, Request, State, Warning};

use crate::run::Run;

/// An answer over this is passed with a warning: Fivetran's own setup test fails on it (Dec-10).
const ANSWER_BYTES_WARNED: u64 = 64 << 10;

/// What a function said to the question whether it is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupTest {
    /// Rows it sent along; they were dropped.
    pub rows: u64,
    pub warnings: Vec<Warning>,
}

/// Asks the function once, with `setup_test: true` and a sync id of its own; nothing is stored, rows are
/// dropped and `hasMore` is ignored (Dec-10).
///
/// # Errors
/// Whatever the call ended with: that is what a failed test looks like.
pub async fn setup_test(
    run: &Run,
    state: &State,
    function: &impl Function,
) -> Result<SetupTest, FunctionError> {
    let request = Request { setup_test: true, ..run.request(state.clone()) };
    let response = function.call(&request).await?;
    let mut warnings = response.warnings.clone();
    if response.body_bytes > ANSWER_BYTES_WARNED {
        warnings.push(Warning::new(
            "large_setup_answer",
            format!(
                "the answer has {} bytes; a setup test should answer in less than 64 KiB",
                response.body_bytes
            ),
        ));
    }
    if response.rows() > 0 {
        warnings.push(Warning::new(
            "setup_rows",
            format!(
                "rows sent with the answer to the setup test were dropped: {}",
                response.rows()
            ),
        ));
    }
    Ok(SetupTest { rows: response.rows(), warnings })
}
