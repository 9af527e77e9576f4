//! f01, f02, f06, f07, f08 and f10 on DynamoDB and SSM. A proxy in front of the server injects the same
//! connection faults on both. Those of Redis are in `redis/faults.rs`.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use funcify_backend_dynamodb::DynamoDbBackend;
use funcify_backend_ssm::SsmBackend;
use funcify_core::StoreErrorKind::{Ambiguous, Timeout, Unavailable};
use funcify_core::circuit::CircuitRecord;
use funcify_core::register::{Register, RetryingRegister, Swap, WriteId};
use funcify_test_support::on_virtual_time;
use tokio::time::timeout;

use crate::support::attempt::{attempt, circuit, n_of, write};
use crate::support::proxy::{FaultProxy, Mode};
use crate::support::{aws, env};

/// How long an attempt may take on a server that does not answer.
const LIMIT: Duration = Duration::from_millis(200);

/// How long to wait for an attempt that ends at [`LIMIT`]: long enough for a busy machine, and much shorter
/// than a response that is 30 s late.
const CUT: Duration = Duration::from_secs(10);

/// A store behind a proxy.
struct Wire {
    proxy: FaultProxy,
    register: Arc<dyn Register>,
    /// The same store, with attempts that end after [`LIMIT`].
    hurried: Arc<dyn Register>,
}

async fn proxy(service: &str) -> FaultProxy {
    let endpoint = env::aws_endpoint(service);
    FaultProxy::start(endpoint.trim_start_matches("http://").parse().unwrap()).await
}

async fn dynamodb() -> Wire {
    aws::dynamodb().await;
    let proxy = proxy("DYNAMODB").await;
    let aws = aws::config(Some(&format!("http://{}", proxy.address()))).await;
    let config = aws::dynamodb_config();
    let register = Arc::new(DynamoDbBackend::new(config.clone(), &aws).unwrap());
    let hurried = Arc::new(DynamoDbBackend::new(config.with_attempt_timeout(LIMIT), &aws).unwrap());
    Wire { proxy, register, hurried }
}

async fn ssm() -> Wire {
    let proxy = proxy("SSM").await;
    let aws = aws::config(Some(&format!("http://{}", proxy.address()))).await;
    let config = aws::ssm_config();
    let register = Arc::new(SsmBackend::new(config.clone(), &aws).unwrap());
    let hurried = Arc::new(SsmBackend::new(config.with_attempt_timeout(LIMIT), &aws).unwrap());
    Wire { proxy, register, hurried }
}

async fn a_lost_message_is_sent_again(wire: Wire) {
    let key = circuit("lost");
    let mut version = None;
    let modes = [Mode::CutResponse, Mode::CutRequest, Mode::ResetAfter(3), Mode::HalfClose];
    for (epoch, mode) in (1..).zip(modes) {
        // A new store each time: its first operation may take two seconds, which is enough on a busy machine.
        let store = RetryingRegister::new(Arc::clone(&wire.register));
        let mut next = CircuitRecord::default();
        next.epoch = epoch;
        wire.proxy.once(mode).await;

        let swap = store.swap_record(&key.name, version, WriteId::random(), &next).await.unwrap();

        let Swap::Applied(applied) = swap else { panic!("{mode:?}: {swap:?}") };
        version = Some(applied);
        let found = wire.register.read(&key).await.unwrap().unwrap();
        assert_eq!(WriteId::from(found.version), WriteId::from(applied), "{mode:?}");
        assert_eq!(found.value.as_ref()["epoch"], epoch, "{mode:?}");
    }
    assert_eq!(wire.proxy.faults(), 4);
}

