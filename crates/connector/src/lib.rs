//! A manifest becomes a Function.

pub mod yaml;
