//! temp
use aws_config::{BehaviorVersion, Region};
use funcify_backend_ssm::{SsmBackend, SsmConfig};
use funcify_core::{
    circuit::CircuitName,
    register::{Body, RecordKey, Register, Swap, WriteId},
};
use std::time::Duration;

#[tokio::test]
async fn by_hand() {
    let aws = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(std::env::var("E").unwrap())
        .load()
        .await;
    let backend = SsmBackend::new(
        SsmConfig::new("/fleet")
            .with_kms_key("alias/aws/ssm")
            .with_attempt_timeout(Duration::from_secs(3)),
        &aws,
    )
    .unwrap();
    let key = RecordKey::Circuit(CircuitName::new("auth0").unwrap());
    println!("{:?}", backend.read(&key).await);
    let body = Body::parse(r#"{"state":"open","epoch":3,"f":1.0,"g":0.1,"by":"{{x}}"}"#).unwrap();
    let id = WriteId::random();
    let at = std::time::Instant::now();
    let Swap::Done(v) = backend.swap(&key, None, id, &body, Duration::from_secs(60)).await.unwrap()
    else {
        panic!()
    };
    println!("{:?}", at.elapsed());
    println!("{:?}", backend.swap(&key, None, id, &body, Duration::from_secs(60)).await);
    println!(
        "{:?}",
        backend.swap(&key, None, WriteId::random(), &body, Duration::from_secs(60)).await
    );
    println!(
        "{:?}",
        backend.swap(&key, Some(v), WriteId::random(), &body, Duration::from_secs(60)).await
    );
    println!(
        "{:?}",
        backend.swap(&key, Some(v), WriteId::random(), &body, Duration::from_secs(60)).await
    );
    println!("{:?}", backend.read(&key).await.unwrap());
    println!("{:?}", backend.read(&key).await.unwrap().unwrap().value.to_string());
}
