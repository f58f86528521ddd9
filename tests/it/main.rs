//! What all rooms prove together, in one binary.

mod cases;
mod cores;
mod findings;
mod rewinding;
mod schema;
