use axum::{Router, extract::Path, routing::get};
use funcify::{ConfigError, Idempotency, Message, Pipeline, Problem, pipeline::route};
use serde::Deserialize;

/// The body of a message.
#[derive(Deserialize)]
struct Order {
    sku: String,
    quantity: u32,
}

async fn hello(Path(name): Path<String>) -> String {
    format!("Hello, {name}!\n")
}

/// If this fails, SQS delivers the message again. The other messages of the batch are not affected.
async fn on_order(order: Message<Order>) -> Result<(), Problem> {
    let Order { sku, quantity } = order.body;
    if quantity == 0 {
        return Err(Problem::bad_request("expected a quantity"));
    }
    println!("placed: {quantity} {sku}");
    Ok(())
}

pub fn pipeline(orders: &Idempotency) -> Result<Pipeline, ConfigError> {
    Pipeline::builder(()) // `()`, or your state, which handlers take as `State<…>`
        .http(Router::new().route("/hello/{name}", get(hello)))
        .sqs("orders", route(on_order).idempotent_by_id(orders)) // the queue's name
        .build()
}
