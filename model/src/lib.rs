//! What is run: archives, graphs, values, tensors and operators; never who else is running.
//!
//! The data goes one way: bytes → [`archive`] → [`frontend`] → [`module::Module`], whose graphs call
//! [`operators`] on [`value::Value`]s. Everything that a program can write is a [`slot::Slot`]. This room knows
//! what an operator reads and writes ([`operators::Effect`]); it knows no tasks, clocks or schedules.

pub mod archive;
pub mod copy;
pub mod difference;
pub mod digest;
pub mod effects;
pub mod error;
pub mod frontend;
pub mod graph;
pub mod module;
pub mod operators;
pub mod slot;
pub mod tensor;
pub mod types;
pub mod value;

pub use copy::copy_deep;
pub use digest::Digest;
pub use error::Error;
pub use module::Module;
pub use tensor::{DType, Tensor};
pub use types::Type;
pub use value::Value;
