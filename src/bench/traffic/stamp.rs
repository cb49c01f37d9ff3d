//! The format of message bodies. A body contains the run, the publisher, the number and the due time of the message. It
//! ends with predictable filler bytes, so that a receiver can check every byte.
//!
//! ```text
//! body      = run publisher number due filler
//! run       = 8HEXDIG       publisher = 4HEXDIG      number = 12HEXDIG
//! due       = 16HEXDIG      ; nanoseconds since the run began
//! filler    = *VCHAR        ; the number determines its first character
//! ```

/// Minimum size of a body, in bytes.
pub const BODY_BYTES_MIN: usize = 40;
/// Publisher number of probes. A probe only tests whether a subscription exists.
pub(in crate::bench) const PROBE: u16 = u16::MAX;

/// Characters of the filler. None of them needs an escape in JSON or a URI.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The contents of a body, without the filler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) struct Stamp {
    pub(in crate::bench) publisher: u16,
    pub(in crate::bench) number: u64,
    /// Due time, in nanoseconds since the run began.
    pub(in crate::bench) due: u64,
}

/// The reason why a body is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum StampError {
    /// The message is from another run or another program.
    Foreign,
    /// The body was changed in transit.
    Corrupt,
}

/// Writes and reads the bodies of one run.
#[derive(Debug)]
pub(in crate::bench) struct Stamper {
    run: [u8; 8],
    bytes: usize,
    filler: Vec<u8>,
}

impl Stamper {
    /// Creates a stamper for bodies of `bytes` bytes, or of [`BODY_BYTES_MIN`] if this is more.
    pub(in crate::bench) fn new(run: u32, bytes: usize) -> Stamper {
        let bytes = bytes.max(BODY_BYTES_MIN);
        let mut id = [0; 8];
        hex(&mut id, u64::from(run));
        let filler = ALPHABET.iter().copied().cycle().take(bytes + ALPHABET.len()).collect();
        Stamper { run: id, bytes, filler }
    }

    /// Returns the size of a body, in bytes.
    pub(in crate::bench) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the body for `stamp` to `out`.
    pub(in crate::bench) fn write(&self, stamp: &Stamp, out: &mut Vec<u8>) {
        let mut head = [0; BODY_BYTES_MIN];
        head[..8].copy_from_slice(&self.run);
        hex(&mut head[8..12], u64::from(stamp.publisher));
        hex(&mut head[12..24], stamp.number);
        hex(&mut head[24..], stamp.due);
        out.extend_from_slice(&head);
        out.extend_from_slice(self.filler(stamp.number));
    }

    /// Reads a body, and checks every byte of it.
    pub(in crate::bench) fn read(&self, body: &[u8]) -> Result<Stamp, StampError> {
        if body.get(..8) != Some(&self.run[..]) {
            return Err(StampError::Foreign);
        }
        let stamp = body.get(8..BODY_BYTES_MIN).and_then(|head| {
            let publisher = unhex(&head[..4])? as u16;
            Some(Stamp { publisher, number: unhex(&head[4..16])?, due: unhex(&head[16..])? })
        });
        let stamp = stamp.ok_or(StampError::Corrupt)?;
        match body[BODY_BYTES_MIN..] == *self.filler(stamp.number) {
            true => Ok(stamp),
            false => Err(StampError::Corrupt),
        }
    }

    fn filler(&self, number: u64) -> &[u8] {
        let from = (number % ALPHABET.len() as u64) as usize;
        &self.filler[from..from + self.bytes - BODY_BYTES_MIN]
    }
}

fn hex(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xF) as usize];
        number >>= 4;
    }
}

fn unhex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(stamper: &Stamper, stamp: &Stamp) -> Vec<u8> {
        let mut out = Vec::new();
        stamper.write(stamp, &mut out);
        out
    }

    #[test]
    fn written_stamp_reads_back() {
        for bytes in [0, 40, 41, 103, 104, 128, 5000] {
            let stamper = Stamper::new(0xC0FF_EE00, bytes);
            for (publisher, number, due) in
                [(0, 0, 0), (PROBE, (1 << 48) - 1, u64::MAX), (7, 63, 1), (7, 64, 1)]
            {
                let stamp = Stamp { publisher, number, due };
                let body = body(&stamper, &stamp);
                assert_eq!((stamper.read(&body), body.len()), (Ok(stamp), stamper.bytes()));
                assert!(body.is_ascii());
            }
        }
    }

    #[test]
    fn every_changed_byte_is_detected() {
        let stamper = Stamper::new(1, 200);
        let good = body(&stamper, &Stamp { publisher: 3, number: 99, due: 0xABCD });
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] = b'!';
            let expected = if at < 8 { StampError::Foreign } else { StampError::Corrupt };
            assert_eq!(stamper.read(&bad), Err(expected), "{at}");
        }
        for length in 8..good.len() {
            assert_eq!(stamper.read(&good[..length]), Err(StampError::Corrupt), "{length}");
        }
        assert_eq!(stamper.read(&[&good[..], b"x"].concat()), Err(StampError::Corrupt));
        assert_eq!(stamper.read(b""), Err(StampError::Foreign));
    }

    #[test]
    fn stamp_of_another_run_is_foreign() {
        let stamp = Stamp { publisher: 0, number: 0, due: 0 };
        assert_eq!(Stamper::new(2, 64).read(&body(&Stamper::new(1, 64), &stamp)), Err(StampError::Foreign));
    }
}
