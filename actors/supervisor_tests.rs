//! What a supervisor promises, with an evaluator that runs nothing.
