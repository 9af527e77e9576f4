//! The command line of the benchmarks.

/// What was asked for on the command line.
#[derive(Default)]
pub struct Asked {
    pub json: bool,
    pub quick: bool,
    pub filter: String,
}

impl Asked {
    /// Reads the arguments.
    ///
    /// # Errors
    ///
    /// An unknown option.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self::default();
        for argument in arguments {
            match &*argument {
                "--json" => asked.json = true,
                "--quick" => asked.quick = true,
                // Cargo's own.
                "--bench" => {}
                unknown if unknown.starts_with('-') => return Err(unknown.to_owned()),
                filter => filter.clone_into(&mut asked.filter),
            }
        }
        Ok(asked)
    }
}
