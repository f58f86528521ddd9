//! Panics of tasks are outcomes, so nobody is told of them while they happen: a search meets the same one a thousand times.

use std::cell::RefCell;
use std::sync::Once;

use super::stack;

/// Where a panic began.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

thread_local! {
    static LAST: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Keeps the panics of checked code from the hook that prints them; everybody else's go to the hook that was there.
pub(super) fn be_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !stack::is_task() {
                return before(info);
            }
            let place =
                info.location().map(|at| Place { file: at.file().to_string(), line: at.line(), column: at.column() });
            LAST.set(place);
        }));
    });
}

/// Where the last quiet panic of this thread began.
pub(super) fn last() -> Option<Place> {
    LAST.take()
}
