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
            // A single node serves functions too. It says so when it is asked for the slots.
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

/// A node of a cluster has a part of all keys. Of so many keys hardly ever all are on one of two nodes.
const KEYS: usize = 24;

impl RedisBackend {
    /// The answer of a node of a cluster about a key that another node has.
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
                // What else is wrong, the trials say.
                Err(_) => return None,
            }
        }
        None
    }

    async fn tried(&self, key: &str, command: Cmd) -> Result<(), StoreError> {
        match self.send(key, command).await {
            // A server that does not know the script yet, or holds something else at the key, let us ask.
            Err(failure) if failure.is_unknown_script() || failure.is_wrong_type() => Ok(()),
            Err(failure) => Err(Failure::into_error(failure, Attempt::Read)),
            Ok(_) => Ok(()),
        }
    }
}

/// Whether the server is in no cluster.
fn is_single_node(error: &StoreError) -> bool {
    funcify_core::engine::error_chain(error).contains("cluster support disabled")
}

/// Whether no other command would be answered otherwise.
fn is_about_all_commands(error: &StoreError) -> bool {
    // A missing right is reported as NOPERM, and a failed log-in by another code.
    let text = funcify_core::engine::error_chain(error);
    error.kind() != StoreErrorKind::Denied || text.contains("WRONGPASS") || text.contains("NOAUTH")
}
