//! A table of valid configurations, and a table of invalid ones.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::RedisConfig;

/// Describes a URL in one line: the nodes, then everything that differs from the defaults.
fn described(url: &str) -> String {
    let config = match RedisConfig::parse(url) {
        Ok(config) => config,
        Err(error) => return format!("refused: {error}"),
    };
    let mut described = format!("{:?}", config.nodes().collect::<Vec<_>>());
    let mut add = |part: String| described.push_str(&format!(" {part}"));
    if config.cluster {
        add("cluster".into());
    }
    if config.tls {
        add("tls".into());
    }
    if let Some(user) = config.user {
        add(format!("user={user}"));
    }
    if let Some(password) = config.password {
        add(format!("password={}", password.expose_secret()));
    }
    if config.database != 0 {
        add(format!("db={}", config.database));
    }
    if config.prefix != "funcify" {
        add(format!("prefix={}", config.prefix));
    }
    if config.insecure {
        add("insecure".into());
    }
    if let Some(ca) = config.ca {
        add(format!("ca={}", ca.display()));
    }
    if let Some(files) = config.client_certificate {
        add(format!("cert={} key={}", files.certificate.display(), files.key.display()));
    }
    if let Some(iam) = config.iam {
        add(format!("iam={:?} cache={} region={:?}", iam.service, iam.cache, iam.region));
    }
    let limits = [config.limits.timeout(), config.limits.connect_timeout()];
    if limits != [Duration::from_millis(500), Duration::from_millis(250)] {
        add(format!("{limits:?}"));
    }
    described
}

#[test]
fn every_form_of_the_url_is_parsed() {
    let cases = [
        ("redis://localhost", "[localhost:6379]"),
        ("redis://localhost/", "[localhost:6379]"),
        ("REDIS://localhost", "[localhost:6379]"),
        ("redis://cache.example.com:6380?insecure", "[cache.example.com:6380] insecure"),
        ("redis://10.0.0.7:6380/3?insecure", "[10.0.0.7:6380] db=3 insecure"),
        ("redis://[::1]", "[[::1]:6379]"),
        ("rediss://[fd00::7]:7000/1", "[[fd00::7]:7000] tls db=1"),
        ("redis://localhost/0", "[localhost:6379]"),
        ("redis://localhost/65535", "[localhost:6379] db=65535"),
        ("redis://:pw@localhost", "[localhost:6379] password=pw"),
        ("redis://me:pw@127.0.0.1", "[127.0.0.1:6379] user=me password=pw"),
        ("redis://me:pw@[::1]", "[[::1]:6379] user=me password=pw"),
        ("redis://me:pw@127.8.8.8", "[127.8.8.8:6379] user=me password=pw"),
        ("redis://me:a:b@localhost", "[localhost:6379] user=me password=a:b"),
        ("redis://@localhost", "[localhost:6379]"),
        ("redis://m%40e:p%2F%3a%25@localhost", "[localhost:6379] user=m@e password=p/:%"),
        ("redis://me:%C3%A9@localhost", "[localhost:6379] user=me password=é"),
        ("rediss://h?prefix=shop:eu", "[h:6379] tls prefix=shop:eu"),
        ("rediss://h/?prefix=a%2Eb", "[h:6379] tls prefix=a.b"),
        ("rediss://h?", "[h:6379] tls"),
        ("redis://h?insecure", "[h:6379] insecure"),
        ("redis://localhost?insecure=false", "[localhost:6379]"),
        ("redis://me:pw@h?insecure=true", "[h:6379] user=me password=pw insecure"),
        ("rediss://me:pw@h", "[h:6379] tls user=me password=pw"),
        ("rediss://h/2?prefix=p&ca=/etc/ca.pem", "[h:6379] tls db=2 prefix=p ca=/etc/ca.pem"),
        ("rediss://h?ca=/tmp/a%20b.pem", "[h:6379] tls ca=/tmp/a b.pem"),
        ("rediss-cluster://h", "[h:6379] cluster tls"),
        ("redis-cluster://h/0?insecure", "[h:6379] cluster insecure"),
        ("redis-cluster://a:1,b,[::1]:3?insecure", "[a:1, b:6379, [::1]:3] cluster insecure"),
        ("rediss-cluster://:pw@a,b", "[a:6379, b:6379] cluster tls password=pw"),
        ("valkey://localhost", "[localhost:6379]"),
        ("valkeys://h", "[h:6379] tls"),
        ("valkey-cluster://h?insecure", "[h:6379] cluster insecure"),
        ("valkeys-cluster://a,b:1", "[a:6379, b:1] cluster tls"),
        ("rediss://h?cert=/c.pem&key=/k.pem", "[h:6379] tls cert=/c.pem key=/k.pem"),
        ("rediss://h?timeout=1500", "[h:6379] tls [1.5s, 750ms]"),
        ("rediss://h?timeout=1500&connect_timeout=600", "[h:6379] tls [1.5s, 600ms]"),
        (
            "rediss://me@h?iam=elasticache&cache=Orders",
            "[h:6379] tls user=me iam=ElastiCache cache=orders region=None",
        ),
        (
            "valkeys-cluster://me@h?iam=memorydb&cache=orders&region=eu-central-1",
            "[h:6379] cluster tls user=me iam=MemoryDb cache=orders region=Some(\"eu-central-1\")",
        ),
    ];
    for (url, expected) in cases {
        assert_eq!(described(url), expected, "{url}");
    }
}

