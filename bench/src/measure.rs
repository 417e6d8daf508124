//! What one program cost: CPU seconds of it and its children, wall time, peak memory.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
    pub peak_megabytes: f64,
}

/// Runs `bench measure LOG PROGRAM ARGUMENTS…` and reads what it prints.
///
/// The stopwatch is a small process of its own: the kernel's figures then are of this program
/// alone, and a peak cannot be an inheritance from a large parent.
pub fn measure(command: &[OsString], log: &Path) -> Result<Cost, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = log.parent().ok_or("the log lies in no folder")?;
    let output = Command::new(this)
        // A configuration file where the benchmark was started is none of its business.
        .current_dir(folder)
        .arg("measure")
        .arg(log)
        .args(command)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("the stopwatch does not start: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let shown: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}` failed: {why}\n{said}", shown.join(" ")));
    }
    parse(&printed).ok_or_else(|| format!("the stopwatch printed {printed}"))
}

/// The run whose CPU is the median.
pub fn median(
    repeats: usize,
    mut run: impl FnMut() -> Result<Cost, String>,
) -> Result<Cost, String> {
    let mut costs = (0..repeats).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    costs.sort_by(|a, b| a.cpu_seconds.total_cmp(&b.cpu_seconds));
    Ok(costs[repeats / 2])
}

/// The stopwatch's own side: runs the program, prints its cost, fails as it fails.
pub fn stopwatch(log: &Path, command: &[OsString]) -> io::Result<()> {
    let [program, arguments @ ..] = command else {
        return Err(io::Error::other("measure what? name a program"));
    };
    let log = File::create(log)?;
    let started = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    let wall_seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        return Err(io::Error::other(status.to_string()));
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu_seconds = cpu_seconds_of(&usage);
    // Kilobytes on Linux, bytes on macOS.
    let peak_kilobytes =
        if cfg!(target_os = "macos") { usage.max_rss() / 1_024 } else { usage.max_rss() };
    println!("{cpu_seconds} {wall_seconds} {peak_kilobytes}");
    Ok(())
}

/// The CPU seconds that this process has used so far.
pub fn cpu_seconds() -> io::Result<f64> {
    Ok(cpu_seconds_of(&getrusage(UsageWho::RUSAGE_SELF)?))
}

fn cpu_seconds_of(usage: &Usage) -> f64 {
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(microseconds.unsigned_abs()).as_secs_f64()
}

fn parse(printed: &str) -> Option<Cost> {
    let mut numbers = printed.split_whitespace().map(str::parse::<f64>);
    Some(Cost {
        cpu_seconds: numbers.next()?.ok()?,
        wall_seconds: numbers.next()?.ok()?,
        peak_megabytes: numbers.next()?.ok()? / 1_024.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_a_cost() {
        let cost = parse("1.5 2.5 204800\n").expect("these are three numbers");
        assert_eq!(cost, Cost { cpu_seconds: 1.5, wall_seconds: 2.5, peak_megabytes: 200.0 });
        assert_eq!(parse("1 2"), None);
        assert_eq!(parse("1 2 many"), None);
    }
}
