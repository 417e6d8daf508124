//! The crate graph has only the arrows that the architecture draws.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Packages by id: the name, and the ids of what it depends on when it is built.
struct Graph {
    names: BTreeMap<String, String>,
    arrows: BTreeMap<String, Vec<String>>,
    workspace: BTreeSet<String>,
}

impl Graph {
    fn read() -> Graph {
        let rustc = said("rustc", &["-vV"]);
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
        // Packages for other platforms may not be on this machine.
        let line = ["metadata", "--format-version", "1", "--offline", "--filter-platform", host];
        let metadata: serde_json::Value =
            serde_json::from_str(&said("cargo", &line)).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let list = |value: &serde_json::Value| value.as_array().expect("a list").clone();
        let names = list(&metadata["packages"]);
        let names = names.iter().map(|package| (text(&package["id"]), text(&package["name"])));
        let is_built = |dependency: &serde_json::Value| {
            list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null())
        };
        let arrows = list(&metadata["resolve"]["nodes"]).into_iter().map(|node| {
            let built = list(&node["deps"]).into_iter().filter(is_built);
            (text(&node["id"]), built.map(|dependency| text(&dependency["pkg"])).collect())
        });
        Graph {
            names: names.collect(),
            arrows: arrows.collect(),
            workspace: list(&metadata["workspace_members"]).iter().map(text).collect(),
        }
    }

    fn id(&self, name: &str) -> &str {
        let member = self.workspace.iter().find(|id| self.names[*id] == name);
        member.unwrap_or_else(|| panic!("{name} is in the workspace"))
    }

    /// The names of everything that a crate of ours is built with.
    fn reached(&self, name: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![self.id(name)];
        while let Some(id) = open.pop() {
            for next in &self.arrows[id] {
                if reached.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        reached.into_iter().map(|id| self.names[id].as_str()).collect()
    }
}

/// The names of everything that a crate is built with when nothing else is built: what others want of the
/// crates that they share does not count.
fn built_alone(name: &str) -> BTreeSet<String> {
    let line = ["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--offline"];
    let tree = said("cargo", &line);
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.filter(|other| *other != name).map(str::to_owned).collect()
}

fn said(program: &str, line: &[&str]) -> String {
    let program = std::env::var(program.to_uppercase()).unwrap_or_else(|_| program.into());
    let folder = env!("CARGO_MANIFEST_DIR");
    let output = Command::new(program).args(line).current_dir(folder).output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn no_crate_reaches_what_it_must_not() {
    const OURS: [&str; 11] = [
        "protocol",
        "engine",
        "connector",
        "function",
        "transport",
        "destination-delta",
        "destination-duckdb",
        "destination-postgres",
        "destination-sqlite",
        "simulation",
        "cli",
    ];
    const DESTINATIONS: [&str; 4] =
        ["destination-delta", "destination-duckdb", "destination-postgres", "destination-sqlite"];
    const NETWORKS: [&str; 4] = ["tokio", "hyper", "reqwest", "rustls"];
    const DATABASES: [&str; 4] = ["duckdb", "libduckdb-sys", "tokio-postgres", "rusqlite"];
    // Nothing that stores, and nothing that only a command for people needs.
    const HEAVY: [&str; 4] = ["arrow-array", "clap", "mimalloc", "postgres"];
    let forbidden: [(&str, Vec<&[&str]>); 10] = [
        ("protocol", vec![&OURS, &NETWORKS, &DATABASES]),
        (
            "engine",
            vec![
                &["connector", "transport", "simulation", "cli"],
                &DESTINATIONS,
                &NETWORKS,
                &DATABASES,
            ],
        ),
        (
            "connector",
            vec![&["engine", "transport", "simulation", "cli"], &DESTINATIONS, &DATABASES],
        ),
        (
            "transport",
            vec![&["engine", "connector", "simulation", "cli"], &DESTINATIONS, &DATABASES],
        ),
        ("function", vec![&["engine", "simulation", "cli"], &DESTINATIONS, &DATABASES, &HEAVY]),
        // A lake's batches land in a DuckDB file first.
        (
            "destination-delta",
            vec![
                &["connector", "transport", "simulation", "cli", "rusqlite", "tokio-postgres"],
                &["destination-postgres", "destination-sqlite"],
            ],
        ),
        (
            "destination-duckdb",
            vec![&[
                "destination-delta",
                "connector",
                "transport",
                "simulation",
                "cli",
                "destination-postgres",
                "tokio-postgres",
                "destination-sqlite",
                "rusqlite",
            ]],
        ),
        (
            "destination-postgres",
            vec![&[
                "destination-delta",
                "connector",
                "transport",
                "simulation",
                "cli",
                "destination-duckdb",
                "duckdb",
                "destination-sqlite",
                "rusqlite",
            ]],
        ),
        (
            "destination-sqlite",
            vec![
                &["connector", "transport", "simulation", "cli", "duckdb"],
                &["destination-delta", "destination-duckdb", "destination-postgres"],
                &NETWORKS,
            ],
        ),
        (
            "simulation",
            vec![&["connector", "transport", "cli"], &DESTINATIONS, &NETWORKS, &DATABASES],
        ),
    ];
    let graph = Graph::read();
    for (name, walls) in forbidden {
        let alone = (name == "function").then(|| built_alone(name));
        let reached = match &alone {
            Some(alone) => alone.iter().map(String::as_str).collect(),
            None => graph.reached(name),
        };
        for unwanted in walls.into_iter().flatten() {
            assert!(!reached.contains(unwanted), "{name} must not reach {unwanted}");
        }
    }
}

#[test]
fn nothing_is_built_upon_the_command() {
    let graph = Graph::read();
    for id in &graph.workspace {
        let cli = graph.id("cli");
        assert!(
            !graph.arrows[id].iter().any(|next| next == cli),
            "{} depends on cli",
            graph.names[id]
        );
    }
}
