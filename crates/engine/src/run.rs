use std::sync::Arc;
use std::time::Duration;

use protocol::{CustomPayload, Request, Room, Secrets, State, SyncId};

use crate::policy::Policy;
use crate::time::Timestamp;

/// One sync: who we are, what the function needs, and what the user chose.
#[derive(Clone)]
pub struct Run {
    pub sync_id: SyncId,
    /// The start of the sync; `_fivetran_synced` is this, cut to milliseconds (Dec-41).
    pub started_at: Timestamp,
    /// The core reads no clock of its own.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// `<product>/<version>/<connection>/<schema>` (Dec-01).
    pub agent: String,
    pub secrets: Secrets,
    pub custom_payload: CustomPayload,
    pub options: Options,
    pub limits: Limits,
}

/// What the user chose about one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub delete_mode: DeleteMode,
    pub string_inference: StringInference,
    pub naming: Naming,
    pub keyless: Keyless,
    pub soft_delete_timing: SoftDeleteTiming,
    /// Whether a bare `NaN` or `Infinity` becomes NULL instead of an error (Dec-62).
    pub lenient_numbers: bool,
    /// What becomes of U+0000 in a text: the destination says what it can hold (Dec-62).
    pub nul_characters: NulCharacters,
    /// What may grow, and what is left out.
    pub policy: Arc<Policy>,
}

/// U+0000 in a text, which some databases cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NulCharacters {
    #[default]
    Keep,
    /// It is removed, with a warning. Inside objects and arrays it stays: there it is written `\u0000`.
    Remove,
}

/// What happens to a row in `delete` (Dec-24).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeleteMode {
    /// It is marked in `_fivetran_deleted`.
    #[default]
    Soft,
    /// It is removed, unless `softDelete` names its table (Dec-21).
    Hard,
}

/// What is read inside strings (Dec-55). Strings in key columns are always strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StringInference {
    /// Dates and date-times.
    #[default]
    Temporal,
    /// Also numbers and booleans.
    Full,
    None,
}

/// How source names become names in the destination (section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Naming {
    /// Lower case with underscores, by Fivetran's rules.
    #[default]
    Fivetran,
    /// As they come (F-151).
    Source,
}

impl std::fmt::Display for Naming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Naming::Fivetran => "fivetran",
            Naming::Source => "source",
        })
    }
}

/// The key of a table that declares none (Dec-42).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keyless {
    #[default]
    BatchIndex,
    RowHash,
}

/// When a table named in `softDelete` is swept (Dec-22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoftDeleteTiming {
    /// In the last commit of the sync.
    #[default]
    OnSuccess,
    /// In the commit of the page that names it.
    OnResponse,
}

/// Every maximum of a sync, and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Empty pages tolerated in a row; one more ends the sync (Dec-32). 0 = off.
    pub empty_pages_max: u32,
    /// No call starts later than this after the first (Dec-34). `None` = off.
    pub sync_time_max: Option<Duration>,
    /// A batch this long is landed.
    pub batch_rows_max: u64,
    /// A batch whose rows took this many bytes on the wire is landed: it bounds memory.
    pub batch_bytes_max: u64,
    /// A batch whose oldest page waited this long is landed: it bounds what a crash repeats.
    pub batch_age_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            empty_pages_max: 10,
            sync_time_max: Some(Duration::from_secs(6 * 60 * 60)),
            batch_rows_max: 100_000,
            batch_bytes_max: 64 << 20,
            batch_age_max: Duration::from_secs(10),
        }
    }
}

impl Run {
    /// The request that continues from `state`.
    pub fn request(&self, state: State) -> Request {
        Request {
            agent: self.agent.clone(),
            state,
            secrets: self.secrets.clone(),
            custom_payload: self.custom_payload.clone(),
            setup_test: false,
            sync_id: self.sync_id.clone(),
            object: None,
            room: Room::default(),
        }
    }

    /// The value of `_fivetran_synced` for every row of this sync.
    pub fn synced_at(&self) -> Timestamp {
        self.started_at.to_milliseconds()
    }
}
