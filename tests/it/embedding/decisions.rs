//! STOMP sessions, the operations, and clients in the process decide alike: for random rules, users and requests, all
//! three allow the same requests, and reject the others for the same reason. Session and operations return the same
//! command: the same audience, headers of the broker, and resolved destination.

use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use stompbox::auth::Principal;
use stompbox::command::{ConsumerOptions, Publish};
use stompbox::operations::{self, ReplyTo};
use stompbox::permissions::{Permissions, Preset, Rule};
use stompbox::rejection::Rejection;
use stompbox::session::{Action, Options, Session};
use stompbox::{Client, Config, Listeners, Server};
use stompbox_frames::stomp::{Decoder, Headers, Limits};

const USERS: [Option<&str>; 4] = [None, Some("alice"), Some("bob"), Some("queue")];
const ROLES: [&[&str]; 3] = [&[], &["editor"], &["service"]];
const DESTINATIONS: &[&str] = &[
    "/topic/a",
    "/topic/a.b",
    "/topic/*",
    "/topic/**",
    "/topic/alice.x",
    "/queue/a",
    "/queue/dead.a",
    "/app/a",
    "/presence/topic/a",
    "/presence/users",
    "/user/queue/a",
    "/user/queue/*",
    "/user/queue/errors",
    "/user/alice/queue/a",
    "/user/bob/queue/a",
    "/user/~other/queue/a",
    "/users/queue/a",
    "/auth/refresh",
    "nowhere",
    "/topic/",
    "/topic/a/../b*",
];

#[derive(Clone, Debug)]
struct Case {
    rules: Vec<String>,
    user: Option<&'static str>,
    roles: &'static [&'static str],
    destination: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    is_send: bool,
}

fn rule() -> impl Strategy<Value = String> {
    let effect = prop::sample::select(vec!["allow", "deny"]);
    let verb = prop::sample::select(vec!["send", "subscribe", "all"]);
    let group = prop::sample::select(vec!["anyone", "users", "anonymous", "user:alice", "role:editor"]);
    let pattern = prop::sample::select(vec![
        "**",
        "/topic/**",
        "/topic/a",
        "/topic/*",
        "/topic/{user}.**",
        "/queue/**",
        "/queue/dead.**",
        "/app/*",
        "/presence/**",
        "/user/**",
        "/user/*/queue/a",
        "/user/{user}/**",
    ]);
    (effect, verb, group, pattern)
        .prop_map(|(effect, verb, group, pattern)| format!("{effect} {verb} {group} {pattern}"))
}

fn case() -> impl Strategy<Value = Case> {
    let headers = prop::sample::select(vec![
        vec![],
        vec![("to", "alice,bob")],
        vec![("to", "alice,,bob")],
        vec![("session", "id")],
        vec![("to", "alice"), ("session", "id")],
        vec![("reply-to", "/user/queue/a")],
        vec![("reply-to", "/user/bob/queue/a")],
        vec![("reply-to", "/temp-queue/~1")],
    ]);
    (
        prop::collection::vec(rule(), 0..5),
        prop::sample::select(USERS.to_vec()),
        prop::sample::select(ROLES.to_vec()),
        prop::sample::select(DESTINATIONS.to_vec()),
        headers,
        any::<bool>(),
    )
        .prop_map(|(rules, user, roles, destination, headers, is_send)| Case {
            rules,
            user,
            roles,
            destination,
            headers: if is_send { headers } else { Vec::new() },
            is_send,
        })
}

impl Case {
    fn permissions(&self) -> Permissions {
        let rules = self.rules.iter().map(|rule| Rule::parse(rule).expect("a rule")).collect();
        Permissions::new(Preset::Safe, rules, Vec::new())
    }

    fn principal(&self) -> Principal {
        let principal = self.user.map_or_else(Principal::anonymous, |name| Principal::named(name, "test"));
        Principal { roles: self.roles.iter().map(|role| Box::from(*role)).collect(), ..principal }
    }

