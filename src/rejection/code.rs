//! The kinds of rejections.

/// Who must act before a rejected request can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Actor {
    /// The client: it must send another request, other credentials, or the request at another time.
    Client,
    /// The operator of the broker: they must change an option or a rule, or repair a system that the broker depends on. A
    /// client can avoid some limits itself.
    Operator,
    /// The developers of Stompbox: the rejection is caused by an error in the broker.
    Developer,
}

/// The kind of a rejection. It decides how a connection is closed, which HTTP status a request gets, and who must act.
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

impl Code {
    /// Returns who must act before the request can succeed.
    pub fn actor(self) -> Actor {
        match self {
            Code::Invalid | Code::Unauthenticated | Code::Expired | Code::NotSettled | Code::Timeout => {
                Actor::Client
            }
            Code::AccessDenied | Code::Limit | Code::LoginNotChecked | Code::NotStored => Actor::Operator,
            Code::Internal => Actor::Developer,
        }
    }
}
