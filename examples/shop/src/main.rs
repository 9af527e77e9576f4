use funcify::{ConfigError, Idempotency, Pipeline, Stores};

#[tokio::main]
async fn main() -> Result<(), ConfigError> {
    funcify::run(set_up().await).await
}

async fn set_up() -> Result<Pipeline, ConfigError> {
    let stores = Stores::from_env().await?; // the store in FUNCIFY_BACKEND
    shop::pipeline(&Idempotency::new("orders", stores.idempotency)?)
}
