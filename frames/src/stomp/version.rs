//! STOMP versions and their negotiation.

/// A version of STOMP. Lower versions are less than higher ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// STOMP 1.0. It has no escapes and no heartbeats.
    V1_0,
    /// STOMP 1.1. It adds escapes, heartbeats and NACK.
    V1_1,
    /// STOMP 1.2. It adds the escape of the carriage return, and the header `ack` of MESSAGE.
    V1_2,
}

impl Version {
    /// All versions. The lowest version is the first.
    pub const ALL: [Version; 3] = [Version::V1_0, Version::V1_1, Version::V1_2];

    /// Returns `"1.0"`, `"1.1"` or `"1.2"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::V1_0 => "1.0",
            Version::V1_1 => "1.1",
            Version::V1_2 => "1.2",
        }
    }

    /// Returns the highest supported version in `accept`, the value of the header `accept-version` (STOMP 1.2, section
    /// "Protocol Negotiation"). A client without this header supports only STOMP 1.0. Returns `None` if `accept`
    /// contains no supported version.
    ///
    /// The order of the versions does not matter. Unknown versions and spaces around a version are ignored.
    pub fn negotiate(accept: Option<&str>) -> Option<Version> {
        let Some(accept) = accept else { return Some(Version::V1_0) };
        let offered = |version: &Version| accept.split(',').any(|offer| offer.trim() == version.as_str());
        Version::ALL.into_iter().rev().find(offered)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_common_version_is_negotiated() {
        use Version::*;
        let cases = [
            (None, Some(V1_0)),
            (Some("1.0"), Some(V1_0)),
            (Some("1.1"), Some(V1_1)),
            (Some("1.2"), Some(V1_2)),
            (Some("1.0,1.1"), Some(V1_1)),
            (Some("1.2,1.1,1.0"), Some(V1_2)),
            (Some("1.1, 1.0"), Some(V1_1)),
            (Some(" 1.2 ,1.0"), Some(V1_2)),
            (Some("1.3,2.0,1.1"), Some(V1_1)),
            (Some("1.3"), None),
            (Some("1"), None),
            (Some("1.20"), None),
            (Some(""), None),
            (Some(",,"), None),
            (Some("1.0;1.1"), None),
        ];
        for (accept, expected) in cases {
            assert_eq!(Version::negotiate(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn versions_are_ordered_and_named() {
        assert!(Version::ALL.is_sorted());
        assert_eq!(Version::ALL.map(Version::as_str), ["1.0", "1.1", "1.2"]);
    }
}
