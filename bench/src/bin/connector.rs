//! A manifest that reads an API into DuckDB, beside the least that it could cost (L) and beside dlt, which
//! reads the same API; and how much time is saved by asking for several pages at once.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench::driver::FunctionServer;
use bench::measure::{Cost, measure, median};
use bench::rows::Rows;

const ROWS: usize = 100_000;
const REPEATS: usize = 3;
/// Milliseconds that a page takes where waiting is what counts.
const PAUSE: u32 = 50;
/// What the project holds itself to.
const SYNC_MAX: f64 = 1.2;
const PEER_MIN: f64 = 12.0;
const PARALLEL_MAX: f64 = 0.25;

struct Programs {
    hasmore: PathBuf,
    /// An interpreter with the `duckdb` module, and one with dlt.
    python: PathBuf,
    peers: PathBuf,
}

fn main() -> ExitCode {
    // The API is this program, too.
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let outcome = match texts.as_slice() {
        ["serve", rows] => rows
            .parse()
            .map_err(|_| format!("{rows} is no number of rows"))
            .and_then(|rows| bench::server::serve(rows).map_err(|error| error.to_string())),
        ["measure", log, _, ..] => bench::measure::stopwatch(Path::new(log), &words[2..])
            .map_err(|error| error.to_string()),
        [hasmore, python, peers] => {
            // Not resolved: a virtual environment's interpreter is a link that must stay one.
            let absolute = |path| std::path::absolute(path).expect("there is a working folder");
            let [hasmore, python, peers] = [hasmore, python, peers].map(absolute);
            measure_all(&Programs { hasmore, python, peers })
        }
        _ => Err("usage: connector HASMORE PYTHON PYTHON_WITH_DLT".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure_all(programs: &Programs) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let bench = Bench { programs, folder: folder.path(), server: FunctionServer::start(ROWS)? };
    let start = Bench::script("limit.py", &programs.python, ["start"]);
    let start = median(REPEATS, || measure(&start, &folder.path().join("log")))?;
    let limit = bench.limit()?;
    let sync = bench.checked(|database| bench.sync(0, 4, database))?;
    let peer = bench.checked(|database| bench.peer(database))?;
    let one_by_one = bench.checked(|database| bench.sync(PAUSE, 1, database))?;
    let parallel = bench.checked(|database| bench.sync(PAUSE, 8, database))?;
    // L is DuckDB's work, not the start of the Python that asks for it.
    let least = limit.cpu_seconds - start.cpu_seconds;
    println!(
        "{ROWS} rows in pages of 1,000   {:>8} {:>8} {:>8} {:>7}",
        "CPU s", "wall s", "peak MB", "× L"
    );
    for (what, cost) in [
        ("L", Cost { cpu_seconds: least, ..limit }),
        ("a manifest into DuckDB", sync),
        ("dlt into DuckDB", peer),
        ("50 ms a page, one by one", one_by_one),
        ("50 ms a page, 8 at once", parallel),
    ] {
        println!(
            "{what:<30} {:>8.2} {:>8.2} {:>8.0} {:>7.2}",
            cost.cpu_seconds,
            cost.wall_seconds,
            cost.peak_megabytes,
            cost.cpu_seconds / least
        );
    }
    let verdict = |is_met| if is_met { "met   " } else { "MISSED" };
    let of_limit = sync.cpu_seconds / least;
    let of_peer = peer.cpu_seconds / sync.cpu_seconds;
    let of_wall = parallel.wall_seconds / one_by_one.wall_seconds;
    println!(
        "\n{}  a manifest: {of_limit:.2} L, at most {SYNC_MAX:.2} L",
        verdict(of_limit <= SYNC_MAX)
    );
    println!(
        "{}  dlt: {of_peer:.1} × a manifest's CPU, at least {PEER_MIN:.0} ×",
        verdict(of_peer >= PEER_MIN)
    );
    println!(
        "{}  8 pages at once: {of_wall:.2} of the time of one by one, at most {PARALLEL_MAX:.2}",
        verdict(of_wall <= PARALLEL_MAX)
    );
    Ok(())
}

struct Bench<'a> {
    programs: &'a Programs,
    folder: &'a Path,
    server: FunctionServer,
}

impl Bench<'_> {
    /// L: DuckDB alone, its rows already on disk.
    fn limit(&self) -> Result<Cost, String> {
        let lines = self.folder.join("rows.ndjson");
        write(&lines, &Rows::generate(ROWS).lines(0..ROWS))?;
        let lines = lines.to_string_lossy();
        self.checked(|database| {
            let words = ["merge", &database.to_string_lossy(), &lines];
            Ok(Self::script("limit.py", &self.programs.python, words))
        })
    }

    fn sync(&self, pause: u32, concurrency: u32, database: &Path) -> Result<Vec<OsString>, String> {
        let manifest = self.folder.join("api.yaml");
        let api = self.server.api();
        write(
            &manifest,
            &format!(
                "name: api\nbase_url: {api}\nrequests: {{concurrency: {concurrency}}}\ntables:\n  users:\n    query: {{pause: \"{pause}\"}}\n    records: data\n    primary_key: id\n    pagination: {{page: {{to: query.page}}, size: {{to: query.per_page, value: 1000}}, total: body.total}}\n"
            ),
        )?;
        let mut command = vec![self.programs.hasmore.clone().into_os_string()];
        command.extend(["sync", "--quiet", "--manifest"].map(OsString::from));
        command.extend([manifest.into(), "--to".into(), database.into()]);
        Ok(command)
    }

    fn peer(&self, database: &Path) -> Result<Vec<OsString>, String> {
        let state = self.folder.join("dlt");
        if state.exists() {
            fs::remove_dir_all(&state).map_err(|error| format!("dlt's folder: {error}"))?;
        }
        let words = [&self.server.api(), &*database.to_string_lossy(), &*state.to_string_lossy()];
        Ok(Self::script("dlt_rest.py", &self.programs.peers, words))
    }

    fn script<const N: usize>(name: &str, python: &Path, words: [&str; N]) -> Vec<OsString> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let mut command = vec![python.as_os_str().to_owned(), script.into_os_string()];
        command.extend(words.map(OsString::from));
        command
    }

    /// The median of several runs, each into a new file that must hold every row once.
    fn checked(
        &self,
        command: impl Fn(&Path) -> Result<Vec<OsString>, String>,
    ) -> Result<Cost, String> {
        let database = self.folder.join("measured.duckdb");
        median(REPEATS, || {
            for path in [&database, &database.with_extension("duckdb.wal")] {
                if path.exists() {
                    fs::remove_file(path).map_err(|error| format!("cannot remove: {error}"))?;
                }
            }
            let cost = measure(&command(&database)?, &self.folder.join("log"))?;
            let check = Self::script(
                "limit.py",
                &self.programs.python,
                ["check", &database.to_string_lossy()],
            );
            let log = self.folder.join("check");
            measure(&check, &log)?;
            let found = fs::read_to_string(&log).unwrap_or_default();
            if !found.starts_with(&format!("{ROWS} {ROWS} ")) {
                return Err(format!("the table is wrong: rows, keys and logins are {found}"));
            }
            Ok(cost)
        })
    }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}
