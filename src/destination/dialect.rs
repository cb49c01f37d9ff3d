//! Forms of destinations that only ActiveMQ supports. The broker rejects them, so that no client mistakes them for
//! names.
//!
//! ```text
//! options   = name "?" key "=" …            ; /queue/a?consumer.prefetchSize=1
//! composite = name "," *WSP other …          ; /queue/a,/queue/b and /queue/a,topic://b
//! key       = 1*( letter / digit / "." / "-" / "_" )
//! other     = "/" … | "queue://" … | "topic://" … | "temp-queue://" … | "temp-topic://" …
//! ```
//!
//! A comma or a question mark in any other place is an ordinary character.

use super::error::invalid;
use crate::rejection::Rejection;

const SCHEMES: [&str; 4] = ["queue://", "topic://", "temp-queue://", "temp-topic://"];

/// Checks that a destination has none of the ActiveMQ forms.
///
/// # Errors
/// The destination has one of the forms. The text says which form, and what to use instead. It also says how to write a
/// name that contains these characters.
pub fn reject_activemq_forms(text: &str) -> Result<(), Rejection> {
    if text.split('?').skip(1).any(begins_with_option) {
        return Err(invalid(format!(
            "{text:?} has ActiveMQ options after '?'. Stompbox does not support them. Send the destination without \
             options, and set the prefetch limit with the header prefetch-count of SUBSCRIBE. In a name that \
             contains '?' and '=', write '?' as %3F."
        )));
    }
    if text.split(',').skip(1).any(|rest| begins_with_destination(rest.trim_ascii_start())) {
        return Err(invalid(format!(
            "{text:?} is an ActiveMQ list of several destinations. Stompbox does not support such lists. Send one \
             frame for each destination. In a name that contains a comma before '/', write the comma as %2C."
        )));
    }
    Ok(())
}

/// Returns a hint if a RabbitMQ destination has an equivalent. Otherwise returns an empty text.
pub(super) fn rabbitmq_equivalent(text: &str) -> &'static str {
    if text.starts_with("/exchange/") {
        " For RabbitMQ's /exchange/amq.topic/KEY use /topic/KEY."
    } else if text.starts_with("/amq/queue/") {
        " For RabbitMQ's /amq/queue/NAME use /queue/NAME."
    } else {
        ""
    }
}

fn begins_with_option(text: &str) -> bool {
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    text.split_once('=').is_some_and(|(key, _)| !key.is_empty() && key.bytes().all(is_key))
}

fn begins_with_destination(text: &str) -> bool {
    text.starts_with('/') || SCHEMES.iter().any(|scheme| text.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use crate::destination::{Address, Destination, Selector};

    #[test]
    fn destination_options_and_lists_are_rejected() {
        for (text, expected) in [
            ("/queue/a?x=1", "%3F"),
            ("/queue/a?consumer.prefetchSize=1&consumer.exclusive=true", "%3F"),
            ("/topic/a.b?consumer.retroactive=true", "%3F"),
            ("/topic/what?/a?x=", "%3F"),
            ("/user/bob/queue/a?x=1", "%3F"),
            ("/user/a?x=1/queue/a", "%3F"),
            ("/temp-queue/a?x=1", "%3F"),
            ("/queue/a,/queue/b", "%2C"),
            ("/queue/a,/queue/b,/topic/c", "%2C"),
            ("/queue/a,  /queue/b", "%2C"),
            ("/queue/a,\t/queue/b", "%2C"),
            ("/queue/a ,\t topic://b", "%2C"),
            ("/queue/a,\r\n/queue/b", "%2C"),
            ("/queue/a,queue://b", "%2C"),
            ("/queue/a,topic://b", "%2C"),
            ("/topic/a,b,/topic/c", "%2C"),
            ("/user/queue/a,/queue/b", "%2C"),
            ("/presence/topic/a,/topic/b", "%2C"),
        ] {
            for error in [
                Address::parse_send(text, 1024).err(),
                Address::parse_subscribe(text, 1024).err(),
                Destination::parse(text, 1024).err(),
                Selector::parse(text, 1024).err(),
            ] {
                let error = error.unwrap_or_else(|| panic!("{text} was accepted"));
                let quoted = format!("{text:?}");
                assert!(error.detail.contains(&quoted) && error.detail.contains(expected), "{text}: {error}");
            }
        }
    }

    #[test]
    fn commas_and_question_marks_are_allowed_in_names() {
        for text in [
            "/topic/a,b",
            "/topic/a,b,c",
            "/topic/a, b/c",
            "/topic/a/b,c/d",
            "/topic/a,",
            "/topic/,a",
            "/queue/a,queue:b",
            "/topic/what?",
            "/topic/a?b",
            "/topic/a?b/c",
            "/topic/a?=b",
            "/topic/a? b=c",
            "/topic/a=b?",
            "/topic/a=b,c=d",
            "/queue/a%3Fx=1",
            "/queue/a%2C/queue/b",
        ] {
            assert!(Destination::parse(text, 1024).is_ok(), "{text}");
            assert!(Selector::parse(text, 1024).is_ok(), "{text}");
        }
        for text in ["/user/a%3Fx=1/queue/a", "/user/a%2C/queue/a", "/user/a,b/queue/a"] {
            assert!(Destination::parse(text, 1024).is_ok(), "{text}");
        }
    }
}
