//! Lists the records of a kind with `SCAN` on every master.

use std::collections::BTreeSet;

use async_trait::async_trait;
use funcify_core::{
    StoreError,
    register::{Inventory, RecordKind, RecordName},
};
use redis::{Cmd, Value};

use crate::{
    RedisBackend,
    config::Address,
    error::{Attempt, Failure},
    register::Client,
};

/// How many keys one `SCAN` visits, 1,000. This takes about a millisecond, in which the server answers
/// nobody else.
const KEYS_A_SCAN: u32 = 1_000;

#[async_trait]
impl Inventory for RedisBackend {
    /// Asks the node, or each master of a cluster. A user's own connection counts as a single node.
    async fn list(&self, kind: RecordKind) -> Result<Vec<RecordName>, StoreError> {
        let start = format!("{}:{kind}:", self.prefix());
        let mut names = BTreeSet::new();
        let listed = async {
            for master in self.masters().await? {
                self.scan(master.as_ref(), &start, &mut names).await?;
            }
            Ok(())
        };
        listed.await.map_err(|failure: Failure| failure.into_error(Attempt::Read))?;
        Ok(names.into_iter().collect())
    }
}

impl RedisBackend {
    /// Returns the masters of a cluster. `None` in the list means the only node.
    async fn masters(&self) -> Result<Vec<Option<Address>>, Failure> {
        let Client::Ours(route) = self.client() else { return Ok(vec![None]) };
        if !route.config().cluster {
            return Ok(vec![None]);
        }
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let (response, asked) = route.ask(&slots).await?;
        let Value::Array(ranges) = response else { return Err(Failure::Malformed) };
        let mut masters = Vec::new();
        for range in &ranges {
            let master = Some(master(range, &asked).ok_or(Failure::Malformed)?);
            if !masters.contains(&master) {
                masters.push(master);
            }
        }
        Ok(masters)
    }

    async fn scan(
        &self,
        master: Option<&Address>,
        start: &str,
        names: &mut BTreeSet<RecordName>,
    ) -> Result<(), Failure> {
        let mut cursor = "0".to_owned();
        loop {
            let response = self.send_to(master, scan(&cursor, start)).await?;
            let Value::Array(parts) = response else { return Err(Failure::Malformed) };
            let [next, Value::Array(keys)] = parts.as_slice() else {
                return Err(Failure::Malformed);
            };
            let keys = keys.iter().filter_map(text);
            names
                .extend(keys.filter_map(|key| key.strip_prefix(start)?.parse::<RecordName>().ok()));
            cursor = text(next).ok_or(Failure::Malformed)?.to_owned();
            if cursor == "0" {
                return Ok(());
            }
        }
    }

    async fn send_to(&self, master: Option<&Address>, command: Cmd) -> Result<Value, Failure> {
        match (self.client(), master) {
            (Client::Ours(route), Some(master)) => route.send_to(master, &command).await,
            _ => self.send("", command).await,
        }
    }
}

/// Builds the command. No character of a prefix has a meaning in a pattern, so `start` needs no escapes.
fn scan(cursor: &str, start: &str) -> Cmd {
    let mut command = redis::cmd("SCAN");
    command.arg(cursor).arg("MATCH").arg(format!("{start}*")).arg("COUNT").arg(KEYS_A_SCAN);
    command
}

/// Returns the master in a range of slots: `[first slot, last slot, [host, port, …], replicas…]`. An empty
/// host, `?` or null means the host that was asked.
fn master(range: &Value, asked: &Address) -> Option<Address> {
    let Value::Array(parts) = range else { return None };
    let Value::Array(node) = parts.get(2)? else { return None };
    let host = node.first().and_then(text).filter(|host| !host.is_empty() && *host != "?");
    let Value::Int(port) = node.get(1)? else { return None };
    Some(Address { host: host.unwrap_or(&asked.host).to_owned(), port: u16::try_from(*port).ok()? })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
