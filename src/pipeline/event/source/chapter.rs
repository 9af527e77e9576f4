//! The tables of the chapter, made from the table in the code.

#[cfg(test)]
mod tests {}
