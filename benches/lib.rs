//! What funcify costs beside its peers: `cargo bench --bench peers`.
