//! Tables whose rows are in files.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use protocol::Function;
use serde_json::Value;
use tempfile::TempDir;

use crate::api::{Answered, Api, Asked};
use crate::formats::gzip;
use crate::run::{Platform, told};

/// An API that nobody asks.
async fn no_api() -> Api {
    Api::serve(|_| Answered::status(500)).await
}

/// A folder and a manifest whose table `items` is read from it.
struct Folder {
    inner: TempDir,
    text: String,
    api: Api,
}

impl Folder {
    /// `{}` in the table stands for the folder's path.
    async fn new(table: &str, call: &str) -> Folder {
        let folder = tempfile::tempdir().expect("a folder");
        let table = table.replace("{}", folder.path().to_str().expect("a path"));
        let text = format!("name: x\n{call}\ntables:\n  items: {table}\n");
        Folder { inner: folder, text, api: no_api().await }
    }

    fn platform(&self) -> Platform {
        Platform::new(&self.text, &self.api)
    }

    /// Writes a file that was changed so many seconds after some day.
    fn write(&self, name: &str, body: impl AsRef<[u8]>, changed: u64) {
        let path = self.inner.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let mut file = fs::File::create(path).expect("a file");
        file.write_all(body.as_ref()).expect("a file");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + changed);
        file.set_modified(time).expect("a time");
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.inner.path().join(name)).expect("a file");
    }
}

/// Rows as `FILE:LINE ID`, in order.
pub(crate) fn lines(platform: &Platform) -> Vec<String> {
    let rows = platform.tables.get("items").into_iter().flatten();
    let mut lines: Vec<String> = rows
        .map(|(_, row)| {
            let file = Path::new(row["_file"].as_str().expect("a path")).file_name();
            let file = file.expect("a name").to_str().expect("text");
            format!("{file}:{} {}", row["_line"], row["id"])
        })
        .collect();
    lines.sort();
    lines
}

pub(crate) fn csv(ids: std::ops::Range<u64>) -> String {
    let rows = ids.map(|id| format!("{id},name {id}\n")).collect::<Vec<_>>().concat();
    format!("id,name\n{rows}")
}

#[tokio::test]
async fn new_and_changed_files_are_read_and_no_other() {
    let folder = Folder::new("{files: '{}/*/*.csv', format: csv}", "").await;
    let mut platform = folder.platform();
    platform.sync().await.expect("a sync");
    assert_eq!(platform.warnings, ["no_files"]);
    folder.write("a/1.csv", csv(1..3), 10);
    folder.write("b/2.csv", csv(3..4), 10);
    folder.write("b/c/3.csv", csv(9..10), 10);
    folder.write("a/other.txt", "x", 10);
    platform.sync().await.expect("a sync");
    assert_eq!(lines(&platform), ["1.csv:1 1", "1.csv:2 2", "2.csv:1 3"]);
    let first = platform.tables["items"].values().next().expect("a row");
    assert_eq!(first["_modified"], "2023-11-14T22:13:30.000Z");
    assert_eq!(first["name"], "name 1");
    platform.sync().await.expect("a sync");
    assert_eq!(platform.received, 3, "nothing is new");
    // Of the same moment and before the others by name; changed; late.
    folder.write("a/0.csv", csv(20..21), 10);
    folder.write("b/2.csv", csv(30..32), 20);
    folder.write("a/late.csv", csv(40..41), 5);
    platform.sync().await.expect("a sync");
    assert_eq!(
        lines(&platform),
        ["0.csv:1 20", "1.csv:1 1", "1.csv:2 2", "2.csv:1 30", "2.csv:2 31", "late.csv:1 40"]
    );
    assert_eq!(platform.received, 7, "what is the same is not read again");
    // Past the lookback it is too late, and that is told.
    folder.write("a/old.csv", csv(50..51), 0);
    folder.write("b/2.csv", csv(30..32), 200_000);
    platform.sync().await.expect("a sync");
    folder.write("a/older.csv", csv(60..61), 1);
    platform.sync().await.expect("a sync");
    assert_eq!(platform.warnings, ["no_files", "late_files"]);
}

#[tokio::test]
async fn a_folder_stands_for_all_in_it_and_several_paths_for_each() {
    let folder =
        Folder::new("{files: ['{}/deep/', '{}/one.csv'], format: csv, primary_key: id}", "").await;
    folder.write("deep/a/b/1.csv", csv(1..2), 10);
    folder.write("deep/2.csv", csv(2..3), 10);
    folder.write("one.csv", csv(3..4), 10);
    folder.write("two.csv", csv(4..5), 10);
    let mut platform = folder.platform();
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3]);
    // A path that is added later has its old files read.
    let text = folder.text.replace("/one.csv'", "/one.csv', '{}/two.csv'");
    let text = text.replace("{}", folder.inner.path().to_str().expect("a path"));
    platform.connector = Platform::new(&text, &folder.api).connector;
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4]);
    assert_eq!(platform.received, 4);
}

