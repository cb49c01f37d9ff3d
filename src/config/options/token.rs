//! Options of authentication by JWT and by an HTTP hook.

use crate::auth::Secret;
use crate::config::builders::{
    COUNT_MAX, MILLISECOND, ZERO, boolean, duration, list, number, optional, text,
};
use crate::config::row::{OptionRow, ValueKind};
use crate::config::value::{claim_name, count, store, switch, time};
use hyper::header::HeaderValue;

pub(crate) const TOKEN: &[OptionRow] = &[
    list(
        "jwt-secret",
        "SECRET",
        "Shared secret for tokens (JWT) that are signed with HS256, HS384 or HS512. A secret has 32 bytes or more. \
         Give several secrets while you replace one. Other users of this machine can see flags, so set the secret in \
         the file or the environment.",
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
        "File with a public key in PEM format that verifies tokens. RSA keys verify RS256 to RS512 and PS256 to \
         PS512. P-256 keys verify ES256. P-384 keys verify ES384. Ed25519 keys verify EdDSA.",
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
        "File or URL of a key set (JWKS) that verifies tokens. The broker reads a file again when the file changes. \
         The broker fetches a URL again when its keys are older than jwt-jwks-refresh. A token with an unknown key \
         also causes a fetch.",
        false,
        |c| c.users.token.jwks.clear(),
        |c, v| {
            let set = v.parse().map_err(|error| format!("invalid value {v:?}: {error}"))?;
            c.users.token.jwks.push(set);
            Ok(())
        },
    ),
    duration(
        "jwt-jwks-refresh",
        "10m",
        "Age at which the broker fetches keys from a URL again. Once the broker has keys, it waits at least 30 s \
         between two fetches.",
        |c, v| store(&mut c.users.token.jwks_refresh, time(v, MILLISECOND)),
    ),
    duration("jwt-timeout", "5s", "Maximum time to fetch keys from a URL.", |c, v| {
        store(&mut c.users.token.timeout, time(v, MILLISECOND))
    }),
    list(
        "jwt-issuer",
        "TEXT",
        "Accepted issuer of tokens (claim iss). By default the broker accepts tokens of every issuer that signs with \
         a known key.",
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
        "Accepted audience of tokens (claim aud). By default the broker accepts tokens for every audience.",
        false,
        |c| c.users.token.audiences.clear(),
        |c, v| {
            c.users.token.audiences.push(v.to_owned());
            Ok(())
        },
    ),
    duration(
        "jwt-leeway",
        "0",
        "Maximum difference between the clocks of the issuer and the broker. The broker accepts a token up to this \
         time before its nbf and after its exp.",
        |c, v| store(&mut c.users.token.leeway, time(v, ZERO)),
    ),
    text(
        "jwt-name-claim",
        "CLAIM",
        "sub",
        "Claim that contains the user's name. A dot selects a member of an object, as in realm.user.",
        |c, v| store(&mut c.users.token.name_claim, claim_name(v)),
    ),
    text(
        "jwt-roles-claim",
        "CLAIM",
        "roles",
        "Claim that contains the user's roles. Its value is a list, or a text with spaces or commas between the \
         roles. A dot selects a member of an object, as in realm_access.roles.",
        |c, v| store(&mut c.users.token.roles_claim, claim_name(v)),
    ),
    boolean(
        "jwt-require-exp",
        "true",
        "Requires that every token has an expiry time (claim exp). A session ends when its token expires. To continue \
         the session, the client renews the token before this time.",
        |c, v| store(&mut c.users.token.require_exp, switch(v)),
    ),
    text(
        "hook-url",
        "URL",
        "",
        "URL of a service that authenticates clients. To check a login, the broker sends a POST with JSON to this \
         URL. See the documentation on the authentication hook. If the service does not answer, the hook accepts no \
         client.",
        |c, v| {
            let url = |v: &str| v.parse().map_err(|error| format!("invalid value (not shown): {error}"));
            store(&mut c.users.hook_url, optional(v, url))
        },
    ),
    duration(
        "hook-timeout",
        "2s",
        "Maximum time for an answer of the hook. If the hook takes longer, it counts as unavailable.",
        |c, v| store(&mut c.users.hook.timeout, time(v, MILLISECOND)),
    ),
    duration(
        "hook-cache",
        "0",
        "Time for which the broker reuses a positive answer of the hook for the same credentials. 0 turns the cache \
         off.",
        |c, v| store(&mut c.users.hook.cache, time(v, ZERO)),
    ),
    number(
        "hook-parallel-max",
        "64",
        "Maximum number of requests to the hook at the same time. Further logins wait.",
        |c, v| store(&mut c.users.hook.parallel_max, count(v, 1..=COUNT_MAX)),
    ),
    OptionRow {
        key: "hook-authorization",
        value: "SECRET",
        default: "",
        help: "Value of the header Authorization in requests to the hook. The service can use the value to \
               authenticate the broker.",
        kind: ValueKind::Secret,
        set: |c, v| {
            if HeaderValue::from_str(v).is_err() {
                return Err(
                    "invalid value (not shown): expected the value of a header, on one line".to_owned()
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
    use crate::config::sections::Config;
    use crate::config::table;

    #[test]
    fn hook_authorization_rejects_values_that_a_header_cannot_carry() {
        let mut config = Config::default();
        let row = table::find("hook-authorization").expect("an option");
        assert_eq!(row.apply(&mut config, "Bearer sesame"), Ok(()));
        let authorization = config.users.hook.authorization.clone();
        assert_eq!(authorization, Some(Secret::new("Bearer sesame")));
        for value in ["Bearer sesame\n", "Bearer \0sesame"] {
            let error = row.apply(&mut config, value).expect_err("not a header value");
            assert!(!error.contains("sesame"), "{error}");
        }
        assert_eq!(config.users.hook.authorization, authorization);
        assert_eq!(row.apply(&mut config, ""), Ok(()));
        assert_eq!(config.users.hook.authorization, None);
    }
}
