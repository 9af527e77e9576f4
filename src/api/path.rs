use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Encodes any text as one segment of a path, or as one value in a query (RFC 3986 §3.3 and §3.4).
///
/// Use it for text that others wrote. Otherwise a `/`, `?`, `#` or `&` in it would send the request, with the
/// fleet's token, to another path or with another query.
///
/// No text can leave the base URL of an [`Api`](super::Api). When a request is sent, it is refused if its
/// path has the segment `.` or `..` in any spelling: encoded once or several times, or between encoded
/// slashes. This also refuses `segment("..")` and `segment("../../admin")`.
///
/// # Examples
///
/// ```
/// use funcify::api::segment;
///
/// assert_eq!(format!("/stock/{}", segment("7?admin=true")), "/stock/7%3Fadmin%3Dtrue");
/// assert_eq!(format!("/stock?item={}", segment("salt & pepper")), "/stock?item=salt%20%26%20pepper");
/// ```
#[must_use]
pub fn segment(text: &str) -> String {
    const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

    utf8_percent_encode(text, &KEPT).to_string()
}

/// The error of a path that leaves the base URL of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a path below the base URL of the API")]
pub(super) struct PathError;

/// The URL of `path`, which may have a query, below `base`.
pub(super) fn below(base: &Url, path: &str) -> Result<Url, PathError> {
    let root = base.path().trim_end_matches('/');
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let mut url = base.clone();
    url.set_path(&format!("{root}/{}", path.strip_prefix('/').unwrap_or(path)));
    url.set_query(query);
    let is_below = url.path() == root
        || url.path().strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    if is_below && !climbs(path) && url.origin() == base.origin() {
        Ok(url)
    } else {
        Err(PathError)
    }
}

/// Whether a path has the segment `.` or `..`, by the rules of any server.
///
/// URL parsers treat `\` as `/`, and drop tabs and line breaks. Some servers decode a path before they split
/// it, some after, and some twice. Some ignore what follows a `;`.
fn climbs(path: &str) -> bool {
    let decoded = decoded(&path.replace(['\t', '\r', '\n'], ""));
    let mut segments = decoded.split(['/', '\\']);
    segments.any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
}

/// Decodes the dots, slashes and semicolons of the path, however often they were encoded.
fn decoded(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(letter) = rest.chars().next() {
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        match letter {
            '%' => {
                // `%252e` is `%2e`, encoded once more.
                let code = rest.trim_start_matches("25");
                let letter = match code.get(..2).map(str::to_ascii_lowercase).as_deref() {
                    Some("2e") => Some('.'),
                    Some("2f") => Some('/'),
                    Some("5c") => Some('\\'),
                    Some("3b") => Some(';'),
                    _ => None,
                };
                decoded.push(letter.unwrap_or('%'));
                rest = if letter.is_some() { code.get(2..).unwrap_or_default() } else { code };
            }
            other => decoded.push(other),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_base() {
        let base = Url::parse("https://warehouse.example:8443/v1/").unwrap();
        let url = |path: &str| below(&base, path).map(|url| url.to_string());
        let expected = |rest: &str| Ok(format!("https://warehouse.example:8443/v1/{rest}"));
        assert_eq!(url("/orders/7"), expected("orders/7"));
        assert_eq!(url("orders?a=b%20c&d"), expected("orders?a=b%20c&d"));
        assert_eq!(url(""), expected(""));
        assert_eq!(url("//thief.example/x"), expected("/thief.example/x"));
        assert_eq!(url("https://thief.example"), expected("https://thief.example"));
        assert_eq!(url("@thief.example"), expected("@thief.example"));
        assert_eq!(url("/a%2Fb/..c/%2e%2ec"), expected("a%2Fb/..c/%2e%2ec"));
        assert_eq!(
            url(&segment("100% of 7/8; or ...")),
            expected("100%25%20of%207%2F8%3B%20or%20...")
        );
        assert_eq!(url("orders?back=../admin"), expected("orders?back=../admin"));
    }

    #[test]
    fn no_path_climbs_in_any_spelling() {
        let base = Url::parse("https://warehouse.example/v1/").unwrap();
        for escape in [
            "..",
            ".",
            "/../admin",
            "a/../../b",
            "a/./b",
            "%2e%2e/admin",
            "/.%2E/x",
            "..\\admin",
            "/a/..%2f..%2fadmin",
            "/a/..%2F..%2Fadmin",
            "/a/..%5cadmin",
            "/a%2f..%2fadmin",
            "/a%2f%2e%2e%2fadmin",
            "/a/%252e%252e/admin",
            "/a/..%252f..%252fadmin",
            "/a/%25252e%25252e%25252fadmin",
            "/a/..;/admin",
            "/a/..;x=1/admin",
            "/a/..%3bx/admin",
            "/a/.\t./admin",
            "/a/.\n./admin",
            "/a/%2\te%2e/admin",
            "/stock/%2e",
        ] {
            assert_eq!(below(&base, escape), Err(PathError), "{escape}");
        }
        for text in ["..", ".", "../../admin", "..\\..\\admin", "a/../../admin", "%2e%2e", "..;a"] {
            let path = format!("/stock/{}/item", segment(text));
            assert_eq!(below(&base, &path), Err(PathError), "{text}");
        }
        for text in ["...", "..a", "a..", "1.5", "a.b/c.d", "%", "%%2", "100%25", ""] {
            let path = format!("/stock/{}/item", segment(text));
            let url = below(&base, &path).unwrap();
            assert!(url.path().starts_with("/v1/stock/") && url.path().ends_with("/item"), "{url}");
        }
    }

    #[test]
    fn a_check_that_decodes_no_slashes_lets_a_path_climb_and_is_caught() {
        // The mutant: dots are decoded, slashes are not.
        let climbs_only_plainly = |path: &str| {
            path.split(['/', '\\']).any(|segment| {
                matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), ".." | ".")
            })
        };
        assert!(!climbs_only_plainly("/a/..%2f..%2fadmin"));
        assert!(climbs("/a/..%2f..%2fadmin"));
    }
}