async fn a_store_that_is_down_is_unavailable_at_once(wire: Wire) {
    let (register, key) = (&*wire.register, circuit("down"));
    let version = write(register, &key, None, 1).await;
    wire.proxy.set(Mode::Refuse).await;
    // The first request may still use the closed connection and fail.
    let _ = attempt(register, &key, Some(version), 2).await;

    let ((), took) = on_virtual_time(async {
        assert_eq!(attempt(register, &key, Some(version), 2).await, Err(Unavailable));
        assert_eq!(register.read(&key).await.unwrap_err().kind(), Unavailable);
    })
    .await;
    assert!(took < LIMIT, "no time limit is waited for: {took:?}");

    wire.proxy.set(Mode::Pass).await;
    assert_eq!(n_of(&register.read(&key).await.unwrap().unwrap()), 1, "nothing was written");
    write(register, &key, Some(version), 2).await;
}

async fn a_store_that_hangs_or_trickles_runs_into_the_time_limit(wire: Wire) {
    let key = circuit("slow");
    let version = write(&*wire.register, &key, None, 1).await;
    for mode in [Mode::Hang, Mode::Trickle(1), Mode::Delay(Duration::from_secs(30))] {
        wire.proxy.set(mode).await;
        for is_write in [false, true] {
            let faults = wire.proxy.faults();
            // A busy server may respond so late that the fault does not affect any response. Then try again.
            while wire.proxy.faults() == faults {
                let attempt = async {
                    match is_write {
                        true => attempt(&*wire.hurried, &key, Some(version), 2).await.unwrap_err(),
                        false => wire.hurried.read(&key).await.unwrap_err().kind(),
                    }
                };
                let kind = timeout(CUT, attempt).await.expect("cut at the time limit");
                assert_eq!(kind, if is_write { Ambiguous } else { Timeout }, "{mode:?}");
            }
        }
    }
}

async fn a_dead_connection_costs_no_error_after_a_freeze(wire: Wire) {
    let key = circuit("thaw");
    let mut version = write(&*wire.register, &key, None, 1).await;
    for (n, mode) in (2..).zip([Mode::Refuse, Mode::HalfClose]) {
        let connections = wire.proxy.connections();
        wire.proxy.set(mode).await;
        wire.proxy.set(Mode::Pass).await;
        // The runtime of a frozen process polls no socket.
        thread::sleep(Duration::from_millis(1_200));

        version = write(&*wire.register, &key, Some(version), n).await;

        assert_eq!(wire.proxy.connections(), connections + 1, "{mode:?}: one reconnection");
    }
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn f01_f02_a_lost_response_and_a_lost_request_are_sent_again_on_dynamodb() {
    a_lost_message_is_sent_again(dynamodb().await).await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs a proxy before it")]
async fn f01_f02_a_lost_response_and_a_lost_request_are_sent_again_on_ssm() {
    a_lost_message_is_sent_again(ssm().await).await;
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn f06_a_store_that_is_down_is_unavailable_at_once_and_never_ambiguous_on_dynamodb() {
    a_store_that_is_down_is_unavailable_at_once(dynamodb().await).await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs a proxy before it")]
async fn f06_a_store_that_is_down_is_unavailable_at_once_and_never_ambiguous_on_ssm() {
    a_store_that_is_down_is_unavailable_at_once(ssm().await).await;
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn f07_f08_a_store_that_hangs_or_trickles_runs_into_the_time_limit_on_dynamodb() {
    a_store_that_hangs_or_trickles_runs_into_the_time_limit(dynamodb().await).await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs a proxy before it")]
async fn f07_f08_a_store_that_hangs_or_trickles_runs_into_the_time_limit_on_ssm() {
    a_store_that_hangs_or_trickles_runs_into_the_time_limit(ssm().await).await;
}

#[tokio::test]
#[cfg_attr(own_dynamodb, ignore = "DynamoDB is your own, and this test needs a proxy before it")]
async fn f10_a_connection_closed_during_a_freeze_costs_no_error_on_dynamodb() {
    a_dead_connection_costs_no_error_after_a_freeze(dynamodb().await).await;
}

#[tokio::test]
#[cfg_attr(own_ssm, ignore = "SSM is your own, and this test needs a proxy before it")]
async fn f10_a_connection_closed_during_a_freeze_costs_no_error_on_ssm() {
    a_dead_connection_costs_no_error_after_a_freeze(ssm().await).await;
}
