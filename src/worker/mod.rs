//! What runs inside a worker process.

mod runtime;
