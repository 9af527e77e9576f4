//! How many requests an operation takes.

use funcify_core::register::Register;

use super::fake::FakeSsm;
use crate::support::attempt::{token, write};
use crate::support::aws;

#[tokio::test]
async fn a_read_is_one_request_and_a_swap_is_two() {
    let fake = FakeSsm::default();
    let (register, key) = (fake.register(aws::ssm_config()).await, token("requests"));
    let mut version = write(&register, &key, None, 0).await;
    let counts = || {
        let contents = fake.contents();
        (contents.gets, contents.puts.len())
    };

    let (gets, puts) = counts();
    for _ in 0..20 {
        // What this register has written itself it need not verify again.
        register.read(&key).await.unwrap();
    }
    assert_eq!(counts(), (gets + 20, puts));

    let (gets, puts) = counts();
    for n in 1..=20 {
        version = write(&register, &key, Some(version), n).await;
    }
    assert_eq!(counts(), (gets + 20, puts + 20));
}
