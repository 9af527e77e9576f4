//! Digests of the credentials: which token they ask for, and with which secret.

use aws_lc_rs::{digest, hmac};
use funcify_core::engine::hex;

use crate::token::authentication::{ClientAuthentication, ClientSecret};
use crate::token::credentials::{ClientCredentials, Endpoint};

impl ClientCredentials {
    /// The digest of everything that determines the token, in a canonical form: scopes and resources are
    /// sorted, and spaces around a text and the issuer's final slash are removed. Credentials that differ
    /// only in these get the same token.
    pub(in crate::token) fn meaning(&self) -> String {
        let trimmed = |text: &String| text.trim().to_owned();
        let set = |mut words: Vec<String>| {
            words.sort();
            words.dedup();
            words
        };
        let words = |text: &String| text.split_whitespace().map(str::to_owned).collect();
        let scope = self.scope.as_ref().map(words).map(set);
        let canonical = Self {
            endpoint: match &self.endpoint {
                Endpoint::TokenUrl(url) => Endpoint::TokenUrl(trimmed(url)),
                Endpoint::Issuer(issuer) => {
                    let issuer = issuer.trim();
                    Endpoint::Issuer(issuer.trim_end_matches('/').to_owned())
                }
            },
            client_id: trimmed(&self.client_id),
            scope: scope.map(|scope| scope.join(" ")).filter(|scope| !scope.is_empty()),
            audience: self.audience.as_ref().map(trimmed),
            resources: set(self.resources.iter().map(trimmed).collect()),
            ..self.clone()
        };
        canonical.digest()
    }

    /// The digest of everything that determines the token, as it was configured: the first 32 hexadecimal
    /// digits of a SHA-256.
    pub(in crate::token) fn digest(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut member = |text: &str| {
            // The length comes first, so that no two lists hash the same bytes.
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        match &self.endpoint {
            Endpoint::TokenUrl(url) => member(url),
            Endpoint::Issuer(issuer) => member(issuer),
        }
        member(&self.client_id);
        member(self.authentication.method());
        for (name, value) in self.form() {
            member(name);
            member(value);
        }
        hex(hash.finish().as_ref(), 16)
    }

    /// A keyed digest of the secret, 4 bytes long. The record of a refusal contains it, and the refusal
    /// applies only to processes with the same digest. With so few bytes, nobody can confirm a guessed
    /// secret.
    pub(in crate::token) fn fingerprint(&self, secret: Option<&ClientSecret>) -> String {
        let key_id;
        let key = match (&self.authentication, secret) {
            (ClientAuthentication::PrivateKeyJwt(signer), _) => {
                key_id = signer.header().into_iter().find(|(name, _)| name == "kid");
                key_id.as_ref().map_or("", |(_, value)| value)
            }
            (_, Some(secret)) => secret.expose(),
            (_, None) => "",
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        hex(hmac::sign(&key, self.digest().as_bytes()).as_ref(), 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secret: &str) -> ClientCredentials {
        ClientCredentials::new(
            Endpoint::TokenUrl("https://login.example/token".to_owned()),
            "warehouse",
            ClientSecret::from(secret),
        )
    }

    #[test]
    fn the_digest_depends_on_all_that_determines_the_token_and_not_on_the_secret() {
        let plain = credentials("one").digest();
        assert_eq!(plain.len(), 32);
        assert_eq!(plain, credentials("two").digest());
        let changes: [fn(&mut ClientCredentials); 5] = [
            |credentials| credentials.scope = Some("a".to_owned()),
            |credentials| credentials.audience = Some("a".to_owned()),
            |credentials| credentials.resources.push("a".to_owned()),
            |credentials| credentials.parameters.push(("a".to_owned(), "b".to_owned())),
            |credentials| credentials.parameters.push(("ab".to_owned(), String::new())),
        ];
        let changed = |change: &fn(&mut ClientCredentials)| {
            let mut credentials = credentials("one");
            change(&mut credentials);
            credentials.digest()
        };
        let mut digests: Vec<_> = changes.iter().map(changed).collect();
        digests.push(plain);
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 6);
    }

    #[test]
    fn the_meaning_has_sets_and_no_spaces_and_no_final_slash() {
        let with = |issuer: &str, scope: &str, resources: &[&str]| {
            let endpoint = Endpoint::Issuer(issuer.to_owned());
            let mut credentials =
                ClientCredentials::new(endpoint, "warehouse", ClientSecret::from("one"));
            credentials.scope = Some(scope.to_owned());
            credentials.resources = resources.iter().map(|one| (*one).to_owned()).collect();
            credentials
        };
        let plain = with("https://login.example", "a b", &["r", "s"]);
        assert_eq!(plain.meaning(), plain.digest(), "it is in the canonical form");
        for same in [
            with("https://login.example/", "a b", &["r", "s"]),
            with(" https://login.example\n", "b a", &["r", "s"]),
            with("https://login.example", " b  a a ", &["s", "r", "r"]),
        ] {
            assert_eq!(same.meaning(), plain.meaning(), "{same:?}");
            assert_ne!(same.digest(), plain.digest(), "{same:?}");
        }
        for other in [
            with("https://login.example", "a", &["r", "s"]),
            with("https://login.example", "a b", &["r"]),
            with("https://login.example/x", "a b", &["r", "s"]),
        ] {
            assert_ne!(other.meaning(), plain.meaning(), "{other:?}");
        }
    }

    #[test]
    fn two_secrets_have_two_fingerprints_and_neither_is_shown() {
        let print = |secret: &str| {
            let secret = ClientSecret::from(secret);
            credentials("any").fingerprint(Some(&secret))
        };
        assert_eq!(print("one").len(), 8);
        assert_eq!(print("one"), print("one"));
        assert_ne!(print("one"), print("two"));
        assert!(!format!("{:?}", credentials("canary")).contains("canary"));
    }
}
