//! A case as its folder tells it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    Approval, DeleteMode, Keyless, Naming, Options, Policy, Resync, SoftDeleteTiming,
    StringInference,
};
use serde_json::Value;

use crate::policy;

/// A scenario: the function's answers in their order, and what must come of them.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// The bodies, whatever they are. A sync that ends is followed by another until none is left.
    pub(crate) responses: Vec<Vec<u8>>,
    pub(crate) expected: String,
    pub(crate) options: Options,
    pub(crate) joining: Joining,
    /// Resyncs before a sync, by its number.
    pub(crate) resyncs: BTreeMap<u64, Resync>,
    /// The commit that the destination refuses, from 1.
    pub(crate) refused_commit: Option<u64>,
    /// Hours that pass while a call is answered, by the number of its response.
    pub(crate) hours: BTreeMap<u64, i64>,
    /// Tables that are there already and are not ours.
    pub(crate) existing_tables: Vec<String>,
    /// What the user approves before a sync, by its number: `table` or `table.column`.
    pub(crate) approvals: BTreeMap<u64, Vec<Approval>>,
    /// Another policy from a sync on, by its number.
    pub(crate) policies: BTreeMap<u64, Arc<Policy>>,
    /// Whether the account shows requests whole, not only their states.
    pub(crate) shows_requests: bool,
}

/// Whether pages wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    Joined,
    PageByPage,
}

impl Case {
    /// Every folder in `cases/`, by name.
    pub(crate) fn all() -> Vec<Case> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cases");
        let entries = fs::read_dir(&root).expect("the folder of cases is there");
        let mut folders: Vec<PathBuf> = entries
            .map(|entry| entry.expect("the folder can be read").path())
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        folders.into_iter().map(Case::read).collect()
    }

    fn read(folder: PathBuf) -> Case {
        let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        let readme = fs::read_to_string(folder.join("README.md")).unwrap_or_default();
        assert!(!readme.trim().is_empty(), "{name}: README.md says what the case shows");
        let response = |number: u32| fs::read(folder.join(format!("{number}-response.json"))).ok();
        let mut case = Case {
            responses: (1..).map_while(response).collect(),
            expected: fs::read_to_string(folder.join("expect.json")).unwrap_or_default(),
            options: Options::default(),
            joining: Joining::Joined,
            resyncs: BTreeMap::new(),
            refused_commit: None,
            hours: BTreeMap::new(),
            existing_tables: Vec::new(),
            approvals: BTreeMap::new(),
            policies: BTreeMap::new(),
            shows_requests: false,
            folder,
            name,
        };
        assert!(!case.responses.is_empty(), "{}: 1-response.json is missing", case.name);
        if let Ok(text) = fs::read_to_string(case.folder.join("case.json")) {
            let told: BTreeMap<String, Value> = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: case.json: {error}", case.name));
            for (key, value) in told {
                case.tell(&key, &value);
            }
        }
        case
    }

    fn tell(&mut self, key: &str, value: &Value) {
        match key {
            "options" => {
                for (key, value) in value.as_object().expect("options are an object") {
                    self.choose(key, value);
                }
            }
            "page_by_page" => self.joining = Joining::PageByPage,
            "resync_before" => self.resyncs = by_number(value, &|value| Some(resync(value))),
            "refuse_commit" => self.refused_commit = value.as_u64(),
            "hours_pass" => self.hours = by_number(value, &Value::as_i64),
            "existing_tables" => {
                let tables = value.as_array().expect("tables are a list").iter();
                self.existing_tables = tables.map(|table| text(table).to_owned()).collect();
            }
            "policy" => {
                for (number, policy) in value.as_object().expect("policies by numbers") {
                    let number = number.parse().expect("the number of a sync");
                    self.policies.insert(number, Arc::new(policy::read(policy)));
                }
            }
            "approve_before" => {
                self.approvals = by_number(value, &|value| {
                    let names = value.as_array()?.iter().map(|name| approval(text(name)));
                    Some(names.collect())
                });
            }
            "show_requests" => self.shows_requests = true,
            other => panic!("{}: case.json knows no {other}", self.name),
        }
    }

    fn choose(&mut self, key: &str, value: &Value) {
        let options = &mut self.options;
        match (key, value.as_str().unwrap_or_default()) {
            ("delete_mode", "hard") => options.delete_mode = DeleteMode::Hard,
            ("string_inference", "full") => options.string_inference = StringInference::Full,
            ("string_inference", "none") => options.string_inference = StringInference::None,
            ("naming", "source") => options.naming = Naming::Source,
            ("keyless", "row_hash") => options.keyless = Keyless::RowHash,
            ("soft_delete_timing", "on_response") => {
                options.soft_delete_timing = SoftDeleteTiming::OnResponse;
            }
            ("lenient_numbers", _) => options.lenient_numbers = true,
            other => panic!("{}: there is no option {other:?}", self.name),
        }
    }
}

fn by_number<T>(value: &Value, read: &dyn Fn(&Value) -> Option<T>) -> BTreeMap<u64, T> {
    let members = value.as_object().expect("an object by numbers").iter();
    members
        .map(|(number, value)| {
            (number.parse().expect("a number"), read(value).expect("a value of its kind"))
        })
        .collect()
}

/// `true` to mark what is missing, or the members of a resync.
fn resync(value: &Value) -> Resync {
    Resync {
        mark_missing: value.as_bool().unwrap_or(true),
        rebuild: value["rebuild"].as_bool().unwrap_or_default(),
        table: value["table"].as_str().map(str::to_owned),
    }
}

fn approval(name: &str) -> Approval {
    let (table, column) = match name.split_once('.') {
        Some((table, column)) => (table, Some(column.to_owned())),
        None => (name, None),
    };
    Approval { table: table.to_owned(), column }
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
