//! The headers in which a proxy says whom it has signed in.

use crate::users::ProxyUser;
use hyper::HeaderMap;
use hyper::header::HeaderName;

/// What they are called. They are read from trusted proxies alone; whoever else sends them is not heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeaders {
    /// The user's name; without it nobody is heard.
    pub user: Option<HeaderName>,
    /// The user's roles, with commas between them.
    pub roles: Option<HeaderName>,
}

impl ProxyHeaders {
    /// Whom the proxy has signed in, if it says so exactly once: a second header may be the client's own.
    pub(super) fn user(&self, headers: &HeaderMap) -> Option<ProxyUser> {
        // Only the blanks that HTTP allows around a value are removed: a name with other blanks is another user's.
        let name = once(headers, self.user.as_ref()?)?.trim_matches([' ', '\t']);
        let roles = self.roles.as_ref().and_then(|roles| once(headers, roles)).unwrap_or_default();
        let roles = roles.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned);
        (!name.is_empty()).then(|| ProxyUser { name: name.to_owned(), roles: roles.collect() })
    }
}

/// The value of a header that is there once; names beyond ASCII travel as UTF-8.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let value = all.next()?;
    if all.next().is_some() {
        return None;
    }
    std::str::from_utf8(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_user_is_named_once_or_not_at_all() {
        let rule = ProxyHeaders {
            user: Some(HeaderName::from_static("x-user")),
            roles: Some(HeaderName::from_static("x-roles")),
        };
        let read = |lines: &[(&'static str, &'static [u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers
                    .append(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value"));
            }
            rule.user(&headers).map(|user| (user.name, user.roles.join("+")))
        };
        let user = |name: &str, roles: &str| Some((name.to_owned(), roles.to_owned()));
        assert_eq!(read(&[("x-user", b"alice")]), user("alice", ""));
        assert_eq!(read(&[("x-user", b" alice "), ("x-roles", b"a, b,,")]), user("alice", "a+b"));
        assert_eq!(read(&[("x-user", "小明".as_bytes())]), user("小明", ""));
        assert_eq!(read(&[("x-user", b"alice"), ("x-user", b"bob")]), None);
        assert_eq!(
            read(&[("x-user", b"alice"), ("x-roles", b"a"), ("x-roles", b"service")]),
            user("alice", "")
        );
        assert_eq!(read(&[("x-user", b"\xff")]), None);
        assert_eq!(read(&[("x-user", b"")]), None);
        assert_eq!(read(&[]), None);
    }
}
