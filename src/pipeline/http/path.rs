//! Makes the path of a request canonical, and refuses a path that is ambiguous.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// A path was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path does not begin with a slash")]
    Relative,
    #[error("the path has an empty segment")]
    EmptySegment,
    /// Also if the dots are encoded.
    #[error("the path has a segment of dots")]
    Dots,
    /// Once it is decoded.
    #[error("the path has a slash or backslash within a segment")]
    Slash,
    #[error("the path has a control character")]
    Control,
    /// Once it is decoded.
    #[error("the path is not UTF-8")]
    Utf8,
    #[error("the path is encoded twice")]
    EncodedTwice,
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

/// Appends the canonical form of `path` to `out`.
///
/// Some sources deliver the path encoded and some do not. A `%` that starts no escape is therefore a
/// plain `%`.
pub(crate) fn canonical(path: &str, out: &mut String) -> Result<(), PathError> {
    let segments = path.strip_prefix('/').ok_or(PathError::Relative)?;
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        out.push('/');
        if segment.is_empty() && segments.peek().is_some() {
            return Err(PathError::EmptySegment);
        }
        if segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte)) {
            out.push_str(segment);
            continue;
        }
        let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| PathError::Utf8)?;
        refuse(&decoded)?;
        out.extend(utf8_percent_encode(&decoded, SEGMENT));
    }
    Ok(())
}

fn refuse(segment: &str) -> Result<(), PathError> {
    if segment == "." || segment == ".." {
        return Err(PathError::Dots);
    }
    if segment.contains(['/', '\\']) {
        return Err(PathError::Slash);
    }
    if segment.contains(|character: char| character.is_control()) {
        return Err(PathError::Control);
    }
    let is_escape = |window: &[u8]| matches!(window, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if segment.as_bytes().windows(3).any(is_escape) {
        return Err(PathError::EncodedTwice);
    }
    Ok(())
}

/// `path` without its first segment, if API Gateway has put the stage there.
///
/// Under the API's own domain (`….execute-api.…`) the path of an HTTP API begins with its stage, unless the
/// stage is `$default`. Under a custom domain it begins with the key of the API mapping, which may be the
/// name of the stage too. There `template`, the route that API Gateway matched, decides: the first segment is
/// removed only if the rest of the path fits the template, and the whole path does not. The route `$default`
/// takes any path and decides nothing.
pub(crate) fn without_stage<'a>(
    path: &'a str,
    stage: &str,
    template: Option<&str>,
    is_own_domain: bool,
) -> &'a str {
    if stage.is_empty() || stage == "$default" {
        return path;
    }
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    let rest = match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => return path,
    };
    let fits = |path| template.is_some_and(|template| matches(template, path));
    if is_own_domain || (fits(rest) && !fits(path)) { rest } else { path }
}

/// Whether a route of API Gateway (`/orders/{id}`, `/files/{proxy+}`) matches a path and names the first
/// segment literally.
fn matches(template: &str, path: &str) -> bool {
    let mut path = path.trim_end_matches('/').split('/');
    let mut template = template.trim_end_matches('/').split('/');
    let first_is_literal = template.clone().nth(1).is_some_and(|first| !first.starts_with('{'));
    first_is_literal
        && loop {
            match (template.next(), path.next()) {
                (None, None) => break true,
                (Some(segment), Some(_)) if segment.ends_with("+}") => break true,
                (Some(segment), Some(_)) if segment.starts_with('{') => {}
                (Some(segment), Some(given)) if segment == given => {}
                _ => break false,
            }
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Result<String, PathError> {
        let mut out = String::new();
        canonical(path, &mut out).map(|()| out)
    }

    #[test]
    fn a_path_is_decoded_once_and_has_one_canonical_form() {
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
            ("/$connect", "/$connect"),
            ("/file.txt", "/file.txt"),
            ("/...", "/..."),
            ("/a;b=c,d", "/a;b=c,d"),
            ("/q%3Fx%23y", "/q%3Fx%23y"),
        ] {
            assert_eq!(of(path).as_deref(), Ok(canonical), "{path}");
        }
    }

    #[test]
    fn an_ambiguous_path_is_refused() {
        for (path, why) in [
            ("", PathError::Relative),
            ("orders", PathError::Relative),
            ("//", PathError::EmptySegment),
            ("/a//b", PathError::EmptySegment),
            ("//a", PathError::EmptySegment),
            ("/a//", PathError::EmptySegment),
            ("/../etc", PathError::Dots),
            ("/a/..", PathError::Dots),
            ("/./a", PathError::Dots),
            ("/%2e%2e/a", PathError::Dots),
            ("/%2E%2e", PathError::Dots),
            ("/.%2e", PathError::Dots),
            ("/%2e", PathError::Dots),
            ("/a%2Fb", PathError::Slash),
            ("/a%2fb", PathError::Slash),
            ("/a\\b", PathError::Slash),
            ("/a%5Cb", PathError::Slash),
            ("/..%5c", PathError::Slash),
            ("/a%00b", PathError::Control),
            ("/a\0b", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/a%7f", PathError::Control),
            ("/%c2%80", PathError::Control),
            ("/%c0%ae%c0%ae", PathError::Utf8),
            ("/%e0%80%af", PathError::Utf8),
            ("/%ff", PathError::Utf8),
            ("/%ed%a0%80", PathError::Utf8),
            ("/%252e%252e", PathError::EncodedTwice),
            ("/a%252Fb", PathError::EncodedTwice),
            ("/%2541", PathError::EncodedTwice),
        ] {
            assert_eq!(of(path), Err(why), "{path}");
        }
    }

    #[test]
    fn the_first_segment_is_removed_only_if_it_is_the_stage() {
        for (path, stage, template, own_domain, custom_domain) in [
            ("/prod/orders", "prod", None, "/orders", "/prod/orders"),
            ("/prod/orders", "prod", Some("$default"), "/orders", "/prod/orders"),
            ("/prod/orders", "prod", Some("/orders"), "/orders", "/orders"),
            ("/prod/orders/7", "prod", Some("/orders/{id}"), "/orders/7", "/orders/7"),
            ("/prod/orders", "prod", Some("/prod/orders"), "/orders", "/prod/orders"),
            ("/prod/prod/1", "prod", Some("/prod/{id}"), "/prod/1", "/prod/1"),
            ("/prod/1", "prod", Some("/prod/{id}"), "/1", "/prod/1"),
            ("/prod/a/b", "prod", Some("/prod/{proxy+}"), "/a/b", "/prod/a/b"),
            ("/prod/prod/a", "prod", Some("/prod/{proxy+}"), "/prod/a", "/prod/prod/a"),
            ("/prod/a/b", "prod", Some("/{proxy+}"), "/a/b", "/prod/a/b"),
            ("/prod", "prod", None, "/", "/prod"),
            ("/prod/", "prod", None, "/", "/prod/"),
            ("/orders", "prod", None, "/orders", "/orders"),
            ("/production", "prod", None, "/production", "/production"),
            ("/orders", "$default", None, "/orders", "/orders"),
            ("/$default/orders", "$default", None, "/$default/orders", "/$default/orders"),
            (
                "/$default/orders",
                "$default",
                Some("/orders"),
                "/$default/orders",
                "/$default/orders",
            ),
            ("/orders", "", None, "/orders", "/orders"),
        ] {
            let case = format!("{path} of {stage} and {template:?}");
            assert_eq!(without_stage(path, stage, template, true), own_domain, "{case}");
            assert_eq!(without_stage(path, stage, template, false), custom_domain, "{case}");
        }
    }
}
