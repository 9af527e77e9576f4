//! The fleet simulator: that it can be believed, and what it shows.

mod bars;
mod command;
mod mutants;
mod repeatable;
