//! The header `heart-beat`.

/// The value of a header `heart-beat:can,wants` (STOMP 1.2, section "Heart-beating").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HeartBeat {
    /// Interval at which the sender of the header can send data, in milliseconds. 0 means that it cannot send
    /// heartbeats.
    pub can: u32,
    /// Interval at which the sender of the header wants to receive data, in milliseconds. 0 means that it wants no
    /// heartbeats.
    pub wants: u32,
}

impl HeartBeat {
    /// Parses a value such as `10000,10000`. It must be two numbers of digits, with optional spaces around each number.
    /// Returns `None` for other values. A number that exceeds `u32` (49 days) becomes `u32::MAX`.
    pub fn parse(value: &str) -> Option<HeartBeat> {
        let (can, wants) = value.split_once(',')?;
        Some(HeartBeat { can: milliseconds(can)?, wants: milliseconds(wants)? })
    }

    /// Returns the interval at which this side (`self`) must send data to `peer`, in milliseconds. Returns 0 if it need
    /// not send heartbeats.
    pub fn sends_to(self, peer: HeartBeat) -> u32 {
        if self.can == 0 || peer.wants == 0 { 0 } else { self.can.max(peer.wants) }
    }
}

impl std::fmt::Display for HeartBeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{}", self.can, self.wants)
    }
}

fn milliseconds(text: &str) -> Option<u32> {
    let digits = text.trim_matches(' ').as_bytes();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u32, |number, digit| {
        digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heart_beat_is_two_numbers_and_a_comma() {
        let cases = [
            ("0,0", Some((0, 0))),
            ("10000,20000", Some((10000, 20000))),
            (" 1 , 2 ", Some((1, 2))),
            ("0001,02", Some((1, 2))),
            ("4294967295,4294967296", Some((u32::MAX, u32::MAX))),
            ("99999999999999999999,1", Some((u32::MAX, 1))),
            ("", None),
            (",", None),
            ("1", None),
            ("1,", None),
            (",1", None),
            ("1,2,3", None),
            ("-1,0", None),
            ("+1,0", None),
            ("1.5,0", None),
            ("1 0,0", None),
            ("a,b", None),
            ("1\t,2", None),
            ("١,٢", None),
        ];
        for (value, expected) in cases {
            let expected = expected.map(|(can, wants)| HeartBeat { can, wants });
            assert_eq!(HeartBeat::parse(value), expected, "{value:?}");
        }
    }

    #[test]
    fn interval_is_the_slower_of_can_and_wants_and_zero_disables_it() {
        let cases = [
            ((0, 0), (0, 0), 0),
            ((5, 0), (0, 7), 7),
            ((9, 0), (0, 7), 9),
            ((0, 0), (0, 7), 0),
            ((5, 1), (3, 0), 0),
        ];
        for (own, peer, expected) in cases {
            let own = HeartBeat { can: own.0, wants: own.1 };
            let peer = HeartBeat { can: peer.0, wants: peer.1 };
            assert_eq!(own.sends_to(peer), expected, "{own} to {peer}");
        }
    }

    #[test]
    fn displayed_heart_beat_parses_back() {
        let heart_beat = HeartBeat { can: 10, wants: u32::MAX };
        assert_eq!(HeartBeat::parse(&heart_beat.to_string()), Some(heart_beat));
    }
}
