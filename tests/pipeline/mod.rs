//! From the event to the handler and back, through the public API only.

mod batches;
mod building;
mod canary;
mod contexts;
mod corpus;
mod envelopes;
mod hostile;
mod inputs;
mod kinds;
mod lambda_http;
mod large;
mod layers;
mod local;
mod malformed;
mod mutants;
mod mutations;
mod nested;
mod overtime;
mod paths;
mod preflight;
mod requests;
mod responses;
mod services;
mod steps;
mod windows;
