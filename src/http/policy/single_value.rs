//! Headers that a request may have once.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

/// The error of a header that may be present once and was present more than once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RepeatedHeader;

/// Returns the value of a header that may be present once; `None` if it is not present.
pub(super) fn single_value<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Option<Result<&'a HeaderValue, RepeatedHeader>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(if values.next().is_some() { Err(RepeatedHeader) } else { Ok(first) })
}
