//! The time of an operation compared with the plain AWS client, alternating in one run.
//! `redis/speed.rs` does the same for Redis.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_ssm::types::ParameterType;
use funcify_core::register::{RecordKey, Register, Version, WriteId};

use super::raw;
use crate::support::attempt::{body, token, write};
use crate::support::{aws, env};

/// The times of a read, a bare read, a swap and a bare write.
#[derive(Default)]
struct Times([Vec<Duration>; 4]);

impl Times {
    async fn measure<T>(&mut self, what: usize, operation: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let result = operation.await;
        self.0[what].push(start.elapsed());
        result
    }

    /// The four medians in milliseconds, printed.
    fn medians(mut self, store: &str) -> [f64; 4] {
        let p50 = self.0.each_mut().map(|took| {
            took.sort_unstable();
            took[took.len() / 2].as_secs_f64() * 1e3
        });
        let [read, bare_read, swap, bare_write] = p50;
        println!("{store}: p50 read {read:.2} ms, bare {bare_read:.2}, {:.2} ×", read / bare_read);
        println!(
            "{store}: p50 swap {swap:.2} ms, bare {bare_write:.2}, {:.2} ×",
            swap / bare_write
        );
        p50
    }
}

/// One swap, which must be applied.
async fn swap(register: &dyn Register, key: &RecordKey, on: Version, n: u64) -> Version {
    write(register, key, Some(on), n).await
}

#[tokio::test]
async fn on_dynamodb_a_read_and_a_swap_are_one_request_each() {
    let (register, key) = (aws::dynamodb().await, token("speed"));
    let client = aws_sdk_dynamodb::Client::new(&aws::config(None).await);
    let url = env::dynamodb();
    let table = url.trim_start_matches("dynamodb://").split('?').next().unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let pk = text(&format!("funcify:bare-{}", key.name));
    let item = |id: &str| {
        HashMap::from([("pk".to_owned(), pk.clone()), ("write_id".to_owned(), text(id))])
    };
    let mut id = WriteId::random().to_string();
    client.put_item().table_name(table).set_item(Some(item(&id))).send().await.unwrap();
    let (mut version, mut times) = (write(&register, &key, None, 0).await, Times::default());

    for n in 0..env::scaled(1_000) as u64 {
        times.measure(0, register.read(&key)).await.unwrap();
        let get = client.get_item().table_name(table).key("pk", pk.clone()).consistent_read(true);
        times.measure(1, get.send()).await.unwrap();
        version = times.measure(2, swap(&register, &key, version, n)).await;
        let next = WriteId::random().to_string();
        let put = client.put_item().table_name(table).set_item(Some(item(&next)));
        let put = put
            .condition_expression("write_id = :expected")
            .expression_attribute_values(":expected", text(&id));
        times.measure(3, put.send()).await.unwrap();
        id = next;
    }
    let [read, bare_read, swap, bare_write] = times.medians("dynamodb");
    // Two requests would take twice as long. This build is not optimised and the machine is busy.
    assert!(read < 1.7 * bare_read && swap < 1.7 * bare_write);
}

#[tokio::test]
async fn on_ssm_a_read_is_one_request_and_a_swap_two() {
    let (register, key) = (aws::ssm().await, token("speed"));
    let (client, name) = (raw::ssm_client().await, raw::parameter(&env::ssm(), &token("bare")));
    let put = |n: u64| {
        let put = client.put_parameter().name(&name).value(body(n).to_string()).overwrite(true);
        put.r#type(ParameterType::SecureString).send()
    };
    put(0).await.unwrap();
    let (mut version, mut times) = (write(&register, &key, None, 0).await, Times::default());

    for n in 0..env::scaled(300) as u64 {
        // The backend need not verify its own write again.
        times.measure(0, register.read(&key)).await.unwrap();
        let get = client.get_parameter().name(&name).with_decryption(true);
        times.measure(1, get.send()).await.unwrap();
        version = times.measure(2, swap(&register, &key, version, n)).await;
        times.measure(3, put(n)).await.unwrap();
    }
    let [read, bare_read, swap, bare_write] = times.medians("ssm");
    assert!(read < 1.7 * bare_read && swap < 1.7 * (bare_write + bare_read));
}
