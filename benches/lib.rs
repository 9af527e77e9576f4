//! What the benchmarks share. `cargo bench --bench peers` shows what funcify costs beside its peers,
//! `cargo bench --bench growth` how its costs grow with their input, and `first` how long a store's first answer takes.

pub mod allocator;
pub mod arguments;
pub mod case;
pub mod redis_server;
pub mod sampling;