#[test]
fn an_invalid_url_is_refused_with_what_is_wrong() {
    let cases = [
        ("", "got no scheme"),
        ("localhost:6379", "got no scheme"),
        ("redis:localhost", "got no scheme"),
        ("http://localhost", "as the scheme, got \"http\""),
        ("redis+unix://localhost", "as the scheme, got \"redis+unix\""),
        ("://localhost", "as the scheme, got \"\""),
        ("redis://", "host 1: expected a host name"),
        ("redis://:6379", "host 1: expected a host name"),
        ("redis://:pw@", "host 1: expected a host name"),
        ("redis:///3", "host 1: expected a host name"),
        ("redis-cluster://a,,c", "host 2: expected a host name"),
        ("redis-cluster://a,", "host 2: expected a host name"),
        ("redis://a,b", "host 2: only a cluster"),
        ("rediss://a,b", "host 2: only a cluster"),
        ("redis://h:0", "host 1: expected a port from 1 to 65535"),
        ("redis://h:65536", "host 1: expected a port from 1 to 65535"),
        ("redis://h:+6379", "host 1: expected a port from 1 to 65535"),
        ("redis://h:", "host 1: expected a port from 1 to 65535"),
        ("redis-cluster://a,b:x", "host 2: expected a port from 1 to 65535"),
        ("redis://::1", "host 1: expected a port from 1 to 65535"),
        ("redis://[::1", "an IPv6 address between [ and ]"),
        ("redis://[h]", "an IPv6 address between [ and ]"),
        ("redis://[::1]6379", "a port from 1 to 65535"),
        ("redis://h%20h", "a host name or an IP address"),
        ("redis://h h", "a host name or an IP address"),
        ("redis://h\u{0}", "a host name or an IP address"),
        ("redis://h/one", "a number as the database"),
        ("redis://h/-1", "a number as the database"),
        ("redis://h/1/2", "a number as the database"),
        ("redis://h/65536", "a number as the database"),
        ("redis-cluster://h/1", "expected database 0 in a cluster"),
        ("redis://me@localhost", "user has no password"),
        ("redis://me:@localhost", "user has no password"),
        ("redis://me:%zz@localhost", "password is not percent-encoded UTF-8"),
        ("redis://me:%f@localhost", "password is not percent-encoded UTF-8"),
        ("redis://me:%ff@localhost", "password is not percent-encoded UTF-8"),
        ("redis://%ff:pw@localhost", "user is not percent-encoded UTF-8"),
        ("redis://me:p@w@localhost", "in user or password as %40"),
        ("redis://me:p/w@localhost", "an `@` after the host"),
        ("redis://me:p?w@localhost", "an `@` after the host"),
        ("redis://me:p#w@localhost", "got a `#`"),
        ("redis://h#fragment", "got a `#`"),
        ("redis://h?timeouts=1", "option \"timeouts\": unknown, expected prefix, insecure, ca"),
        ("redis://h?timeout=1", "100 to 10000 milliseconds"),
        (
            "rediss://h?connect_timeout=400",
            "raise `timeout` to 800 or lower `connect_timeout` to 250",
        ),
        ("rediss://h?cert=/c.pem", "option \"cert\": needs the option key"),
        ("rediss://h?key=/k.pem", "option \"key\": needs the option cert"),
        ("redis://localhost?cert=/c&key=/k", "option \"cert\": only allowed with TLS"),
        ("rediss://me@h?iam=x&cache=c", "option \"iam\": expected elasticache"),
        ("rediss://me@h?iam=elasticache", "option \"cache\": expected the name of the cache"),
        (
            "rediss://me@h?iam=elasticache&cache=a/b",
            "option \"cache\": expected the name of the cache",
        ),
        ("rediss://h?iam=elasticache&cache=c", "user of IAM is missing"),
        ("rediss://me:pw@h?iam=elasticache&cache=c", "left out with the option iam"),
        ("rediss://h?region=eu-central-1", "option \"region\": only used with the option iam"),
        ("redis://me@localhost?iam=elasticache&cache=c", "option \"iam\": only allowed with TLS"),
        ("redis://h?Prefix=a", "option \"Prefix\": unknown, expected prefix, insecure, ca"),
        ("redis://h?prefix", "option \"prefix\": expected 1 to 64"),
        ("redis://h?prefix=a%20b", "option \"prefix\": expected 1 to 64"),
        ("redis://h?prefix=%7Ba%7D", "option \"prefix\": expected 1 to 64"),
        ("redis://h?prefix=%", "option \"prefix\": expected percent-encoded UTF-8"),
        ("redis://h?prefix=a&prefix=b", "option \"prefix\": given twice"),
        ("redis://h?insecure=yes", "option \"insecure\": expected true or false"),
        ("rediss://h?insecure=true", "option \"insecure\": only allowed without TLS"),
        ("rediss://h?ca=", "option \"ca\": expected a path"),
        ("redis://h?ca=/etc/ca.pem", "option \"ca\": only allowed with TLS (rediss)"),
        (
            "redis://:pw@h",
            "\"h\" is another machine, which needs TLS (rediss) or the option insecure=true",
        ),
        (
            "redis://h",
            "\"h\" is another machine, which needs TLS (rediss) or the option insecure=true",
        ),
        ("redis://10.0.0.7", "\"10.0.0.7\" is another machine"),
        ("redis-cluster://localhost,h", "\"h\" is another machine"),
        ("redis://:pw@128.0.0.1", "\"128.0.0.1\" is another machine"),
        ("redis://:pw@localhost.example.com", "needs TLS (rediss)"),
        ("redis://:pw@h?insecure=false", "needs TLS (rediss)"),
        ("redis-cluster://:pw@localhost,h", "\"h\" is another machine"),
    ];
    for (url, expected) in cases {
        let refused = described(url);
        assert!(refused.starts_with("refused: ") && refused.contains(expected), "{url}: {refused}");
    }
}

