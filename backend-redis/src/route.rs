//! Chooses the node to which a command goes: a node of the configuration or, in a cluster, the node to
//! which the cluster redirects.

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

/// How many redirections a command follows, 5. Two are needed while a slot is being moved.
const REDIRECTIONS: usize = 5;

/// The nodes, and which node owns each key.
///
/// A redirection of the cluster shows which node owns a key. It costs each process one round trip for each
/// key. A client that reads a map of all slots connects to every node before its first operation, but a
/// function uses only a few keys.
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

    /// Sends a command for `key`, and follows the redirections of the cluster.
    ///
    /// A redirection is a refusal, so nothing was applied, and the next node may get the command. The caller
    /// handles all other failures. A node is remembered only after it has responded. Otherwise callers that
    /// give up early would try a dead node again and again.
    pub(crate) async fn send(&self, key: &str, command: &Cmd) -> Result<Value, Failure> {
        let (mut node, turn) = self.start(key);
        let mut asking = false;
        let mut redirections = 0;
        loop {
            let response = node.send(command, asking).await;
            let failure = response.as_ref().err();
            match failure.and_then(|failure| self.redirection(failure, node.address())) {
                Some((address, once)) if redirections < REDIRECTIONS => {
                    self.keep_turn(turn);
                    if !self.config.may_reach(&address.host) {
                        return Err(Failure::Exposed { host: address.host });
                    }
                    redirections += 1;
                    asking = once;
                    node = self.node(&address);
                }
                _ => {
                    if failure.is_some_and(Failure::doubts_the_node) {
                        lock(&self.owners).remove(key);
                    } else {
                        self.keep_turn(turn);
                        self.learn(key, node.address(), asking);
                    }
                    return response;
                }
            }
        }
    }

    /// Sends a command that has no key to the next node of the configuration, and returns which node it was.
    pub(crate) async fn ask(&self, command: &Cmd) -> Result<(Value, Address), Failure> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let node = self.node(self.config.node(turn));
        let response = node.send(command, false).await?;
        self.keep_turn(Some(turn));
        Ok((response, node.address().clone()))
    }

    /// Sends a command to this node.
    pub(crate) async fn send_to(&self, node: &Address, command: &Cmd) -> Result<Value, Failure> {
        if !self.config.may_reach(&node.host) {
            return Err(Failure::Exposed { host: node.host.clone() });
        }
        self.node(node).send(command, false).await
    }

    /// Returns the owner of the key if it is known. Otherwise the next configured node, with its number.
    fn start(&self, key: &str) -> (Arc<Node>, Option<usize>) {
        let owner = if self.config.cluster { lock(&self.owners).get(key).cloned() } else { None };
        match owner {
            Some(owner) => (self.node(&owner), None),
            None => {
                let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                (self.node(self.config.node(turn)), Some(turn))
            }
        }
    }

    /// Makes the next command begin with the same node, because it has responded.
    fn keep_turn(&self, turn: Option<usize>) {
        if let Some(turn) = turn {
            self.turn.store(turn, Ordering::Relaxed);
        }
    }

    fn learn(&self, key: &str, address: &Address, once: bool) {
        if !self.config.cluster || once {
            return;
        }
        let mut owners = lock(&self.owners);
        if owners.get(key) != Some(address) {
            owners.insert(key.to_owned(), address.clone());
        }
    }

    fn node(&self, address: &Address) -> Arc<Node> {
        let mut nodes = lock(&self.nodes);
        if let Some(node) = nodes.get(address) {
            return Arc::clone(node);
        }
        let node = Arc::new(Node::new(address.clone(), Arc::clone(&self.login)));
        nodes.insert(address.clone(), Arc::clone(&node));
        node
    }

    fn redirection(&self, failure: &Failure, from: &Address) -> Option<(Address, bool)> {
        let Failure::Refused(refusal) = failure else { return None };
        let (address, once) = refusal.redirection().filter(|_| self.config.cluster)?;
        let (host, port) = address.rsplit_once(':')?;
        // An address without a host means another port of the same host.
        let host = if host.is_empty() { &from.host } else { host };
        Some((Address { host: host.to_owned(), port: port.parse().ok()? }, once))
    }
}

/// Locks a map. A panic cannot leave it half updated, so a poisoned lock is used as it is.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
