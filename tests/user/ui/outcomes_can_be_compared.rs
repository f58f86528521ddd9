//! A body that returns something without contents.

struct Summary {
    total: i64,
}

fn main() {
    forkcheck::check(|| Summary { total: 3 });
}
