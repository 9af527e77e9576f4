use funcify::{ConfigError, Idempotency, Stores, testing::TestEvent};

async fn orders() -> Result<Idempotency, ConfigError> {
    Idempotency::new("orders", Stores::from_url("memory:").await?.idempotency)
}

#[tokio::test]
async fn a_message_without_a_quantity_is_retried() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = shop::pipeline(&orders().await?)?;

    let output = TestEvent::get("/hello/ann").send(&pipeline).await?;
    assert_eq!(output.http().unwrap().body(), "Hello, ann!\n");

    let batch = TestEvent::sqs("orders")
        .record("id-1", r#"{"sku": "kettle", "quantity": 2}"#)
        .record("id-2", r#"{"sku": "lamp", "quantity": 0}"#);
    assert_eq!(batch.send(&pipeline).await?.failures(), ["id-2"]);
    Ok(())
}

#[tokio::test]
async fn a_message_that_comes_twice_is_handled_once() -> Result<(), Box<dyn std::error::Error>> {
    let orders = orders().await?;
    let pipeline = shop::pipeline(&orders)?;
    for _ in 0..2 {
        let batch = TestEvent::sqs("orders").record("id-1", r#"{"sku": "kettle", "quantity": 2}"#);
        assert!(batch.send(&pipeline).await?.failures().is_empty());
    }
    assert_eq!(orders.metrics().executions, 1); // how often the handler was called
    Ok(())
}
