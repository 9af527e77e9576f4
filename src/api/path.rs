use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Encodes any text as one segment of a path, or as one value in a query (RFC 3986, sections 3.3 and
/// 3.4).
///
/// Use it for text that others wrote: a `/`, a `?`, a `#` or a `&` in it would send the request, with
/// the fleet's token, to another path or with another query. A request with the segment `.` or `..`, in
/// any spelling, is refused.
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

/// The path leaves the base URL of the API.
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
    // `..` leaves the base, in any spelling: URLs treat `\` as `/` and `%2e` as a dot.
    let climbs = path.split(['/', '\\']).any(|segment| {
        matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), ".." | ".")
    });
    if is_below && !climbs && url.origin() == base.origin() { Ok(url) } else { Err(PathError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_its_base() {
        let base = Url::parse("https://warehouse.example:8443/v1/").unwrap();
        let url = |path| below(&base, path).map(|url| url.to_string());
        let expected = |rest: &str| Ok(format!("https://warehouse.example:8443/v1/{rest}"));
        assert_eq!(url("/orders/7"), expected("orders/7"));
        assert_eq!(url("orders?a=b%20c&d"), expected("orders?a=b%20c&d"));
        assert_eq!(url(""), expected(""));
        assert_eq!(url("//thief.example/x"), expected("/thief.example/x"));
        assert_eq!(url("https://thief.example"), expected("https://thief.example"));
        assert_eq!(url("@thief.example"), expected("@thief.example"));
        for escape in ["..", "/../admin", "a/../../b", "%2e%2e/admin", "/.%2E/x", "..\\admin"] {
            assert_eq!(url(escape), Err(PathError), "{escape}");
        }
    }
}
