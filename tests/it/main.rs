//! What all rooms prove together, in one binary.

mod cases;
mod closures;
mod cores;
mod effect_comments;
mod explain;
mod exports;
mod findings;
mod formats;
mod graph_text;
mod led;
mod loom;
mod many;
mod peer_parity;
mod portable;
mod progress;
mod proofs;
mod properties;
mod random_programs;
mod remedies;
mod replay;
mod reuse;
mod rewinding;
mod schema;
mod threads;
mod traces;
mod versions;