#[test]
fn no_error_and_no_debug_form_shows_a_password() {
    let places = [
        "redis://me:{}@h",
        "redis://me:{}",
        "redis://{}@h",
        "redis://me:{}@h:x",
        "redis://me:{}@",
        "redis://me:a/{}@h",
        "redis://me:a?{}@h",
        "redis://me:a#{}@h",
        "redis://me:{}/x@h",
        "redis://me:{}?x@h",
        "redis://me:%zz{}@h",
        "redis://me:{}@h?no=1",
        "redis://me:{}@h/x",
        "redis://me:{}@a,b",
        "redis://me:@{}@h",
        "redis-cluster://me:{}@h/1",
        "redis://me:a&{}=b@h",
        "redis://:{}@h",
        "rediss://me:{}@h",
        "redis://me:{}@localhost",
    ];
    for place in places {
        let url = place.replace("{}", "canary-5up3r");
        let shown = match RedisConfig::parse(&url) {
            Ok(config) => format!("{config:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("canary"), "{place}: {shown}");
    }
}

#[test]
fn a_configuration_built_in_code_is_checked() {
    let built = [
        RedisConfig::new("", 1),
        RedisConfig::new("h", 0),
        RedisConfig::new("h", 1).with_password("pw"),
        RedisConfig::new("h", 1),
        RedisConfig::new("h", 1).with_cluster().with_database(1),
        RedisConfig::new("h", 1).with_prefix(""),
        RedisConfig::new("h", 1).with_ca("/ca.pem"),
        RedisConfig::new("h", 1).with_tls().with_insecure(),
        RedisConfig::new("localhost", 1).with_cluster_node("h", 1).with_password("pw"),
    ];
    for config in built {
        assert!(config.check().is_err(), "{config:?}");
    }
    assert!(RedisConfig::new("h", 1).with_password("pw").with_tls().check().is_ok());
}
