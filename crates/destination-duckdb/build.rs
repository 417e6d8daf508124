//! Lets a crate's binaries and tests find a prebuilt DuckDB library when they run. The crates that have
//! any share this file.

fn main() {
    println!("cargo:rerun-if-env-changed=DUCKDB_LIB_DIR");
    // A bundled DuckDB is part of the binary and needs no path.
    if std::env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return;
    }
    if let Ok(library_folder) = std::env::var("DUCKDB_LIB_DIR") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{library_folder}");
    }
}
