//! The messages that a client sends with one request.

use crate::budget::Charge;
use stompbox_frames::sockjs::Payload;

/// The messages of one sending request, and the charge for their memory.
pub(crate) struct InboundMessages {
    pub(super) payload: Payload,
    _charge: Charge,
}

impl InboundMessages {
    /// Creates the messages from a parsed body. `charge` must cover `payload`.
    pub(super) fn new(payload: Payload, charge: Charge) -> InboundMessages {
        InboundMessages { payload, _charge: charge }
    }
}
