//! The `forkcheck` command.

mod args;
mod commands;
mod inputs;
mod output;
mod progress;
mod replay;
mod store;

use std::process::ExitCode;

use clap::Parser;
use forkcheck_model::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Values can be nested as deep as a program likes, and are dropped by recursion; only what is used is committed.
const STACK_BYTES: usize = 256 << 20;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    if let Err(error) = start_logging() {
        output::error(&error);
        return ExitCode::from(2);
    }
    let work = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || commands::run(arguments));
    let work = work.expect("a machine that runs a process can start a thread");
    match work.join() {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(error)) => {
            output::error(&error);
            ExitCode::from(2)
        }
        // The panic has printed its message.
        Err(_) => ExitCode::from(101),
    }
}

/// Logs go to stderr, as `FORKCHECK_LOG` asks; without it, only errors do.
fn start_logging() -> Result<(), Error> {
    let builder = EnvFilter::builder().with_default_directive(LevelFilter::ERROR.into());
    let filter = match std::env::var("FORKCHECK_LOG") {
        Ok(wanted) => builder.parse(&wanted).map_err(|error| {
            Error::new(format!("expected FORKCHECK_LOG to be a filter such as `debug` or `forkcheck=info`: {error}"))
        })?,
        Err(_) => builder.parse_lossy(""),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .init();
    Ok(())
}
