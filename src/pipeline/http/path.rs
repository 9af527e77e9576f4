//! Makes the path of a request canonical, and refuses a path that is ambiguous.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Why a path was refused. A router or a proxy could take such a path for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path does not begin with a slash")]
    Relative,
    /// This includes encoded dots, and encoded slashes around them.
    #[error("the path has a segment of dots")]
    Dots,
    #[error("the path has a control character")]
    Control,
    /// The decoded path is not UTF-8.
    #[error("the path is not UTF-8")]
    Utf8,
}

/// Whether the source has decoded a path already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathForm {
    /// The path is as the client encoded it. It is decoded here.
    Encoded,
    /// The source has decoded the path. Decoding it again would change it.
    Decoded,
}

/// The characters that are encoded in a segment: all that RFC 3986, section 3.3, does not allow there
/// (`pchar`).
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Appends the canonical form of `path` to `out`: each segment decoded once, and encoded in one way.
///
/// A `%` that does not begin an escape sequence is a plain `%`. Empty segments are kept.
pub(crate) fn canonical(path: &str, form: PathForm, out: &mut String) -> Result<(), PathError> {
    let segments = path.strip_prefix('/').ok_or(PathError::Relative)?;
    // Most paths are canonical already. Paths with a dot are checked below, because it may be part of a dot
    // segment.
    if path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_~".contains(&byte)) {
        out.push_str(path);
        return Ok(());
    }
    for segment in segments.split('/') {
        out.push('/');
        let decoded = match form {
            PathForm::Encoded => {
                percent_decode_str(segment).decode_utf8().map_err(|_| PathError::Utf8)?
            }
            PathForm::Decoded => Cow::Borrowed(segment),
        };
        refuse(&decoded)?;
        out.extend(utf8_percent_encode(&decoded, SEGMENT));
    }
    Ok(())
}

/// Refuses dot segments and control characters. Slashes and backslashes within a segment are content, but dot
/// segments between them are refused too: a handler that joins the text to a path would leave its folder.
fn refuse(segment: &str) -> Result<(), PathError> {
    if segment.split(['/', '\\']).any(|part| part == "." || part == "..") {
        return Err(PathError::Dots);
    }
    if segment.contains(|character: char| character.is_control()) {
        return Err(PathError::Control);
    }
    Ok(())
}

/// `path` without `prefix` at its front. A prefix is one or more whole segments, such as `/prod`. If `path`
/// does not begin with `prefix`, it is returned as it is.
pub(crate) fn without_prefix<'a>(path: &'a str, prefix: &str) -> &'a str {
    let prefix = prefix.trim_matches('/');
    if prefix.is_empty() {
        return path;
    }
    match path.strip_prefix('/').and_then(|path| path.strip_prefix(prefix)) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// `path` without its base path, if the route that API Gateway matched shows the base path.
///
/// `template` is the route (`/orders/{id}`, `/files/{proxy+}`), and `parameter` gives the value of each of its
/// parameters. The template with its values is the end of the path. What precedes it is the base path.
pub(crate) fn without_base_path<'a>(
    path: &'a str,
    template: &str,
    parameter: impl Fn(&str) -> Option<String>,
) -> &'a str {
    let Some(route) = filled(template, parameter) else { return path };
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    // API Gateway ignores a slash at the end.
    let (route, whole) = (route.trim_end_matches('/'), decoded.trim_end_matches('/'));
    let Some(base) = whole.strip_suffix(route).filter(|base| base.starts_with('/')) else {
        return path;
    };
    // Finds the slash in `path` at which the decoded base path ends.
    let mut decoded_len = 0_usize;
    for (index, segment) in path.match_indices('/').zip(path.split('/').skip(1)) {
        if decoded_len == base.len() {
            return path.get(index.0..).unwrap_or(path);
        }
        let segment = percent_decode_str(segment).decode_utf8_lossy();
        decoded_len = decoded_len.saturating_add(1).saturating_add(segment.len());
    }
    if decoded_len == base.len() { "/" } else { path }
}

