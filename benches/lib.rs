//! What the benchmarks share. `cargo bench --bench peers` shows what funcify costs beside its peers, and
//! `cargo bench --bench growth` how its costs grow with their input.

pub mod allocator;
pub mod arguments;
pub mod case;
pub mod redis_server;
pub mod sampling;
