//! The headers in which a proxy names the user that it has authenticated.

use crate::auth::ProxyUser;
use hyper::HeaderMap;
use hyper::header::HeaderName;

/// The names of the headers in which a proxy names the user. The broker reads them only from a trusted proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeaders {
    /// Name of the header with the user's name. If it is `None`, neither header is read.
    pub user: Option<HeaderName>,
    /// Name of the header with the user's roles. The roles are separated by commas.
    pub roles: Option<HeaderName>,
}

impl ProxyHeaders {
    /// Returns the user that the proxy has authenticated. The header must be present exactly once, because a second
    /// header may come from the client.
    pub(crate) fn user(&self, headers: &HeaderMap) -> Option<ProxyUser> {
        // Remove only the blanks that HTTP allows around a value. A name with other blanks around it belongs to another
        // user.
        let name = single_text_value(headers, self.user.as_ref()?)?.trim_matches([' ', '\t']);
        let roles =
            self.roles.as_ref().and_then(|roles| single_text_value(headers, roles)).unwrap_or_default();
        let roles = roles.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned);
        (!name.is_empty()).then(|| ProxyUser { name: name.to_owned(), roles: roles.collect() })
    }
}

/// Returns the value of a header that is present exactly once. Reads the value as UTF-8.
fn single_text_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn repeated_or_invalid_user_header_names_no_user() {
        let proxy_headers = ProxyHeaders {
            user: Some(HeaderName::from_static("x-user")),
            roles: Some(HeaderName::from_static("x-roles")),
        };
        let read = |lines: &[(&'static str, &'static [u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers
                    .append(HeaderName::from_static(name), HeaderValue::from_bytes(value).expect("a value"));
            }
            proxy_headers.user(&headers).map(|user| (user.name, user.roles.join("+")))
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
