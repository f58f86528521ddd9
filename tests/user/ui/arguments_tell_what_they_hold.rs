//! An argument of a type that forkcheck knows nothing of.

struct Config {
    depth: u32,
}

fn main() {
    forkcheck::fork(|config: Config| config.depth, (Config { depth: 3 },));
}