/// The template with the values of its parameters, decoded. `None` if a value is missing.
fn filled(template: &str, parameter: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    for segment in template.strip_prefix('/')?.split('/') {
        filled.push('/');
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                let value = parameter(name.strip_suffix('+').unwrap_or(name))?;
                filled.push_str(&percent_decode_str(&value).decode_utf8_lossy());
            }
            None => filled.push_str(segment),
        }
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Result<String, PathError> {
        let mut out = String::new();
        canonical(path, PathForm::Encoded, &mut out).map(|()| out)
    }

    fn of_decoded(path: &str) -> Result<String, PathError> {
        let mut out = String::new();
        canonical(path, PathForm::Decoded, &mut out).map(|()| out)
    }

    #[test]
    fn an_encoded_path_is_decoded_once_and_has_one_canonical_form() {
        for (path, canonical) in [
            ("/", "/"),
            ("/orders", "/orders"),
            ("/orders/", "/orders/"),
            ("/orders/7", "/orders/7"),
            ("/a%20b", "/a%20b"),
            ("/a b", "/a%20b"),
            ("/a+b", "/a+b"),
            ("/%41", "/A"),
            ("/%7Ejoe", "/~joe"),
            ("/gr%C3%BC%C3%9Fe", "/gr%C3%BC%C3%9Fe"),
            ("/grüße", "/gr%C3%BC%C3%9Fe"),
            ("/100%", "/100%25"),
            ("/100%25", "/100%25"),
            ("/100% sure", "/100%25%20sure"),
            ("/foo%25bar", "/foo%25bar"),
            ("/$connect", "/$connect"),
            ("/file.txt", "/file.txt"),
            ("/...", "/..."),
            ("/a;b=c,d", "/a;b=c,d"),
            ("/q%3Fx%23y", "/q%3Fx%23y"),
            ("//", "//"),
            ("/a//b", "/a//b"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2fb", "/a%2Fb"),
            ("/a\\b", "/a%5Cb"),
            ("/%2541", "/%2541"),
            ("/abc%252Fdef", "/abc%252Fdef"),
            ("/%252e%252e", "/%252e%252e"),
        ] {
            assert_eq!(of(path).as_deref(), Ok(canonical), "{path}");
        }
    }

    #[test]
    fn a_decoded_path_is_not_decoded_again() {
        for (path, canonical) in [
            ("/orders/7", "/orders/7"),
            ("/a b", "/a%20b"),
            ("/%61dmin/keys", "/%2561dmin/keys"),
            ("/discount/100%25", "/discount/100%2525"),
            ("/files/a%2Fb", "/files/a%252Fb"),
            ("/50%ab", "/50%25ab"),
            ("/%2e%2e/admin", "/%252e%252e/admin"),
            ("/grüße#1", "/gr%C3%BC%C3%9Fe%231"),
        ] {
            assert_eq!(of_decoded(path).as_deref(), Ok(canonical), "{path}");
        }
        assert_eq!(of_decoded("/a/../admin"), Err(PathError::Dots));
        assert_eq!(of_decoded("/a\0b"), Err(PathError::Control));
    }

    #[test]
    fn a_path_that_can_be_taken_for_another_is_refused() {
        for (path, why) in [
            ("", PathError::Relative),
            ("orders", PathError::Relative),
            ("/../etc", PathError::Dots),
            ("/a/..", PathError::Dots),
            ("/./a", PathError::Dots),
            ("/%2e%2e/a", PathError::Dots),
            ("/%2E%2e", PathError::Dots),
            ("/.%2e", PathError::Dots),
            ("/%2e", PathError::Dots),
            ("/..%5c", PathError::Dots),
            ("/a%2F..%2Fb", PathError::Dots),
            ("/a%5c.%2fb", PathError::Dots),
            ("/a%00b", PathError::Control),
            ("/a\0b", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/a%7f", PathError::Control),
            ("/%c2%80", PathError::Control),
            ("/%c0%ae%c0%ae", PathError::Utf8),
            ("/%e0%80%af", PathError::Utf8),
            ("/%ff", PathError::Utf8),
            ("/%ed%a0%80", PathError::Utf8),
        ] {
            assert_eq!(of(path), Err(why), "{path}");
        }
    }

    #[test]
    fn a_prefix_is_whole_segments_at_the_front() {
        for (path, prefix, rest) in [
            ("/prod/orders", "prod", "/orders"),
            ("/api/api/orders", "api", "/api/orders"),
            ("/prod", "prod", "/"),
            ("/prod/", "prod", "/"),
            ("/prod//a", "prod", "//a"),
            ("/orders", "prod", "/orders"),
            ("/production", "prod", "/production"),
            ("/orders", "", "/orders"),
            ("/shop/eu/orders", "/shop/eu", "/orders"),
            ("/shop/eu/orders", "/shop/eu/", "/orders"),
            ("/a/shop", "/shop", "/a/shop"),
        ] {
            assert_eq!(without_prefix(path, prefix), rest, "{path} without {prefix}");
        }
    }

    #[test]
    fn the_matched_route_shows_the_base_path() {
        for (path, template, values, rest) in [
            ("/shop/orders/7", "/orders/{id}", &[("id", "7")] as &[_], "/orders/7"),
            ("/shop/orders", "/{proxy+}", &[("proxy", "orders")], "/orders"),
            ("/shop/orders/7/", "/orders/{id}", &[("id", "7")], "/orders/7/"),
            ("/v1/nested/pay/1/2", "/pay/{invoice+}", &[("invoice", "1/2")], "/pay/1/2"),
            ("/shop/files/a%2Fb", "/files/{id}", &[("id", "a/b")], "/files/a%2Fb"),
            ("/shop/files/a%2Fb", "/files/{id}", &[("id", "a%2Fb")], "/files/a%2Fb"),
            ("/s%20p/files/1", "/files/{id}", &[("id", "1")], "/files/1"),
            ("/shop", "/", &[], "/"),
            ("/orders/7", "/orders/{id}", &[("id", "7")], "/orders/7"),
            ("/shop/orders/7", "/orders/{id}", &[], "/shop/orders/7"),
            ("/shop/orders/7", "$default", &[], "/shop/orders/7"),
            ("/shop/invoices/7", "/orders/{id}", &[("id", "7")], "/shop/invoices/7"),
        ] {
            let value = |name: &str| {
                let of_name = values.iter().find(|(other, _)| *other == name);
                of_name.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(without_base_path(path, template, value), rest, "{path} of {template}");
        }
    }
}
