//! Authentication by an external HTTP service, the hook.
//!
//! ```text
//!  POST {"login": …, "passcode": …, "token": …, "address": …}     unknown members are left out
//!  200 {"name": "alice", "roles": […], "claims": {…}, "expires": 1790000000}     accepted, only the name is required
//!  200 {"name": null}, 401, 403                                   rejected, no other source is tried
//!  204, 404                                                       unknown user, the next source is tried
//!  any other response, or a timeout                               unavailable, the login fails
//! ```

mod cache;
pub(crate) mod options;

use crate::auth::credentials::Credentials;
use crate::auth::http_client::{HttpClient, HttpResponse, HttpUrl};
use crate::auth::now::Now;
use crate::auth::principal::Principal;
use crate::auth::source::{Decision, DecisionFuture, Source};
use crate::auth::{claims, name};
use cache::Cache;
use options::Options;
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

const NAME: &str = "hook";

/// A source that sends the credentials to an HTTP service.
#[derive(Debug)]
pub struct Hook {
    url: HttpUrl,
    options: Options,
    client: HttpClient,
    permits: Semaphore,
    cache: Cache,
}

impl Hook {
    /// Creates a source that sends requests to `url`.
    pub fn new(url: HttpUrl, options: Options, client: HttpClient) -> Hook {
        let permits = Semaphore::new(options.parallel_max.clamp(1, Semaphore::MAX_PERMITS));
        let cache = Cache::new(options.cache);
        Hook { url, options, client, permits, cache }
    }

    async fn decide(&self, request: HookRequest<'_>) -> Decision {
        let digest = self.cache.digest(&request);
        if let Some(principal) = self.cache.find(&digest).await {
            return Decision::Known(principal);
        }
        let response = match self.send(&request).await {
            Ok(response) => response,
            Err(error) => return Decision::Unavailable(error),
        };
        let decision = read(&response, Now::read());
        if let Decision::Known(principal) = &decision {
            self.cache.insert(digest, principal).await;
        }
        decision
    }

    async fn send(&self, request: &HookRequest<'_>) -> Result<HttpResponse, String> {
        let end = Instant::now() + self.options.timeout;
        let Ok(permit) = timeout_at(end, self.permits.acquire()).await else {
            return Err("too many concurrent requests (hook-parallel-max)".to_owned());
        };
        let _permit = permit.expect("the semaphore is never closed");
        let left = end.saturating_duration_since(Instant::now());
        let (url, authorization) = (&self.url, &self.options.authorization);
        self.client.post(url, authorization.as_ref(), request.json(), left).await
    }
}

impl Source for Hook {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check<'a>(&'a self, credentials: &'a Credentials) -> DecisionFuture<'a> {
        match HookRequest::of(credentials) {
            Some(request) => Box::pin(self.decide(request)),
            None => Box::pin(std::future::ready(Decision::Unknown)),
        }
    }
}

/// All data in a request to the service. The cache assumes that equal requests get the same response.
#[derive(Hash)]
struct HookRequest<'a> {
    login: Option<(&'a str, &'a str)>,
    token: Option<&'a str>,
    address: Option<std::net::IpAddr>,
}

