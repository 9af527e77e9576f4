use url::Url;

/// The members of the issuer's metadata that a request needs.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    pub(super) token_endpoint: Url,
    pub(super) issuer: String,
}
