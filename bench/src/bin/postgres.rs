//! A sync into Postgres beside the least that it could cost there: the same rows, ready as CSV, copied
//! into a temporary table by psql and inserted from it.
//!
//! Counted is the CPU of the client and of the server, whose processes are all our own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use bench::driver::FunctionServer;
use bench::measure::measure;
use postgres_cluster::{Cluster, SUPERUSER};

/// No power failure is survived, and nothing runs that nobody asked for: both sides have it alike.
const SETTINGS: [&str; 4] =
    ["fsync=off", "autovacuum=off", "max_wal_size=8GB", "shared_buffers=256MB"];
const NAMESPACE: &str = "bench";
const PAGE_ROWS: usize = 1_000;
/// The median of these: the first ones also pay for memory that the server and the system have not touched yet.
const REPEATS: usize = 5;
/// What the project holds itself to.
const FIRST_SYNC_MAX: f64 = 2.0;
const PEER_MIN: f64 = 6.0;

fn main() -> ExitCode {
    // The function server is this program, too.
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let outcome = match texts.as_slice() {
        ["serve", rows] => serve(rows),
        ["measure", log, _, ..] => bench::measure::stopwatch(Path::new(log), &words[2..])
            .map_err(|error| error.to_string()),
        [hasmore, peers] => measure_all(hasmore, peers, &[100_000, 1_000_000]),
        ["--quick", hasmore, peers] => measure_all(hasmore, peers, &[100_000]),
        _ => Err("usage: postgres [--quick] HASMORE PYTHON_WITH_DLT".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(rows: &str) -> Result<(), String> {
    let rows = rows.parse().map_err(|_| format!("{rows} is no number of rows"))?;
    bench::server::serve(rows).map_err(|error| format!("the function server: {error}"))
}

fn measure_all(hasmore: &str, peers: &str, row_counts: &[usize]) -> Result<(), String> {
    // Not resolved: a virtual environment's interpreter is a link that must stay one.
    let absolute = |path| std::path::absolute(path).map_err(|error| error.to_string());
    let (hasmore, peers) = (absolute(hasmore)?, absolute(peers)?);
    println!(
        "{:>9}  {:<28} {:>8} {:>8} {:>8} {:>8}",
        "rows", "into Postgres", "client", "server", "CPU s", "× floor"
    );
    let mut verdicts = Vec::new();
    for rows in row_counts {
        let Ratios { of_floor, of_peer } = Scale::new(&hasmore, &peers, *rows)?.run()?;
        let verdict = |is_met| if is_met { "met   " } else { "MISSED" };
        verdicts.push(format!(
            "{}  first sync of {rows} rows into Postgres: {of_floor:.2} × the floor, at most {FIRST_SYNC_MAX:.2} ×",
            verdict(of_floor <= FIRST_SYNC_MAX)
        ));
        verdicts.push(format!(
            "{}  dlt, {rows} rows into Postgres: {of_peer:.1} × the CPU of a first sync, at least {PEER_MIN:.0} ×",
            verdict(of_peer >= PEER_MIN)
        ));
    }
    println!("\n{}", verdicts.join("\n"));
    Ok(())
}

/// CPU seconds on both sides.
#[derive(Clone, Copy)]
struct Cpu {
    client: f64,
    server: f64,
}

impl Cpu {
    fn sum(self) -> f64 {
        self.client + self.server
    }
}

/// A first sync against what it is held to.
struct Ratios {
    of_floor: f64,
    of_peer: f64,
}

/// One number of rows.
struct Scale<'a> {
    hasmore: &'a Path,
    /// An interpreter with dlt.
    peers: &'a Path,
    rows: usize,
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Scale<'_> {
    fn new<'a>(hasmore: &'a Path, peers: &'a Path, rows: usize) -> Result<Scale<'a>, String> {
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        Ok(Scale { hasmore, peers, rows, cluster: Cluster::start(&SETTINGS)?, folder })
    }

    /// Prints each kind of sync, the floor and the peer.
    fn run(&self) -> Result<Ratios, String> {
        let mut server = FunctionServer::start(self.rows)?;
        let url = server.url(PAGE_ROWS);
        let first = median(|| {
            self.psql(&format!(
                "DROP SCHEMA IF EXISTS {NAMESPACE} CASCADE; DROP SCHEMA IF EXISTS _hasmore CASCADE"
            ))?;
            self.sync(&url)
        })?;
        self.check()?;
        let floor = self.floor()?;
        let floor = median(|| {
            self.psql("DROP TABLE IF EXISTS floor")?;
            self.cpu_of(&floor)
        })?;
        self.print("floor: COPY, INSERT by psql", floor, floor);
        self.print("first sync", first, floor);
        let mut round = 1;
        let again = median(|| {
            round += 1;
            server.show(round, false)?;
            self.sync(&url)
        })?;
        self.print("the same again", again, floor);
        server.show(round, true)?;
        self.print("1 % edited", self.sync(&url)?, floor);
        self.check()?;
        let peer = median(|| {
            self.psql(&format!("DROP SCHEMA IF EXISTS {NAMESPACE} CASCADE; DROP SCHEMA IF EXISTS {NAMESPACE}_staging CASCADE"))?;
            self.cpu_of(&self.peer(&server.api())?)
        })?;
        self.check()?;
        self.print("dlt, first sync", peer, floor);
        Ok(Ratios { of_floor: first.sum() / floor.sum(), of_peer: peer.sum() / first.sum() })
    }

    /// dlt over the same rows, at its cheapest.
    fn peer(&self, api: &str) -> Result<Vec<OsString>, String> {
        let state = self.folder.path().join("dlt");
        if state.exists() {
            fs::remove_dir_all(&state).map_err(|error| format!("dlt's folder: {error}"))?;
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/dlt_arrow.py");
        let mut command = vec![self.peers.as_os_str().to_owned(), script.into()];
        command.extend([api, &self.url()].map(OsString::from));
        command.push(state.into());
        Ok(command)
    }

    fn print(&self, what: &str, cpu: Cpu, floor: Cpu) {
        println!(
            "{:>9}  {what:<28} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
            self.rows,
            cpu.client,
            cpu.server,
            cpu.sum(),
            cpu.sum() / floor.sum()
        );
    }

    fn url(&self) -> String {
        self.cluster.url(SUPERUSER, "postgres")
    }

    fn sync(&self, url: &str) -> Result<Cpu, String> {
        let mut command = vec![self.hasmore.as_os_str().to_owned()];
        command.extend(
            ["sync", "--quiet", "--name", NAMESPACE, "--url", url, "--to"].map(OsString::from),
        );
        command.push(self.url().into());
        self.cpu_of(&command)
    }

    /// Each row is there, once.
    fn check(&self) -> Result<(), String> {
        let table = self.table()?;
        let query = format!("SELECT count(*), count(DISTINCT id) FROM {table}");
        let (found, rows) = (self.psql(&query)?, self.rows);
        if found == format!("{rows}|{rows}") {
            return Ok(());
        }
        Err(format!("the table is wrong: rows and keys are {found}, expected {rows}"))
    }

    fn table(&self) -> Result<String, String> {
        let query = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'bench' AND tablename = 'users'";
        self.psql(query)
    }

    /// Writes the rows as CSV, and answers the command that lands them with nothing but psql.
    fn floor(&self) -> Result<Vec<OsString>, String> {
        let (table, csv) = (self.table()?, self.folder.path().join("rows.csv"));
        let script = self.folder.path().join("floor.sql");
        let write = |path: &PathBuf, text: &str| {
            fs::write(path, text)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))
        };
        write(&script, &format!("\\copy (SELECT * FROM {table}) TO '{}' CSV\n", csv.display()))?;
        let command = |script: &PathBuf| -> Vec<OsString> {
            let program = self.cluster.program("psql");
            let words = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-f"];
            let mut command = vec![program.into_os_string()];
            command.extend(words.map(OsString::from));
            command.push(script.clone().into_os_string());
            command
        };
        measure(&command(&script), &self.folder.path().join("log"))?;
        let of_columns = |expression: &str, but_key: &str| {
            self.psql(&format!(
                "SELECT string_agg({expression}, ', ' ORDER BY attnum) FROM pg_attribute \
                 WHERE attrelid = '{table}'::regclass AND attnum > 0 {but_key}"
            ))
        };
        let columns = of_columns("format('%I %s', attname, format_type(atttypid, atttypmod))", "")?;
        let set = of_columns("format('%1$I = excluded.%1$I', attname)", "AND attname <> 'id'")?;
        write(
            &script,
            &format!(
                "BEGIN;\nCREATE TABLE floor ({columns}, PRIMARY KEY (id));\n\
                 CREATE TEMPORARY TABLE incoming (LIKE floor) ON COMMIT DROP;\n\
                 \\copy incoming FROM '{}' CSV\n\
                 INSERT INTO floor SELECT * FROM incoming ON CONFLICT (id) DO UPDATE SET {set};\n\
                 COMMIT;\n",
                csv.display()
            ),
        )?;
        Ok(command(&script))
    }

    /// Runs a program, and reads the server's clock before and after.
    fn cpu_of(&self, command: &[OsString]) -> Result<Cpu, String> {
        let before = self.server_cpu()?;
        let cost = measure(command, &self.folder.path().join("log"))?;
        Ok(Cpu { client: cost.cpu_seconds, server: self.server_cpu()? - before })
    }

    /// Of the server's process, of those that it has ended, and of those that run.
    fn server_cpu(&self) -> Result<f64, String> {
        let main = self.cluster.pid().ok_or("the server has ended")?;
        let mut ticks = 0;
        for entry in fs::read_dir("/proc").map_err(|error| error.to_string())?.flatten() {
            // A process may end while we look.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
            // The name, in parentheses, may hold anything.
            let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
            let fields: Vec<u64> =
                rest.split(' ').skip(1).map(|field| field.parse().unwrap_or(0)).collect();
            let is_main = entry.file_name().to_str() == Some(&main.to_string());
            let [parent, ..] = fields[..] else { continue };
            if is_main {
                ticks += fields[10..14].iter().sum::<u64>();
            } else if parent == u64::from(main) {
                ticks += fields[10..12].iter().sum::<u64>();
            }
        }
        // Linux counts a hundred a second, for everybody who asks.
        #[allow(clippy::cast_precision_loss, reason = "ticks of a benchmark are few")]
        Ok(ticks as f64 / 100.0)
    }

    fn psql(&self, query: &str) -> Result<String, String> {
        let output = Command::new(self.cluster.program("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", query])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("psql cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("psql: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn median(mut run: impl FnMut() -> Result<Cpu, String>) -> Result<Cpu, String> {
    let mut costs = (0..REPEATS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    costs.sort_by(|a, b| a.sum().total_cmp(&b.sum()));
    Ok(costs[REPEATS / 2])
}
