//! `hasmore`: calls a function, page by page, and lands its rows in DuckDB or Postgres, every page exactly once.
//!
//! This crate wires and decides nothing: what a sync is stands in `engine`, how functions are reached in
//! `transport`, how rows land in `destination-duckdb`
//! and `destination-postgres`. Each command has a file in `commands`.

// What was asked for.
mod arguments;
mod config;
mod connection;
mod curl;
mod given;
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
mod output;
mod paint;
mod progress;
mod report;
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

fn main() -> ExitCode {
    failure::report_panics();
    let arguments = arguments::Arguments::parse();
    let log = Arc::new(log::Log::new(&arguments.global));
    let exit = commands::run(&arguments, &log).unwrap_or_else(|failure| {
        log.fail(&failure);
        failure.exit()
    });
    exit.into()
}
