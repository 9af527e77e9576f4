//! Tries each command that a function or an operator needs.

use async_trait::async_trait;
use funcify_core::{
    StoreError, StoreErrorKind, Timestamp,
    engine::{Diagnosed, TRIED_RECORD, Trial},
};
use redis::{Cmd, Value};

use crate::{
    RedisBackend,
    error::{Attempt, Failure},
    register::Client,
    wire::{self, Named},
};

#[async_trait]
impl Diagnosed for RedisBackend {
    async fn trials(&self) -> Vec<Trial> {
        let key = format!("{}:{TRIED_RECORD}", self.prefix());
        let on_key = |name: &str, arguments: &[&str]| {
            let mut command = redis::cmd(name);
            command.arg(&key).arg(arguments);
            command
        };
        let mut eval = redis::cmd("EVAL");
        eval.arg("return 1").arg(1).arg(&key);
        let commands = [
            ("+evalsha", wire::read(&key, Named::Hash)),
            ("+eval", eval),
            ("+hstrlen", on_key("HSTRLEN", &["rec"])),
            ("+hmget", on_key("HMGET", &["id", "rec"])),
            ("+hset", on_key("HSET", &["rec", "{}"])),
            ("+pexpire", on_key("PEXPIRE", &["60000"])),
            ("+del", on_key("DEL", &[])),
        ];
        let cluster = matches!(self.client(), Client::Ours(route) if route.config().cluster);
        let mut trials = Vec::new();
        if !cluster {
            trials
                .extend(self.moved().await.map(|error| Trial::for_functions("+hmget", Err(error))));
        }
        for (right, command) in commands {
            let result = self.tried(&key, command).await;
            let is_hopeless = result.as_ref().is_err_and(is_about_all_commands);
            trials.push(Trial::for_functions(right, result));
            if is_hopeless {
                return trials;
            }
        }
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        if cluster {
            // Functions also work on a single node with such a URL. It answers this command with an error
            // that says so.
            let asked = self.tried(&key, redis::cmd("ASKING")).await;
            let asked =
                asked.or_else(|error| if is_single_node(&error) { Ok(()) } else { Err(error) });
            trials.push(Trial::for_functions("+asking", asked));
            trials.push(Trial::for_operators("+cluster|slots", self.tried(&key, slots).await));
        }
        let mut name = redis::cmd("CLIENT");
        name.arg("SETNAME").arg("funcify");
        let mut scan = redis::cmd("SCAN");
        scan.arg("0").arg("COUNT").arg(1);
        for (right, command) in
            [("+client|setname", name), ("+scan", scan), ("+time", redis::cmd("TIME"))]
        {
            trials.push(Trial::for_operators(right, self.tried(&key, command).await));
        }
        trials
    }

    async fn server_time(&self) -> Option<Timestamp> {
        let key = format!("{}:{TRIED_RECORD}", self.prefix());
        let Value::Array(parts) = self.send(&key, redis::cmd("TIME")).await.ok()? else {
            return None;
        };
        let number = |part: &Value| match part {
            Value::BulkString(digits) => std::str::from_utf8(digits).ok()?.parse::<i64>().ok(),
            _ => None,
        };
        let (seconds, micros) = (number(parts.first()?)?, number(parts.get(1)?)?);
        Some(Timestamp::from_millis(seconds.checked_mul(1_000)?.checked_add(micros / 1_000)?))
    }

    async fn create(&self) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// How many keys are tried, 24. Each node of a cluster has a part of all keys. Even with two nodes, so many
/// keys are hardly ever all on the same node.
const KEYS: usize = 24;

impl RedisBackend {
    /// Returns the error `MOVED`, with which a node of a cluster answers for a key that another node has.
    /// `None` if the server is not a cluster, or gave another error.
    async fn moved(&self) -> Option<StoreError> {
        for number in 0..KEYS {
            let key = format!("{}:{TRIED_RECORD}-{number}", self.prefix());
            let mut command = redis::cmd("HMGET");
            command.arg(&key).arg("id");
            match self.tried(&key, command).await {
                Ok(()) => {}
                Err(error) if funcify_core::engine::error_chain(&error).contains("MOVED") => {
                    return Some(error);
                }
                // The other trials report any other error.
                Err(_) => return None,
            }
        }
        None
    }

    async fn tried(&self, key: &str, command: Cmd) -> Result<(), StoreError> {
        match self.send(key, command).await {
            // These errors show that the user has the right: the server does not know the script yet, or
            // has something else at the key.
            Err(failure) if failure.is_unknown_script() || failure.is_wrong_type() => Ok(()),
            Err(failure) => Err(Failure::into_error(failure, Attempt::Read)),
            Ok(_) => Ok(()),
        }
    }
}

/// Whether the error says that the server is not part of a cluster.
fn is_single_node(error: &StoreError) -> bool {
    funcify_core::engine::error_chain(error).contains("cluster support disabled")
}

/// Whether every other command would get the same error.
fn is_about_all_commands(error: &StoreError) -> bool {
    // A missing right is reported as NOPERM, and a failed log-in by another code.
    let text = funcify_core::engine::error_chain(error);
    error.kind() != StoreErrorKind::Denied || text.contains("WRONGPASS") || text.contains("NOAUTH")
}
