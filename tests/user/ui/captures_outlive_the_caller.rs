//! A task may run when its caller has returned.

fn main() {
    let numbers = vec![1, 2, 3];
    forkcheck::fork(|| numbers.len(), ());
}
