//! `hasmore`: calls a function, page by page, and lands its rows in DuckDB, Postgres or SQLite, every page exactly once.
//!
//! This crate wires and decides nothing: what a sync is stands in `engine`, how functions are reached in
//! `transport`, how rows land in `destination-duckdb`,
//! `destination-postgres` and `destination-sqlite`. Each command has a file in `commands`.

// What was asked for.
mod arguments;
mod config;
mod connection;
mod curl;
mod given;
mod recording;
mod reference;

// What is done.
mod check;
mod commands;
mod folder;
mod function;
mod interrupt;
mod location;
mod lock;
mod store;

// What is told.
mod cells;
mod clock;
mod explain;
mod failure;
mod grid;
mod log;
mod objects;
mod output;
mod paint;
mod progress;
mod report;
mod secrets;
mod tables_diff;
mod words;

#[cfg(test)]
mod pages;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

/// Pages are many small arrays that live until their batch has landed: the C library's allocator takes
/// a tenth of the CPU of a sync in pages of 100 rows, this one a hundredth.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Memory of pages that have landed is kept for the pages that follow. Given back after a second, as is
/// mimalloc's way, it is cleared by the system before it comes again: a twentieth of the CPU of a sync in
/// pages of 100 rows.
#[allow(unsafe_code, reason = "the allocator's options are set through its C interface")]
fn keep_memory() {
    // The option's number, and the value that stands for never, in mimalloc.h of version 3.
    const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
    const NEVER: std::ffi::c_long = -1;
    // SAFETY: no other thread has been started.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, NEVER) };
}

fn main() -> ExitCode {
    keep_memory();
    failure::report_panics();
    let arguments = arguments::Arguments::parse();
    let log = Arc::new(log::Log::new(&arguments.global));
    let exit = commands::run(&arguments, &log).unwrap_or_else(|failure| {
        log.fail(&failure);
        failure.exit()
    });
    exit.into()
}
