//! What runs inside a worker process.

#[cfg(feature = "javascript")]
mod javascript;
mod runtime;
