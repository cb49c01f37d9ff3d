//! Converts requests of a session into the types of the broker.

use crate::broker::{Multicast, Publication, Settlement};
use crate::destination::{Destination, Owner, UserPath};
use crate::session::{Disposition, Publish, Settle};

/// Returns the settlement that the client has requested.
pub(crate) fn settlement(settle: &Settle) -> Settlement {
    match settle.disposition {
        Disposition::Accepted => Settlement::Accepted,
        Disposition::Returned => Settlement::Returned,
        Disposition::Rejected => Settlement::Rejected,
    }
}

/// Returns the headers that Stompbox adds to a message.
pub(crate) fn extra(publish: &Publish) -> Vec<(&str, &str)> {
    publish.extra.iter().map(|(name, value)| (*name, &**value)).collect()
}

/// Returns a message for user destinations as the broker's type.
pub(crate) fn multicast<'a>(
    publish: &'a Publish,
    owners: &'a [Owner],
    path: &'a UserPath,
    extra: &'a [(&'a str, &'a str)],
) -> Multicast<'a> {
    let Publish { display_destination: shown, frame, .. } = publish;
    Multicast { owners, path, destination_header: shown, headers: &frame.headers, extra, body: &frame.body }
}

/// Returns a message for one destination as the broker's type.
pub(crate) fn publication<'a>(
    publish: &'a Publish,
    destination: &'a Destination,
    extra: &'a [(&'a str, &'a str)],
) -> Publication<'a> {
    Publication {
        destination,
        destination_header: &publish.display_destination,
        headers: &publish.frame.headers,
        extra,
        body: &publish.frame.body,
        to_session: publish.session.as_deref(),
    }
}
