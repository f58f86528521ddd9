//! A task may run on another thread.

use std::rc::Rc;

fn main() {
    let shared = Rc::new(1);
    forkcheck::fork(move || *shared, ());
}
