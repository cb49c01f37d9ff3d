//! Options of logins: accepted user names, the order of the authentication sources, and the limits on checking
//! credentials.

use crate::config::builders::{COUNT_MAX, MILLISECOND, duration, number, text};
use crate::config::row::OptionRow;
use crate::config::value::{count, source_kinds, store, time, user_names};

pub(crate) const LOGIN: &[OptionRow] = &[
    text(
        "user-names",
        "precis|any",
        "precis",
        "User names that are accepted, from every source of users. precis: letters and digits of any script and \
         printable ASCII characters, without spaces and invisible characters (the profile UsernameCasePreserved of \
         RFC 8265). any: every name that the source gives; set it if your users have names with spaces.",
        |c, v| store(&mut c.users.names, user_names(v)),
    ),
    text(
        "auth-order",
        "LIST",
        "proxy,certificate,token,users-file,user,hook,anonymous",
        "Order in which the configured sources of users check a client; commas separate them. The first source that \
         accepts or rejects the client decides. Sources that are not listed follow at the end, and anonymous is \
         always last. If CONNECT has a login or a token, the broker checks only this login or token, and ignores \
         credentials of the handshake.",
        |c, v| store(&mut c.users.order, source_kinds(v)),
    ),
    duration(
        "auth-timeout",
        "10s",
        "Maximum time to check a login with an external service; then the login fails. The time in the queue for the hashing threads does not count.",
        |c, v| store(&mut c.users.auth_timeout, time(v, MILLISECOND)),
    ),
    number(
        "auth-waiting-max",
        "65536",
        "Maximum number of logins that are checked at the same time, including those that wait for a thread or a \
         response; further logins fail and may be tried again later. Logins that are delayed after wrong passcodes \
         (auth-failures-free) do not count.",
        |c, v| store(&mut c.users.auth_waiting_max, count(v, 1..=COUNT_MAX / 2)),
    ),
    number(
        "auth-parallel-max",
        "0",
        "Number of threads that hash passcodes for users-file, at a lower priority than the threads that run \
         connections; further logins wait. 0: one less than the number of cores, at least one.",
        |c, v| store(&mut c.users.auth_parallel_max, count(v, 0..=1024)),
    ),
    number(
        "auth-cache-max",
        "100000",
        "Maximum number of successful logins in the cache. A cached login needs no hash when it is repeated with the \
         same passcode. The cache contains a keyed digest of each login, in memory only. 0: no cache.",
        |c, v| store(&mut c.users.auth_cache_max, count(v, 0..=COUNT_MAX)),
    ),
    number(
        "auth-failures-free",
        "5",
        "Number of wrong passcodes of a name from one address that are not delayed. Each further one is delayed: by \
         250ms, doubling up to 15s. After 20 times as many, guesses are limited: one every 4s for the name, or one \
         every second from the address. Logins that were correct \
         before are not delayed. A correct login, or 15 minutes without a wrong one, resets the count.",
        |c, v| store(&mut c.users.auth_failures_free, count(v, 0..=COUNT_MAX)),
    ),
];
