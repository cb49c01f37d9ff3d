//! Principals: who a client is. For now names and passcodes from the configuration.

/// Who a session acts as; `name` is `None` for an anonymous one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal { 
    /// The user's name.
    pub name: Option<std::sync::Arc<str>>,
}

/// What CONNECT brought. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials { 
    /// `login`.
    pub login: Option<String>,
    /// `passcode`.
    pub passcode: Option<String>,
}

/// Why somebody was not let in. The texts for the peer are the same whether the name exists or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// For ERROR's `message`.
    pub summary: &'static str,
    /// For ERROR's body.
    pub detail: String,
    /// For the log only.
    pub reason: &'static str,
    /// The option of the limit, if one was met.
    pub limit: Option<&'static str>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("login", &self.login).finish_non_exhaustive()
    }
}
