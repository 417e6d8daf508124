//! A sync into Postgres beside the least that it could cost there: the same rows, ready as CSV, copied
//! into a temporary table by psql and inserted from it. And beside dlt, tuned, where it is given a Python
//! that has it.
//!
//! Counted is the CPU of the client and of the server, whose processes are all our own.

#[path = "../driver.rs"]
mod driver;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use bench::measure::measure;
use driver::FunctionServer;
use postgres_cluster::{Cluster, SUPERUSER};

/// No power failure is survived, and nothing runs that nobody asked for: both sides have it alike.
const SETTINGS: [&str; 4] =
    ["fsync=off", "autovacuum=off", "max_wal_size=8GB", "shared_buffers=256MB"];
const NAMESPACE: &str = "bench";
const PAGE_ROWS: usize = 1_000;
const REPEATS: usize = 3;
/// What the project holds itself to.
const FIRST_SYNC_MAX: f64 = 2.0;
/// The same, of the CPU of dlt in terms of ours.
const PEER_MIN: f64 = 6.0;
/// The peer is measured up to here: it takes minutes beyond.
const PEER_ROWS_MAX: usize = 100_000;

fn main() -> ExitCode {
    // The function server is this program, too.
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let outcome = match texts.as_slice() {
        ["serve", rows] => serve(rows),
        ["measure", log, _, ..] => bench::measure::stopwatch(Path::new(log), &words[2..])
            .map_err(|error| error.to_string()),
        [hasmore, peer @ ..] if peer.len() < 2 && !hasmore.starts_with("--") => {
            measure_all(Path::new(hasmore), peer.first().map(Path::new), &[100_000, 1_000_000])
        }
        ["--quick", hasmore, peer @ ..] if peer.len() < 2 => {
            measure_all(Path::new(hasmore), peer.first().map(Path::new), &[100_000])
        }
        _ => Err("usage: postgres [--quick] HASMORE [PYTHON]".to_owned()),
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

fn measure_all(hasmore: &Path, peer: Option<&Path>, row_counts: &[usize]) -> Result<(), String> {
    let absolute = |path| std::path::absolute(path).map_err(|error| error.to_string());
    let hasmore = absolute(hasmore)?;
    // Not resolved: a virtual environment's interpreter is a link that must stay one.
    let peer = peer.map(absolute).transpose()?;
    println!(
        "{:>9}  {:<28} {:>8} {:>8} {:>8} {:>8}",
        "rows", "into Postgres", "client", "server", "CPU s", "× floor"
    );
    let mut verdicts = Vec::new();
    for rows in row_counts {
        let peer = peer.as_deref().filter(|_| *rows <= PEER_ROWS_MAX);
        let (ratio, peer) = Scale::new(&hasmore, peer, *rows)?.run()?;
        if let Some(peer) = peer {
            let verdict = if peer >= PEER_MIN { "met   " } else { "MISSED" };
            verdicts.push(format!(
                "{verdict}  first sync of {rows} rows into Postgres: dlt takes {peer:.1} × the CPU, at least {PEER_MIN:.1} ×"
            ));
        }
        let verdict = if ratio <= FIRST_SYNC_MAX { "met   " } else { "MISSED" };
        verdicts.push(format!(
            "{verdict}  first sync of {rows} rows into Postgres: {ratio:.2} × the floor, at most {FIRST_SYNC_MAX:.2} ×"
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

/// One number of rows.
struct Scale<'a> {
    hasmore: &'a Path,
    /// A Python that has dlt.
    peer: Option<&'a Path>,
    rows: usize,
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Scale<'_> {
    fn new<'a>(
        hasmore: &'a Path,
        peer: Option<&'a Path>,
        rows: usize,
    ) -> Result<Scale<'a>, String> {
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
        Ok(Scale { hasmore, peer, rows, cluster: Cluster::start(&SETTINGS)?, folder })
    }

    /// Prints each kind of sync and the floor; answers what the first sync costs in terms of the floor, and
    /// what it costs the peer in terms of ours.
    fn run(&self) -> Result<(f64, Option<f64>), String> {
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
        let peer = match self.peer {
            None => None,
            Some(python) => {
                server.show(round + 1, false)?;
                let peer = self.run_peer(python, &url)?;
                self.print("first sync by dlt, tuned", peer, floor);
                Some(peer.sum() / first.sum())
            }
        };
        Ok((first.sum() / floor.sum(), peer))
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

    /// The peer's first sync, from the same function; its state is forgotten each time.
    fn run_peer(&self, python: &Path, url: &str) -> Result<Cpu, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peer.py");
        // Its driver knows no sockets in a folder; without a password it asks for one, which is not checked.
        let database =
            format!("postgresql://{SUPERUSER}:x@127.0.0.1:{}/postgres", self.cluster.port());
        let command: Vec<OsString> =
            vec![python.into(), script.into(), url.into(), database.into()];
        let cost = median(|| {
            self.psql(
                "DROP SCHEMA IF EXISTS peer CASCADE; DROP SCHEMA IF EXISTS peer_staging CASCADE",
            )?;
            // Where there is none, there is nothing to forget.
            let _ = fs::remove_dir_all(self.folder.path().join("peer"));
            self.cpu_of(&command)
        })?;
        let found = self.psql("SELECT count(*), count(DISTINCT id) FROM peer.users")?;
        if found != format!("{0}|{0}", self.rows) {
            return Err(format!("the peer's table is wrong: rows and keys are {found}"));
        }
        Ok(cost)
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
        let query = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'bench'";
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
