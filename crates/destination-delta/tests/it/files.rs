use simulation::conformance::bench::Bench;

use crate::support::DeltaFolder;

fn files(bench: &Bench<DeltaFolder>) -> usize {
    let log = bench.storage.path().join("shop/t/_delta_log");
    let count = |word: &str| -> usize {
        let files = log.read_dir().expect("a log").map(|entry| entry.expect("an entry").path());
        let versions = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
        let texts = versions.map(|path| std::fs::read_to_string(path).expect("a version"));
        texts.map(|text| text.matches(word).count()).sum()
    };
    count(r#"{"add":"#) - count(r#"{"remove":"#)
}

/// A page of rows with ids from `from` on.
fn page(from: u32, rows: u32) -> String {
    let rows: Vec<String> = (from..from + rows).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    format!("[{}]", rows.join(","))
}

/// A hundred small commits are a handful of files, and one that only adds rows leaves the large ones alone.
#[test]
fn many_commits_are_not_many_files() {
    let mut bench = Bench::new(&DeltaFolder::new);
    bench.sync(&[&page(0, 1000)]);
    for commit in 0..100 {
        bench.sync(&[&page(1000 + commit, 1)]);
    }
    bench.close();
    let files = files(&bench);
    assert!(files <= 8, "{files} files");
    let table = bench.storage.path().join("shop/t");
    let largest = table.read_dir().expect("a folder").filter_map(|entry| {
        let entry = entry.expect("an entry");
        (entry.path().extension()? == "parquet").then(|| entry.metadata().expect("a file").len())
    });
    let mut sizes: Vec<u64> = largest.collect();
    sizes.sort_unstable();
    let large = sizes.iter().filter(|size| **size * 2 > sizes[sizes.len() - 1]).count();
    assert_eq!(large, 1, "the first thousand rows are written once: {sizes:?}");
}
