//! Headers that a request may contain at most once.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

/// The error for a header that is present more than once, although it may be present only once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RepeatedHeader;

/// Returns the value of a header that may be present only once, or `None` if it is not present.
pub(super) fn single_value<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Option<Result<&'a HeaderValue, RepeatedHeader>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(if values.next().is_some() { Err(RepeatedHeader) } else { Ok(first) })
}