    /// Returns the command of a STOMP session, or the reason for which the session rejects the request.
    fn decision_of_session(&self) -> Result<String, String> {
        let now = Instant::now();
        let client = operations::Client::new(Arc::default(), "id".into(), Arc::new(Box::new(|| "~1".into())));
        let mut session = Session::new(Arc::new(Options::default()), client, now);
        let limits = Limits {
            frame_bytes_max: 1 << 16,
            header_count_max: 100,
            header_bytes_max: 1 << 12,
            to_bytes_max: 1 << 12,
        };
        let mut decoder = Decoder::new(limits);
        let mut actions = Vec::new();
        decoder.feed(b"CONNECT\naccept-version:1.2\n\n\0");
        session.handle(decoder.next().expect("a frame").expect("a whole frame"), now, &mut actions);
        session.authenticated(Ok(self.principal()), Arc::new(self.permissions()), now, &mut actions);
        actions.clear();
        let command = if self.is_send { "SEND" } else { "SUBSCRIBE\nid:1" };
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        decoder.feed(format!("{command}\ndestination:{}\n{headers}\n\0", self.destination).as_bytes());
        session.handle(decoder.next().expect("a frame").expect("a whole frame"), now, &mut actions);
        let decision = actions.iter().rev().find_map(|action| match action {
            Action::Publish { publish, .. } => Some(Ok(published(publish))),
            Action::Subscribe { subscribe, .. } => {
                Some(Ok(format!("subscribe {}", subscribe.selector.as_str())))
            }
            Action::Write(frame) => {
                let text = String::from_utf8_lossy(frame).into_owned();
                let summary = text.strip_prefix("ERROR\nmessage:")?;
                summary.lines().next().map(|summary| Err(summary.to_owned()))
            }
            _ => None,
        });
        decision.unwrap_or_else(|| panic!("no decision in {actions:?}"))
    }

    /// Returns the command of the operations, or the reason for which they reject the request.
    fn decision_of_operations(&self) -> Result<String, String> {
        let mut client =
            operations::Client::new(Arc::default(), "id".into(), Arc::new(Box::new(|| "~1".into())));
        client.set_principal(self.principal());
        client.set_permissions(Arc::new(self.permissions()));
        let decision = match self.is_send {
            true => self.published_by(&mut client),
            false => client.subscribable(self.destination).and_then(|subscribable| {
                let (subscribe, _) = client.subscribe(subscribable, 1, OPTIONS, false)?;
                Ok(format!("subscribe {}", subscribe.selector.as_str()))
            }),
        };
        decision.map_err(|rejection| rejection.summary.to_owned())
    }

    fn published_by(&self, client: &mut operations::Client) -> Result<String, Rejection> {
        let headers: Headers = self.headers.iter().copied().collect();
        let Some(route) = client.route(self.destination, &headers)? else { return Ok("renew".to_owned()) };
        let reply_to = match client.reply_to(&route, &headers)? {
            ReplyTo::Unchanged => None,
            ReplyTo::Address(address) => Some(address),
            ReplyTo::TempQueue(name) => panic!("no case names the temporary queue {name}"),
        };
        Ok(published(&client.publish(route, reply_to, headers, Bytes::new())))
    }

    /// Returns the reason for which a client in the process of the broker gets an error.
    async fn decision_of_embedder(&self) -> Result<(), String> {
        let rules: Vec<_> = self.rules.iter().map(|rule| format!("{rule:?}")).collect();
        let text = format!("default-permissions = \"safe\"\npermission = [{}]\n", rules.join(", "));
        let config = Config::from_toml(&text).expect("a valid configuration");
        let server = Server::start(config, Listeners::default()).expect("the broker starts");
        let mut client: Client = server.client(self.user, self.roles);
        let result = match self.is_send {
            true => client.publish(self.destination, &self.headers, "x").await.map(|_| ()),
            false => client.subscribe(self.destination).map(|_| ()),
        };
        result.map_err(|error| error.summary().to_owned())
    }
}

const OPTIONS: ConsumerOptions =
    ConsumerOptions { prefetch: 1, prefetch_bytes: 1, text_only: false, presence_names: false };

/// Returns the parts of a command that the rules decide.
fn published(publish: &Publish) -> String {
    format!("publish {:?} as {} with {:?}", publish.audience, publish.destination_header, publish.extra)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn session_operations_and_embedder_decide_alike(case in case()) {
        let by_session = case.decision_of_session();
        // Only a session can renew a token. The other sources of requests have no token.
        let renews = case.is_send && case.destination == "/auth/refresh";
        prop_assert_eq!(renews, by_session.as_ref().is_err_and(|summary| summary == "missing token"));
        if !renews {
            prop_assert_eq!(&case.decision_of_operations(), &by_session);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let by_embedder = runtime.block_on(case.decision_of_embedder());
            prop_assert_eq!(by_embedder, by_session.map(|_| ()));
        }
    }
}
