//! The token getter.
