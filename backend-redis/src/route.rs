//! Which node a command goes to: the one of the configuration or, in a cluster, the one that the
//! cluster itself names.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use redis::{Cmd, Value};

use crate::{
    config::{Address, RedisConfig},
    connect::{Login, Node},
    error::Failure,
};

/// How many redirections are followed, 5: a slot that is being moved takes two.
const REDIRECTIONS: usize = 5;

/// The way to the nodes.
///
/// The owner of a key is learned from the cluster's redirection, at the price of one round trip a
/// key and process. A map of all slots would cost a function a connection to every node of the
/// cluster before its first operation, for the one or two keys that it has.
pub(crate) struct Route {
    config: RedisConfig,
    login: Arc<Login>,
    nodes: Mutex<HashMap<Address, Arc<Node>>>,
    owners: Mutex<HashMap<String, Address>>,
    turn: AtomicUsize,
}

impl Route {
    pub(crate) fn new(config: RedisConfig, login: Login) -> Self {
        Self {
            config,
            login: Arc::new(login),
            nodes: Mutex::default(),
            owners: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    pub(crate) fn config(&self) -> &RedisConfig {
        &self.config
    }

    /// Sends a command about `key`, on to where the cluster says.
    ///
    /// A redirection is a refusal: nothing was applied, so the next node gets the command for the
    /// first time. Whatever else fails is left to the caller, and the next attempt starts from the
    /// configuration again.
    pub(crate) async fn ask(&self, key: &str, command: &Cmd) -> Result<Value, Failure> {
        let mut node = self.start(key);
        let mut asking = false;
        let mut redirections = 0;
        loop {
            let failure = match node.ask(command, asking).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match self.redirection(&failure, node.address()) {
                Some((address, once)) if redirections < REDIRECTIONS => {
                    redirections += 1;
                    asking = once;
                    if !self.config.may_reach(&address.host) {
                        return Err(Failure::Exposed { host: address.host });
                    }
                    if !once {
                        lock(&self.owners).insert(key.to_owned(), address.clone());
                    }
                    node = self.node(address);
                }
                _ => {
                    self.forget(key, &failure);
                    return Err(failure);
                }
            }
        }
    }

    /// The owner, if it is known, else one of the nodes that were given.
    fn start(&self, key: &str) -> Arc<Node> {
        let learned = lock(&self.owners).get(key).cloned();
        self.node(learned.unwrap_or_else(|| {
            let turn = self.turn.load(Ordering::Relaxed);
            self.config.node(turn).clone()
        }))
    }

    fn node(&self, address: Address) -> Arc<Node> {
        let mut nodes = lock(&self.nodes);
        let node = nodes.entry(address).or_insert_with_key(|address| {
            Arc::new(Node::new(address.clone(), Arc::clone(&self.login)))
        });
        Arc::clone(node)
    }

    fn redirection(&self, failure: &Failure, from: &Address) -> Option<(Address, bool)> {
        let Failure::Refused(refusal) = failure else { return None };
        let (address, once) = refusal.redirection().filter(|_| self.config.cluster)?;
        let (host, port) = address.rsplit_once(':')?;
        // Without a host it is another port of the one that was asked.
        let host = if host.is_empty() { &from.host } else { host };
        Some((Address { host: host.to_owned(), port: port.parse().ok()? }, once))
    }

    /// After a failure that may mean that the node is gone, the cluster is asked anew, through the
    /// next of the nodes that were given.
    fn forget(&self, key: &str, failure: &Failure) {
        if matches!(failure, Failure::NotSent { .. }) || failure.ends_connection() {
            lock(&self.owners).remove(key);
            self.turn.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A panic while one of these maps was held left it whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
