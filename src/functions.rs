//! Functions of the same program that run in a worker process.

pub use crate::wire::Blob;