/// Names with characters that mean something in addresses and in patterns.
pub(crate) const NAMES: [&str; 6] =
    ["a b.csv", "50%.csv", "50%25.csv", "a#b.csv", "größe.csv", "x?y [1].csv"];

#[tokio::test]
async fn names_may_have_any_characters() {
    let folder = Folder::new("{files: '{}/in/*.csv', format: csv}", "").await;
    for (id, name) in (1..).zip(NAMES) {
        folder.write(&format!("in/{name}"), csv(id..id + 1), 10);
    }
    let mut platform = folder.platform();
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1, 2, 3, 4, 5, 6]);
    for (id, name) in (1..).zip(&NAMES[..5]) {
        let text = folder.text.replace("*.csv", name);
        let mut platform = Platform::new(&text, &folder.api);
        platform.sync().await.unwrap_or_else(|error| panic!("{name}: {}", told(&error)));
        assert_eq!(platform.ids("items"), [id], "{name}");
        let row = platform.tables["items"].values().next().expect("a row");
        assert!(row["_file"].as_str().expect("a path").ends_with(name), "{row}");
    }
}

/// The crate that lists files keeps such names to itself.
#[tokio::test]
async fn a_name_that_cannot_be_listed_is_told_and_not_left_behind() {
    for pattern in ["in/*", "in/**/*", "in/*#12"] {
        let folder = Folder::new("{files: '{}/in/*', format: csv}", "").await;
        folder.write("in/a.csv", csv(1..2), 10);
        folder.write("in/report #12", csv(2..3), 10);
        folder.write("elsewhere#7", csv(3..4), 10);
        let mut platform = Platform::new(&folder.text.replace("in/*", pattern), &folder.api);
        let refused = platform.sync().await.expect_err(pattern);
        assert!(told(&refused).contains("in/report #12 cannot be read"), "{}", told(&refused));
        assert!(platform.tables.is_empty(), "nothing has landed");
    }
    // One that is not asked for is in nobody's way.
    let folder = Folder::new("{files: '{}/in/*.csv', format: csv}", "").await;
    folder.write("in/a.csv", csv(1..2), 10);
    folder.write("in/report #12", csv(2..3), 10);
    let mut platform = folder.platform();
    platform.sync().await.expect("a sync");
    assert_eq!(platform.ids("items"), [1]);
}

#[tokio::test]
async fn relative_paths_begin_in_the_manifests_folder() {
    let folder = Folder::new("{files: ['in/*.csv', '../*/one.csv'], format: csv}", "").await;
    folder.write("[a] b/in/1.csv", csv(1..2), 10);
    folder.write("other/one.csv", csv(2..3), 10);
    folder.write("in/no.csv", csv(9..10), 10);
    let manifest = connector::manifest::Manifest::parse(&folder.text).expect("a manifest");
    let manifest = manifest.in_folder(&folder.inner.path().join("[a] b"));
    let mut platform = folder.platform();
    platform.connector =
        connector::Connector::new(manifest, connector::system_clock()).expect("a connector");
    platform.sync().await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(platform.ids("items"), [1, 2]);
}

#[tokio::test]
async fn addresses_may_have_any_characters() {
    let api = Api::serve(|asked| serve(asked, 1, true)).await;
    let text = "name: x\ntables:\n  items: {files: '{url}/a b/größe%23%25.csv', format: csv}\n";
    let mut platform = Platform::new(text, &api);
    platform.sync().await.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(platform.received, 40);
    assert_eq!(api.asked()[0].path, "/a%20b/gr%C3%B6%C3%9Fe%23%25.csv");
}

fn zip(body: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    archive.start_file("inside", options).expect("memory");
    archive.write_all(body).expect("memory");
    archive.finish().expect("memory").into_inner()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, 0).expect("memory")
}

