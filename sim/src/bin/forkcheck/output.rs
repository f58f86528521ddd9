//! Printing: results to stdout, all else to stderr; a reader who has left is not an error.

use std::io::{IsTerminal, Write};

use forkcheck_model::Error;

/// Prints a result.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(format!("expected to write to stdout: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether what is printed may have colours.
pub(crate) fn coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints something that is worth knowing.
pub(crate) fn note(message: &(impl std::fmt::Display + ?Sized)) {
    let _ = writeln!(std::io::stderr(), "note: {message}");
}

/// Prints what could go wrong, or did without harm.
pub(crate) fn warning(message: &(impl std::fmt::Display + ?Sized)) {
    let _ = writeln!(std::io::stderr(), "warning: {message}");
}

/// Prints what went wrong.
pub(crate) fn error(message: &(impl std::fmt::Display + ?Sized)) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr(), "error: {message}");
}
