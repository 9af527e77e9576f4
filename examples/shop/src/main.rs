use funcify::{ConfigError, Pipeline, Stores};

#[tokio::main]
async fn main() -> Result<(), ConfigError> {
    funcify::run(set_up().await).await // if the set-up failed, Lambda gets the error
}

async fn set_up() -> Result<Pipeline, ConfigError> {
    shop::pipeline(Stores::from_env().await?) // the store in FUNCIFY_BACKEND
}
