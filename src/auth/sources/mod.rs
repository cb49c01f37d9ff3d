//! The sources of users, in the order in which the authenticator tries them.

pub(crate) mod anonymous;
pub(crate) mod certificate;
pub(crate) mod hook;
pub(crate) mod kind;
pub(crate) mod proxy;
pub(crate) mod static_users;
#[cfg(test)]
pub(crate) mod test_server;
pub(crate) mod token;
pub(crate) mod users_file;

use self::anonymous::Anonymous;
use self::certificate::Certificates;
use self::hook::Hook;
use self::kind::SourceKind;
use self::proxy::Proxy;
use self::static_users::StaticUsers;
use self::token::Tokens;
use self::users_file::UsersFile;
use super::http_client::HttpClient;
use super::options::Options;
use super::password::verifier::Verifier;
use super::source::Source;
use std::sync::Arc;

/// Returns the configured sources in the order of `auth-order`. Sources that `auth-order` does not list come last.
///
/// # Errors
/// The options of a source are invalid.
pub(super) fn sources(options: &Options) -> Result<Vec<Arc<dyn Source>>, String> {
    let client = HttpClient::default();
    let left_out = SourceKind::ALL.into_iter().filter(|kind| !options.order.contains(kind));
    let order = options.order.iter().copied().chain(left_out);
    // Create the anonymous source last: it depends on whether other sources are configured.
    let (last, named): (Vec<SourceKind>, Vec<SourceKind>) =
        order.partition(|kind| *kind == SourceKind::Anonymous);
    let mut sources = Vec::new();
    for kind in named {
        sources.extend(source(kind, options, false, &client)?);
    }
    let is_alone = sources.is_empty();
    for kind in last {
        sources.extend(source(kind, options, is_alone, &client)?);
    }
    Ok(sources)
}

/// Creates the source of this kind, if it is configured.
fn source(
    kind: SourceKind,
    options: &Options,
    is_alone: bool,
    client: &HttpClient,
) -> Result<Option<Arc<dyn Source>>, String> {
    let source: Arc<dyn Source> = match kind {
        SourceKind::Proxy if options.proxy => Arc::new(Proxy),
        SourceKind::Certificate => match options.certificate {
            Some(certificate) => Arc::new(Certificates::new(certificate)),
            None => return Ok(None),
        },
        SourceKind::Token if !options.token.is_empty() => {
            Arc::new(Tokens::new(options.token.clone(), client.clone())?)
        }
        SourceKind::Hook => match &options.hook_url {
            Some(url) => Arc::new(Hook::new(url.clone(), options.hook.clone(), client.clone())),
            None => return Ok(None),
        },
        SourceKind::UsersFile => {
            let Some(path) = &options.users_file else { return Ok(None) };
            let waiting_max = options.auth_waiting_max;
            let verifier = Verifier::new(options.auth_parallel_max, waiting_max, options.auth_cache_max);
            Arc::new(UsersFile::new(path, options.names, verifier))
        }
        SourceKind::User if !options.static_users.is_empty() => {
            Arc::new(StaticUsers::new(&options.static_users))
        }
        SourceKind::Anonymous if options.allow_anonymous || is_alone => Arc::new(Anonymous { is_alone }),
        SourceKind::Proxy | SourceKind::Token | SourceKind::User | SourceKind::Anonymous => return Ok(None),
    };
    Ok(Some(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::password::passcode::Passcode;

    fn names(options: &Options) -> Vec<&'static str> {
        sources(options).expect("sources").iter().map(|source| source.name()).collect()
    }

    #[test]
    fn sources_are_tried_in_their_order_and_anonymous_last() {
        let mut options = Options::default();
        assert_eq!(names(&options), ["anonymous"], "without a source every client is accepted");
        options.users_file = Some("/nowhere/users".into());
        assert_eq!(names(&options), ["users-file"]);
        options.static_users = vec![("alice".to_owned(), Passcode::new("a").expect("short"))];
        options.allow_anonymous = true;
        assert_eq!(names(&options), ["users-file", "user", "anonymous"]);
        options.order = vec![SourceKind::Anonymous, SourceKind::User];
        assert_eq!(names(&options), ["user", "users-file", "anonymous"]);
        assert_eq!(SourceKind::ALL.map(SourceKind::as_str).len(), 7);
    }
}
