//! Options of authentication by JWT and by an HTTP hook.

use super::Config;
use super::access::{boolean, optional};
use super::row::{OptionRow, ValueKind};
use super::table::{MANY, NONE, TICK, number, text, timed};
use super::value::{claim, count, put, switch, time};
use crate::users::Secret;
use hyper::header::HeaderValue;

/// Returns the row of a repeatable option.
const fn list(
    key: &'static str,
    value: &'static str,
    help: &'static str,
    hidden: bool,
    clear: fn(&mut Config),
    set: fn(&mut Config, &str) -> Result<(), String>,
) -> OptionRow {
    OptionRow { key, value, default: "", help, kind: ValueKind::List { clear, hidden }, set }
}

pub(super) const TOKEN: &[OptionRow] = &[
    list(
        "jwt-secret",
        "SECRET",
        "Shared secret of 32 octets or more for tokens (JWT) signed with HS256, HS384 or HS512; several while it changes. \
         Other users of this machine can see flags: the file or the environment is a better place.",
        true,
        |c| c.users.token.secrets.clear(),
        |c, v| {
            c.users.token.secrets.push(Secret::new(v));
            Ok(())
        },
    ),
    list(
        "jwt-key-file",
        "FILE",
        "Public key in PEM for tokens: RSA for RS256 to RS512 and PS256 to PS512, P-256 for ES256, P-384 for ES384, \
         Ed25519 for EdDSA.",
        false,
        |c| c.users.token.key_files.clear(),
        |c, v| {
            c.users.token.key_files.push(v.into());
            Ok(())
        },
    ),
    list(
        "jwt-jwks",
        "FILE|URL",
        "Key set (JWKS) for tokens. A file is read again when it changes, a URL fetched again when keys are old or an \
         unknown one is named.",
        false,
        |c| c.users.token.jwks.clear(),
        |c, v| {
            let set = v.parse().map_err(|wrong| format!("invalid value {v:?}: {wrong}"))?;
            c.users.token.jwks.push(set);
            Ok(())
        },
    ),
    timed(
        "jwt-jwks-refresh",
        "10m",
        "How old keys from a URL become before they are fetched again; at most every 30s.",
        |c, v| put(&mut c.users.token.jwks_refresh, time(v, TICK)),
    ),
    timed("jwt-timeout", "5s", "Time for fetching keys from a URL.", |c, v| {
        put(&mut c.users.token.timeout, time(v, TICK))
    }),
    list(
        "jwt-issuer",
        "TEXT",
        "Who may have issued a token (claim iss); with none, anybody whose key is known.",
        false,
        |c| c.users.token.issuers.clear(),
        |c, v| {
            c.users.token.issuers.push(v.to_owned());
            Ok(())
        },
    ),
    list(
        "jwt-audience",
        "TEXT",
        "For whom a token may be (claim aud); with none, for anybody.",
        false,
        |c| c.users.token.audiences.clear(),
        |c, v| {
            c.users.token.audiences.push(v.to_owned());
            Ok(())
        },
    ),
    timed(
        "jwt-leeway",
        "0",
        "By how much the issuer's clock may differ: a token counts so much longer, and so much earlier.",
        |c, v| put(&mut c.users.token.leeway, time(v, NONE)),
    ),
    text(
        "jwt-name-claim",
        "CLAIM",
        "sub",
        "The claim that is the user's name; dots lead inside of objects.",
        |c, v| put(&mut c.users.token.name_claim, claim(v)),
    ),
    text(
        "jwt-roles-claim",
        "CLAIM",
        "roles",
        "The claim that has the user's roles: a list, or a text with blanks or commas between them. Dots lead inside of \
         objects, as in realm_access.roles.",
        |c, v| put(&mut c.users.token.roles_claim, claim(v)),
    ),
    boolean(
        "jwt-require-exp",
        "true",
        "Whether a token must say when it ends. A session ends with its token, unless it is renewed.",
        |c, v| put(&mut c.users.token.require_exp, switch(v)),
    ),
    text(
        "hook-url",
        "URL",
        "",
        "A service that is asked over HTTP who a client is: POST with JSON, see the README. If it does not answer, nobody \
         is let in by it.",
        |c, v| {
            let url = |v: &str| {
                v.parse().map_err(|wrong| {
                    format!("invalid value (not shown, since it may hold a secret): {wrong}")
                })
            };
            put(&mut c.users.hook_url, optional(v, url))
        },
    ),
    timed("hook-timeout", "2s", "Time for its answer; then it counts as out of reach.", |c, v| {
        put(&mut c.users.hook.timeout, time(v, TICK))
    }),
    timed(
        "hook-cache",
        "0",
        "How long a yes of it is remembered for the same credentials. 0: not at all.",
        |c, v| put(&mut c.users.hook.cache, time(v, NONE)),
    ),
    number("hook-parallel-max", "64", "Questions to it at the same time; further logins wait.", |c, v| {
        put(&mut c.users.hook.parallel_max, count(v, 1..=MANY))
    }),
    OptionRow {
        key: "hook-authorization",
        value: "SECRET",
        default: "",
        help: "Sent to it in the header Authorization, so that it knows who asks.",
        kind: ValueKind::Secret,
        set: |c, v| {
            if HeaderValue::from_str(v).is_err() {
                return Err(
                    "expected a value for a header, on one line (not shown: it is a secret)".to_owned()
                );
            }
            c.users.hook.authorization = (!v.is_empty()).then(|| Secret::new(v));
            Ok(())
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, table};

    #[test]
    fn hook_authorization_rejects_values_that_a_header_cannot_carry() {
        let mut config = Config::default();
        let row = table::find("hook-authorization").expect("an option");
        assert_eq!(row.apply(&mut config, "Bearer sesame"), Ok(()));
        let authorization = config.users.hook.authorization.clone();
        assert_eq!(authorization, Some(Secret::new("Bearer sesame")));
        for wrong in ["Bearer sesame\n", "Bearer \0sesame"] {
            let error = row.apply(&mut config, wrong).expect_err("no header");
            assert!(!error.contains("sesame"), "{error}");
        }
        assert_eq!(config.users.hook.authorization, authorization);
        assert_eq!(row.apply(&mut config, ""), Ok(()));
        assert_eq!(config.users.hook.authorization, None);
    }
}
