//! What all rooms prove together, in one binary.

mod cases;
mod cores;
mod findings;
mod loom;
mod random_programs;
mod rewinding;
mod schema;
