use funcify::{Stores, testing::TestEvent};

#[tokio::test]
async fn a_message_without_a_quantity_is_retried() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = shop::pipeline(Stores::from_url("memory:").await?)?;

    let output = TestEvent::get("/hello/ann").send(&pipeline).await?;
    assert_eq!(output.http().unwrap().body(), "Hello, ann!\n");

    let batch = TestEvent::sqs("orders")
        .record("id-1", r#"{"sku": "kettle", "quantity": 2}"#)
        .record("id-2", r#"{"sku": "lamp", "quantity": 0}"#);
    assert_eq!(batch.send(&pipeline).await?.failures(), ["id-2"]);
    Ok(())
}
