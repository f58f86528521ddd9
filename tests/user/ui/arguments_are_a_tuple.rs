//! One argument without the comma that makes it a tuple.

fn main() {
    forkcheck::fork(|x: i64| x + 1, 2);
}
