use url::Url;

/// What the metadata of the issuer says.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    pub(super) token_endpoint: Url,
    pub(super) issuer: String,
}
