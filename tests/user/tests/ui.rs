//! What the compiler says to those who make a mistake.

/// Each program is one mistake, and what is said about it stands beside it. After a change of a message, or of the compiler:
/// `TRYBUILD=overwrite cargo test -p forkcheck-user --test ui`, and read what has changed.
#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
