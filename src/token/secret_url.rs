//! The URL of a secret in AWS Secrets Manager or in SSM Parameter Store.

/// Where a secret is: `secretsmanager://NAME` or `ssm://NAME`. The name of a parameter may begin with a
/// slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretUrl {
    SecretsManager(String),
    Parameter(String),
}

impl SecretUrl {
    /// Returns `None` if `text` is not such a URL: then it is the secret itself.
    pub(super) fn parse(text: &str) -> Option<Result<Self, String>> {
        let text = text.trim();
        let (scheme, name) = text.split_once("://")?;
        let of = match scheme {
            "secretsmanager" => Self::SecretsManager,
            "ssm" => Self::Parameter,
            _ => return None,
        };
        // A secret may be named by its ARN, and a parameter by its path.
        let is_legal = |letter: char| letter.is_ascii_alphanumeric() || "/_+=.@:-".contains(letter);
        if name.is_empty() || name.len() > 2_048 || !name.chars().all(is_legal) {
            let expected = "FUNCIFY_CLIENT_SECRET: expected secretsmanager://NAME or ssm://NAME";
            return Some(Err(format!("{expected}, with a name of A-Z a-z 0-9 / _ + = . @ : -")));
        }
        Some(Ok(of(name.to_owned())))
    }

    pub(super) fn path_and_query(&self) -> (&'static str, [(&'static str, &str); 2]) {
        match self {
            Self::SecretsManager(name) => {
                ("secretsmanager/get", [("secretId", name), ("versionStage", "AWSCURRENT")])
            }
            Self::Parameter(name) => {
                ("systemsmanager/parameters/get", [("name", name), ("withDecryption", "true")])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_may_be_named_by_a_url_and_anything_else_is_a_secret() {
        let parse = |text: &str| SecretUrl::parse(text).map(Result::ok);
        let named = |name: &str| Some(Some(SecretUrl::SecretsManager(name.to_owned())));
        assert_eq!(parse("secretsmanager://idp"), named("idp"));
        let arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:idp-AbCdEf";
        assert_eq!(parse(&format!("secretsmanager://{arn}\n")), named(arn));
        let parameter = |name: &str| Some(Some(SecretUrl::Parameter(name.to_owned())));
        assert_eq!(parse("ssm://idp"), parameter("idp"));
        assert_eq!(parse("ssm:///fleet/idp"), parameter("/fleet/idp"));
        for wrong in ["ssm://", "secretsmanager://a b", "secretsmanager://a?b"] {
            assert_eq!(parse(wrong), Some(None), "{wrong}");
        }
        for secret in ["s3cr3t", "https://one", "a://b", "://"] {
            assert_eq!(parse(secret), None, "{secret}");
        }
    }
}