/// Each format, packed or not, read by small answers: by one process, or each by a process of its own.
#[tokio::test]
async fn f_091_a_call_may_end_in_the_middle_of_a_file() {
    let row = |id: u64| format!("{{\"id\":{id},\"name\":\"n {id}\"}}");
    let each = |separator: &str| (1..=40).map(row).collect::<Vec<_>>().join(separator);
    let fixed = (1..=40).map(|id| format!("{id:>4}n {id}\r\n")).collect::<Vec<_>>().concat();
    let quoted =
        (1..=40).map(|id| format!("{id},\"n\n\"\"{id}\"\r\n")).collect::<Vec<_>>().concat();
    let xml = (1..=40).map(|id| format!("<r id='{id}'/>")).collect::<Vec<_>>().concat();
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(csv(1..41).encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let layout = "format: fixed_width, fixed_width: {columns: {id: 4, name: 9}}";
    let bodies: [(&str, Vec<u8>); 8] = [
        ("format: csv", csv(1..41).into()),
        ("format: csv, csv: {skip_lines: 2}", format!("made\nby\nid,name\r\n{quoted}").into()),
        ("format: csv", utf16),
        ("format: json_lines", each("\n").into()),
        ("format: json_lines", each("").into()),
        (layout, fixed.into()),
        ("records: data", format!("{{\"data\":[{}]}}", each(",")).into()),
        ("format: xml, records: l.r, rename: {'@id': id}", format!("<l>{xml}</l>").into()),
    ];
    for (format, body) in bodies {
        for (packing, packed) in [
            ("plain", body.clone()),
            ("gzip", gzip(&body)),
            ("zstd", zstd(&body)),
            ("zip", zip(&body)),
        ] {
            for is_new_each_time in [false, true] {
                let table = format!("{{files: '{{}}/*', {format}}}");
                let folder = Folder::new(&table, "call: {bytes: 300}").await;
                folder.write("1", &packed, 10);
                folder.write("2", &packed, 10);
                let mut platform = folder.platform();
                platform.new_sync();
                while platform.call().await.unwrap_or_else(|error| {
                    panic!("{format}, {packing}: {}", told(&error));
                }) {
                    if is_new_each_time {
                        platform.connector = folder.platform().connector;
                    }
                }
                let case = format!("{format}, {packing}, {is_new_each_time}");
                assert_eq!(platform.received, 80, "{case}: no row twice");
                assert!(platform.calls > 10, "{case}: {} calls", platform.calls);
                let found = lines(&platform);
                assert_eq!(found.len(), 80, "{case}");
                let mut ids: Vec<String> = (1..=40)
                    .map(|id| format!("1:{id} {id}"))
                    .chain((1..=40).map(|id| format!("2:{id} {id}")))
                    .collect();
                ids.sort();
                let bare: Vec<String> = found.iter().map(|line| line.replace('"', "")).collect();
                assert_eq!(bare, ids, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_read_again() {
    let changes = |table: &'static str| async move {
        let folder = Folder::new(table, "call: {bytes: 300}").await;
        folder.write("1.csv", csv(1..41), 10);
        let mut platform = folder.platform();
        platform.begin_sync(2).await;
        assert!(platform.received > 2);
        folder.write("1.csv", csv(101..141), 20);
        (folder, platform)
    };
    let (_folder, mut platform) = changes("{files: '{}/*.csv', format: csv}").await;
    platform.connector.call(&platform.request()).await.expect("rows that were in memory");
    while platform.call().await.expect("a call") {}
    // In the process that has the file open, what it holds of it is one content; the next sync reads the other.
    platform.sync().await.expect("a sync");
    let expected: Vec<String> =
        (1..41).map(|line| format!("1.csv:{line} {}", line + 100)).collect();
    let mut expected = expected;
    expected.sort();
    assert_eq!(lines(&platform), expected);

    let (folder, mut platform) = changes("{files: '{}/*.csv', format: csv}").await;
    platform.connector = folder.platform().connector;
    while platform.call().await.expect("a call") {}
    assert_eq!(lines(&platform), expected, "in a new process");
    assert_eq!(platform.warnings, ["file_changed"]);

    let table = "{files: '{}/*.csv', format: csv, primary_key: []}";
    let (folder, mut platform) = changes(table).await;
    platform.connector = folder.platform().connector;
    let error = platform.call().await.expect_err("rows without a key");
    assert!(told(&error).starts_with("page_changed: "), "{}", told(&error));
}

#[tokio::test]
async fn a_file_that_goes_while_it_is_read_is_told() {
    let folder = Folder::new("{files: '{}/*.csv', format: csv}", "call: {bytes: 300}").await;
    folder.write("1.csv", csv(1..41), 10);
    folder.write("2.csv", csv(1..3), 10);
    let mut platform = folder.platform();
    platform.begin_sync(1).await;
    folder.remove("1.csv");
    platform.connector = folder.platform().connector;
    while platform.call().await.expect("a call") {}
    assert_eq!(platform.warnings, ["file_changed"]);
    assert!(lines(&platform).contains(&"2.csv:2 2".to_owned()));
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_its_file_and_its_line() {
    let folder = Folder::new("{files: '{}/*.csv', format: csv}", "").await;
    folder.write("1.csv", csv(1..3), 10);
    folder.write("2.csv", "id,name\n1,a\n2\n", 20);
    let mut platform = folder.platform();
    platform.call().await.expect("the file before it");
    let error = platform.call().await.expect_err("a row with one field");
    let told = told(&error);
    assert!(told.starts_with("invalid_file: table items: /"), "{told}");
    assert!(told.contains("2.csv: line 3: a row has 1 fields, and there are 2 columns"), "{told}");
    assert_eq!(lines(&platform), ["1.csv:1 1", "1.csv:2 2"]);
    let folder = Folder::new("{files: '{}/*.csv', format: csv, csv: {bad_rows: skip}}", "").await;
    folder.write("2.csv", "id,name\n1,a\n2\n3,c\n", 20);
    let mut platform = folder.platform();
    platform.sync().await.expect("a sync");
    assert_eq!(lines(&platform), ["2.csv:1 1", "2.csv:3 3"]);
    assert_eq!(platform.warnings, ["bad_rows"]);
}

#[tokio::test]
async fn rows_of_files_are_reshaped_like_all_others() {
    let table = "{files: '{}/*.csv', format: csv, primary_key: id, filter: row._line > 1, drop: [_modified, _line], rename: {_file: source}}";
    let folder = Folder::new(table, "").await;
    folder.write("1.csv", csv(1..3), 10);
    let mut platform = folder.platform();
    platform.sync().await.expect("a sync");
    let rows: Vec<&Value> = platform.tables["items"].values().collect();
    let names: Vec<&String> = rows[0].as_object().expect("a row").keys().collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(names, ["id", "name", "source"]);
}

#[tokio::test]
async fn a_function_in_a_cloud_reads_no_files_of_its_machine() {
    let folder = Folder::new("{files: '{}/*.csv', format: csv}", "").await;
    folder.write("1.csv", csv(1..3), 10);
    let mut platform = folder.platform();
    platform.connector = platform.connector.public_only();
    let error = platform.call().await.expect_err("a file of this machine");
    assert!(told(&error).starts_with("files_refused: "), "{}", told(&error));
}

/// A server of files: with ranges or without.
fn serve(asked: &Asked, version: u64, ranges: bool) -> Answered {
    let body = csv(version * 100..version * 100 + 40).into_bytes();
    let etag = ("etag", format!("\"v{version}\""));
    let range = asked.headers.get("range").filter(|_| ranges).map(|range| {
        let (start, end) =
            range.trim_start_matches("bytes=").split_once('-').expect("both ends of the range");
        let start: usize = start.parse().expect("a number");
        let end: usize = end.parse::<usize>().expect("a number").min(body.len() - 1);
        (start, end)
    });
    if asked.path == "/gone.csv" {
        return Answered::status(404);
    }
    match range {
        None => Answered { status: 200, headers: vec![etag], body },
        Some((start, _)) if start >= body.len() => Answered::status(416),
        Some((start, end)) => {
            let whole = format!("bytes {start}-{end}/{}", body.len());
            let headers = vec![etag, ("content-range", whole)];
            Answered { status: 206, headers, body: body[start..=end].to_vec() }
        }
    }
}

#[tokio::test]
async fn addresses_of_files_are_read_when_they_change() {
    for ranges in [true, false] {
        let version = Arc::new(AtomicU64::new(1));
        let current = Arc::clone(&version);
        let api =
            Api::serve(move |asked| serve(asked, current.load(Ordering::SeqCst), ranges)).await;
        let text = "name: x\nsecrets: [token]\ncall: {bytes: 500}\ntables:\n  items: {files: ['{url}/a.csv?key={{ secrets.token }}', '{url}/gone.csv'], format: csv}\n";
        let mut platform = Platform::new(text, &api);
        platform.sync().await.expect("a sync");
        assert_eq!(platform.ids("items"), (100..140).collect::<Vec<u64>>());
        assert_eq!(platform.warnings, ["no_files"]);
        assert!(!platform.state.as_json().contains("s3cret"), "{}", platform.state.as_json());
        platform.sync().await.expect("a sync");
        assert_eq!(platform.received, 40, "nothing is new");
        version.store(2, Ordering::SeqCst);
        platform.sync().await.expect("a sync");
        assert_eq!(platform.ids("items"), (200..240).collect::<Vec<u64>>());
        // It changes while it is read.
        version.store(3, Ordering::SeqCst);
        platform.begin_sync(1).await;
        version.store(4, Ordering::SeqCst);
        platform.connector = Platform::new(text, &api).connector;
        while platform.call().await.expect("a call") {}
        assert_eq!(platform.ids("items"), (400..440).collect::<Vec<u64>>(), "ranges: {ranges}");
    }
}