impl<'a> HookRequest<'a> {
    /// Returns the request for these credentials. Returns `None` if they contain no login and no token.
    fn of(credentials: &'a Credentials) -> Option<HookRequest<'a>> {
        let (login, token) = (credentials.login(), credentials.token());
        let is_any = login.is_some() || token.is_some();
        is_any.then(|| HookRequest { login, token, address: credentials.handshake.address })
    }

    fn json(&self) -> String {
        let members = [
            ("login", self.login.map(|(login, _)| login.to_owned())),
            ("passcode", self.login.map(|(_, passcode)| passcode.to_owned())),
            ("token", self.token.map(str::to_owned)),
            ("address", self.address.map(|address| address.to_string())),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        Value::Object(members.collect()).to_string()
    }
}

fn read(response: &HttpResponse, now: Now) -> Decision {
    match response.status.as_u16() {
        200 => match serde_json::from_slice::<Map<String, Value>>(&response.body) {
            Ok(map) => {
                read_accepted(&map, now).unwrap_or_else(|reason| Decision::Unavailable(reason.to_owned()))
            }
            Err(_) => Decision::Unavailable("the response is not a JSON object".to_owned()),
        },
        status @ (401 | 403) => Decision::Rejected(format!("the response has status {status}")),
        204 | 404 => Decision::Unknown,
        status => Decision::Unavailable(format!("the response has status {status}")),
    }
}

/// Reads the body of a response with status 200.
///
/// # Errors
/// The body is invalid. The login fails, and the operator has to correct the service.
fn read_accepted(map: &Map<String, Value>, now: Now) -> Result<Decision, &'static str> {
    let name = match map.get("name") {
        Some(Value::Null) => return Ok(Decision::Rejected("the response names no user".to_owned())),
        Some(Value::String(name)) => name::checked(name)?,
        _ => return Err("the member name is missing or is not a string"),
    };
    let expires = match map.get("expires") {
        None | Some(Value::Null) => None,
        Some(value) => match now.until(value.as_f64().ok_or("expires is not a number")?) {
            Some(instant) => Some(instant),
            None => return Ok(Decision::Rejected("expired".to_owned())),
        },
    };
    let claims = match map.get("claims") {
        None | Some(Value::Null) => claims::flat(&Map::new(), &[]),
        Some(Value::Object(map)) => claims::flat(map, &[]),
        Some(_) => return Err("claims is not an object"),
    };
    let roles = claims::roles(map.get("roles"))?;
    let claims = Arc::new(claims);
    Ok(Decision::Known(Principal { name: Some(name), roles, claims, expires, source: NAME, version: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::credentials::ClientHandshake;
    use crate::auth::http_client::RESPONSE_BYTES_MAX;
    use crate::auth::secret::Secret;
    use crate::auth::sources::test_server::{ReceivedRequest, Reply, TestServer};
    use serde_json::json;
    use std::time::Duration;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";

    fn login(login: &str, passcode: &str) -> Credentials {
        Credentials {
            login: Some(login.to_owned()),
            passcode: Some(Secret::new(passcode)),
            ..Credentials::default()
        }
    }

    fn hook(url: &str, change: impl FnOnce(&mut Options)) -> Hook {
        let mut options = Options { timeout: Duration::from_secs(30), ..Options::default() };
        change(&mut options);
        Hook::new(url.parse().unwrap(), options, HttpClient::new())
    }

    /// Returns the decision as a short text: the name, or a character for the kind of decision and the reason.
    fn short(decision: &Decision) -> String {
        match decision {
            Decision::Known(principal) => principal.name.as_deref().unwrap().to_owned(),
            Decision::Unknown => "-".to_owned(),
            Decision::Rejected(reason) => format!("!{reason}"),
            Decision::Unavailable(reason) => format!("?{reason}"),
        }
    }

    async fn short_decision(hook: &Hook, credentials: &Credentials) -> String {
        let decision = hook.check(credentials).await;
        let short = short(&decision);
        assert!(!short.contains("sesame"), "{short}");
        short
    }

    #[tokio::test]
    async fn request_contains_the_given_credentials() {
        let echo = |request: ReceivedRequest| {
            let key = request.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            Reply::Respond(
                200,
                json!({"name": "x", "claims": {"request": request.body, "key": key}}).to_string(),
            )
        };
        let server = TestServer::open(echo).await;
        let address = Some("192.0.2.1".parse().unwrap());
        let from = |mut credentials: Credentials, address| {
            credentials.handshake = Arc::new(ClientHandshake { address, ..ClientHandshake::default() });
            credentials
        };
        let by_token = Credentials { authorization: Some(Secret::new(TOKEN)), ..Credentials::default() };
        for (credentials, expected) in [
            (login("a\"b", "p"), Some(json!({"login": "a\"b", "passcode": "p"}))),
            (
                from(login("a", ""), address),
                Some(json!({"login": "a", "passcode": "", "address": "192.0.2.1"})),
            ),
            (by_token.clone(), Some(json!({"token": TOKEN}))),
            (from(by_token, address), Some(json!({"token": TOKEN, "address": "192.0.2.1"}))),
            (login("a", TOKEN), Some(json!({"token": TOKEN}))),
            (Credentials::default(), None),
            (from(Credentials::default(), address), None),
        ] {
            for key in [None, Some("Key of ours")] {
                let hook = hook(&server.url("/"), |options| options.authorization = key.map(Secret::new));
                match (hook.check(&credentials).await, &expected) {
                    (Decision::Known(principal), Some(expected)) => {
                        let sent: Value = serde_json::from_str(principal.claim("request").unwrap()).unwrap();
                        assert_eq!((&sent, principal.claim("key")), (expected, key));
                    }
                    (decision, expected) => assert!(
                        decision == Decision::Unknown && expected.is_none(),
                        "{credentials:?}: {decision:?}"
                    ),
                }
            }
        }
    }

    #[test]
    fn response_is_mapped_to_a_decision() {
        let now = Now { unix: 1000.0, instant: std::time::Instant::now() };
        for (status, body, expected) in [
            (200, json!({"name": "alice"}), "alice"),
            (200, json!({"name": "alice", "roles": null, "claims": null, "expires": null}), "alice"),
            (200, json!({"name": "alice", "roles": "a b", "claims": {"x": 1}, "expires": 1001}), "alice"),
            (200, json!({"name": "alice", "unknown": "member"}), "alice"),
            (200, json!({"name": null}), "!the response names no user"),
            (200, json!({"name": "alice", "expires": 1000}), "!expired"),
            (200, json!({}), "?the member name is missing or is not a string"),
            (200, json!({"name": 7}), "?the member name is missing or is not a string"),
            (200, json!({"name": ""}), "?the name is empty"),
            (200, json!({"name": "a\nb"}), "?the name has a control character"),
            (200, json!({"name": "x".repeat(257)}), "?the name has more than 256 bytes"),
            (200, json!({"name": "alice", "expires": "soon"}), "?expires is not a number"),
            (200, json!({"name": "alice", "claims": []}), "?claims is not an object"),
            (200, json!({"name": "a", "roles": 7}), "?invalid roles: expected a string or a list of strings"),
            (200, json!([]), "?the response is not a JSON object"),
            (201, json!({"name": "alice"}), "?the response has status 201"),
            (204, json!(null), "-"),
            (302, json!({"name": "alice"}), "?the response has status 302"),
            (400, json!({"name": "alice"}), "?the response has status 400"),
            (401, json!({"name": "alice"}), "!the response has status 401"),
            (403, json!({"name": "alice"}), "!the response has status 403"),
            (404, json!({"name": "alice"}), "-"),
            (429, json!({"name": "alice"}), "?the response has status 429"),
            (500, json!({"name": "alice"}), "?the response has status 500"),
        ] {
            let status = hyper::StatusCode::from_u16(status).unwrap();
            let response = HttpResponse { status, body: body.to_string().into() };
            assert_eq!(short(&read(&response, now)), expected, "{status} {body}");
        }
        let body =
            json!({"name": "alice", "roles": ["a", "service"], "claims": {"t": {"id": 7}}, "expires": 1060});
        let response = HttpResponse { status: hyper::StatusCode::OK, body: body.to_string().into() };
        let Decision::Known(principal) = read(&response, now) else { panic!("{body}") };
        assert!(principal.has_role("a") && principal.is_service());
        assert_eq!((principal.claim("t.id"), principal.source), (Some("7"), "hook"));
        assert_eq!(principal.expires, Some(now.instant + Duration::from_secs(60)));
    }

    #[tokio::test]
    async fn unavailable_hook_accepts_no_login() {
        let server = TestServer::open(|request| match request.uri.path() {
            "/yes" => Reply::Respond(200, json!({"name": "alice"}).to_string()),
            "/away" => Reply::Redirect("/yes".to_owned()),
            "/garbage" => Reply::Respond(200, "<html>".to_owned()),
            "/long" => Reply::Respond(200, "x".repeat(RESPONSE_BYTES_MAX + 1)),
            _ => Reply::NoResponse,
        })
        .await;
        let closed = TestServer::closed_port().await;
        for (url, expected) in [
            (server.url("/yes"), "alice"),
            (server.url("/away"), "?the response has status 302"),
            (server.url("/garbage"), "?the response is not a JSON object"),
            (server.url("/long"), "?the response is too large"),
            (closed, "?client error (Connect)"),
        ] {
            let got = short_decision(&hook(&url, |_| ()), &login("alice", "sesame")).await;
            assert!(got.starts_with(expected), "{url}: {got}");
        }
        let slow = hook(&server.url("/silence"), |options| options.timeout = Duration::from_millis(50));
        let got = short_decision(&slow, &login("alice", "sesame")).await;
        assert!(got.starts_with("?no response within "), "{got}");
    }

    #[tokio::test]
    async fn concurrent_requests_are_limited_by_parallel_max() {
        let server = TestServer::gated(|_| Reply::Respond(200, json!({"name": "alice"}).to_string())).await;
        let hook = hook(&server.url("/"), |options| options.parallel_max = 1);
        let (one, other) = (login("a", ""), login("b", ""));
        let mut first = std::pin::pin!(short_decision(&hook, &one));
        tokio::select! {
            response = &mut first => panic!("the gate is closed: {response}"),
            () = server.request_received() => {}
        }
        let mut second = std::pin::pin!(short_decision(&hook, &other));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!((server.requests(), hook.permits.available_permits()), (1, 0), "the second request waits");
        server.allow_response();
        assert_eq!(first.await, "alice");
        server.allow_response();
        assert_eq!((second.await.as_str(), server.requests()), ("alice", 2));
    }

    #[tokio::test]
    async fn request_that_times_out_in_the_queue_is_not_sent() {
        let server = TestServer::open(|_| Reply::NoResponse).await;
        let hook = hook(&server.url("/"), |options| {
            options.parallel_max = 1;
            options.timeout = Duration::from_millis(50);
        });
        let permit = hook.permits.acquire().await.expect("the only permit");
        let response = short_decision(&hook, &login("a", "")).await;
        assert!(response.starts_with("?too many concurrent requests (hook-parallel-max)"), "{response}");
        drop(permit);
        assert_eq!((server.requests(), hook.permits.available_permits()), (0, 1));
    }

    #[tokio::test]
    async fn accepted_login_is_cached_if_enabled() {
        let server = TestServer::open(|request| {
            let said = if request.body.contains("mallory") { Value::Null } else { "alice".into() };
            Reply::Respond(200, json!({"name": said}).to_string())
        })
        .await;
        let uncached = hook(&server.url("/"), |_| ());
        let cached = hook(&server.url("/"), |options| options.cache = Duration::from_secs(60));
        let mut count = 0;
        for (hook, login, expected, asks) in [
            (&uncached, login("alice", "sesame"), "alice", 1),
            (&uncached, login("alice", "sesame"), "alice", 1),
            (&cached, login("alice", "sesame"), "alice", 1),
            (&cached, login("alice", "sesame"), "alice", 0),
            (&cached, login("alice", "other"), "alice", 1),
            (&cached, login("alic", "esesame"), "alice", 1),
            (&cached, login("mallory", "sesame"), "!the response names no user", 1),
            (&cached, login("mallory", "sesame"), "!the response names no user", 1),
        ] {
            assert_eq!(short_decision(hook, &login).await, expected);
            count += asks;
            assert_eq!(server.requests(), count, "{login:?}");
        }
    }
}
