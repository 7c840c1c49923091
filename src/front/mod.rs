//! How the outside gets in. Each front is a module that uses the facade alone, and knows no other front.

pub mod cli;
