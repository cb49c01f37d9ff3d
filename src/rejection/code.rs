//! The kinds of rejections.

/// The kind of a rejection. It decides how a connection is closed, and says who must act.
///
/// - The client must send another request: `Invalid`, `Unauthenticated`, `Expired`, `NotSettled`, `Timeout`.
/// - The operator must change an option or a rule, or repair a system that the broker depends on: `AccessDenied`,
///   `Limit`, `LoginNotChecked`, `NotStored`. A client can avoid some limits itself.
/// - The developers of Stompbox must correct an error: `Internal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request is not valid: it violates the protocol or the grammar, or asks for something that does not exist.
    Invalid,
    /// The client has not shown who it is, or its credentials are wrong.
    Unauthenticated,
    /// The credentials or the access of the client have ended.
    Expired,
    /// A permission rule denies the request.
    AccessDenied,
    /// The request settles a delivery that the client does not hold, or commits a transaction that cannot be committed.
    NotSettled,
    /// The client did not complete a request in time.
    Timeout,
    /// A limit was reached.
    Limit,
    /// The broker cannot check the login now, for example because a source of users does not answer.
    LoginNotChecked,
    /// The store did not confirm the request. It may have taken effect.
    NotStored,
    /// An error in the broker.
    Internal,
}
