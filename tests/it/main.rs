//! What all rooms prove together, in one binary.

mod cases;
mod cores;
mod findings;
mod loom;
mod random_programs;
mod replay;
mod rewinding;
mod schema;
