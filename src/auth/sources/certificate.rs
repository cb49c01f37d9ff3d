//! Authentication by TLS client certificates.

use crate::auth::credentials::{Certificate, Credentials};
use crate::auth::name;
use crate::auth::principal::Principal;
use crate::auth::source::{Decision, DecisionFuture, Source};

/// The part of a certificate that is the user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NameSource {
    /// The subject's common name.
    #[default]
    CommonName,
    #[cfg_attr(not(test), allow(dead_code, reason = "an option selects it as soon as listeners speak TLS"))]
    /// The first DNS name among the subject alternative names.
    FirstDns,
    #[cfg_attr(not(test), allow(dead_code, reason = "an option selects it as soon as listeners speak TLS"))]
    /// The first e-mail address among the subject alternative names.
    Email,
}

/// Settings for authentication by client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// The part that is the user name (`client-certificate-name`, `common-name`).
    pub name_source: NameSource,
}

/// A source that accepts client certificates. TLS has verified them before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Certificates {
    options: Options,
}

impl Certificates {
    /// Creates the source with these options.
    pub fn new(options: Options) -> Certificates {
        Certificates { options }
    }

    fn find(&self, credentials: &Credentials) -> Decision {
        let Some(certificate) = &credentials.handshake.certificate else { return Decision::Unknown };
        let Some(found) = self.options.name_source.find(certificate) else {
            return Decision::Rejected(self.options.name_source.missing().to_owned());
        };
        match name::checked(found) {
            Ok(name) => Decision::Known(Principal::named(&name, self.name())),
            Err(reason) => Decision::Rejected(reason.to_owned()),
        }
    }
}

impl NameSource {
    fn find(self, certificate: &Certificate) -> Option<&str> {
        let mut others = certificate.alternative_names.iter().map(String::as_str);
        match self {
            NameSource::CommonName => certificate.common_name.as_deref(),
            NameSource::FirstDns => others.find(|name| !name.contains(['@', ':', '/'])),
            NameSource::Email => others.find(|name| name.contains('@') && !name.contains([':', '/'])),
        }
    }

    fn missing(self) -> &'static str {
        match self {
            NameSource::CommonName => "the certificate has no common name",
            NameSource::FirstDns => "the certificate has no DNS name",
            NameSource::Email => "the certificate has no e-mail address",
        }
    }
}

impl Source for Certificates {
    fn name(&self) -> &'static str {
        "certificate"
    }

    fn reads_tokens(&self) -> bool {
        false
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a> {
        Box::pin(std::future::ready(self.find(credentials)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::credentials::ClientHandshake;
    use std::sync::Arc;

    #[test]
    fn user_name_is_read_from_the_configured_certificate_field() {
        let full: &[&str] =
            &["spiffe://house/alice@x", "alice@example.org", "alice.example.org", "b.example"];
        for (name_source, common_name, others, expected) in [
            (NameSource::CommonName, Some("alice"), full, Ok("alice")),
            (NameSource::FirstDns, Some("alice"), full, Ok("alice.example.org")),
            (NameSource::Email, Some("alice"), full, Ok("alice@example.org")),
            (NameSource::CommonName, None, full, Err("the certificate has no common name")),
            (NameSource::FirstDns, Some("alice"), &full[..2], Err("the certificate has no DNS name")),
            (NameSource::Email, Some("alice"), &full[..1], Err("the certificate has no e-mail address")),
            (NameSource::CommonName, Some(""), full, Err("the name is empty")),
            (NameSource::CommonName, Some("a\0b"), full, Err("the name has a control character")),
        ] {
            let certificate = Certificate {
                common_name: common_name.map(str::to_owned),
                alternative_names: others.iter().map(|name| (*name).to_owned()).collect(),
            };
            let handshake =
                Arc::new(ClientHandshake { certificate: Some(certificate), ..ClientHandshake::default() });
            let credentials = Credentials { handshake, ..Credentials::default() };
            let expected = match expected {
                Ok(name) => Decision::Known(Principal::named(name, "certificate")),
                Err(reason) => Decision::Rejected(reason.to_owned()),
            };
            assert_eq!(
                Certificates::new(Options { name_source }).find(&credentials),
                expected,
                "{name_source:?}"
            );
        }
        assert_eq!(Certificates::default().find(&Credentials::default()), Decision::Unknown);
    }
}
