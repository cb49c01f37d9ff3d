//! Maps a path in a SockJS service to what is served there.

use super::options::{SockJsTransport, SockJsTransports};
use super::routes::{ROWS, RouteRow};

/// Maximum length of a session ID in bytes.
const ID_BYTES_MAX: usize = 256;

/// What is served at a path below the base path.
pub(super) enum Route<'a> {
    Base,
    Info,
    Iframe,
    RawSocket,
    Session { id: &'a str, row: &'static RouteRow },
}

impl<'a> Route<'a> {
    /// Returns the route of the path `subpath` below the base path. Returns `None` if no such path exists with
    /// `transports`.
    pub(super) fn of(subpath: &'a str, transports: SockJsTransports) -> Option<Route<'a>> {
        if subpath.is_empty() || subpath == "/" {
            return Some(Route::Base);
        }
        let path = subpath.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.split('/');
        match (segments.next()?, segments.next(), segments.next(), segments.next()) {
            ("info", None, ..) => Some(Route::Info),
            ("websocket", None, ..) if transports.has(SockJsTransport::WebSocket) => Some(Route::RawSocket),
            (page, None, ..) if is_iframe(page) => Some(Route::Iframe),
            (server, Some(id), Some(path), None) if is_name(server) && is_name(id) => {
                let row = ROWS.iter().find(|row| row.path == path)?;
                let is_enabled = row.transports.iter().any(|transport| transports.has(*transport));
                (is_enabled && id.len() <= ID_BYTES_MAX).then_some(Route::Session { id, row })
            }
            _ => None,
        }
    }
}

/// Returns whether a path segment can be the name of a server or session. A name is not empty and contains no dot.
fn is_name(segment: &str) -> bool {
    !segment.is_empty() && !segment.contains('.')
}

/// Returns whether `subpath`, a path below the base path, is a path of the iframe page.
pub fn is_iframe_page(subpath: &str) -> bool {
    let page = subpath.strip_prefix('/').map(|page| page.strip_suffix('/').unwrap_or(page));
    page.is_some_and(is_iframe)
}

/// Returns whether a path segment matches `iframe[0-9-.a-z_]*.html`.
fn is_iframe(segment: &str) -> bool {
    let version = segment.strip_prefix("iframe").and_then(|rest| rest.strip_suffix(".html"));
    version.is_some_and(|version| {
        version
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b"-._".contains(&byte))
    })
}
