//! The fleet simulator: that it can be believed, and what it shows.

mod bars;
mod command;
mod repeatable;
mod twins;
