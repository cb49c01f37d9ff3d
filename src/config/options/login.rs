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
        "User names that the broker accepts from every source of users. The value precis allows letters and digits of \
         any script, and printable ASCII characters. It allows no spaces and no invisible characters. It is the \
         profile UsernameCasePreserved of RFC 8265. The value any allows every name that the source gives. Set any if \
         your users have names with spaces.",
        |c, v| store(&mut c.users.names, user_names(v)),
    ),
    text(
        "auth-order",
        "LIST",
        "proxy,token,users-file,user,hook,anonymous",
        "Order in which the configured sources of users check a client, separated by commas. The first source that \
         accepts or rejects the client decides. Sources that you do not list come after the listed ones. The source \
         anonymous always comes last. If CONNECT has a login or a token, the broker ignores credentials of the \
         handshake.",
        |c, v| store(&mut c.users.order, source_kinds(v)),
    ),
    duration(
        "auth-timeout",
        "10s",
        "Maximum time for a source of users to check a login. If the source takes longer, the login fails. The limit \
         does not apply to users-file, whose logins may wait for a hashing thread.",
        |c, v| store(&mut c.users.auth_timeout, time(v, MILLISECOND)),
    ),
    number(
        "auth-waiting-max",
        "65536",
        "Maximum number of logins that the broker checks at the same time. Logins that wait for a thread or a \
         response count, too. Further logins fail, and clients may try again later. Logins that the broker delays \
         after wrong passcodes (auth-failures-free) do not count.",
        |c, v| store(&mut c.users.auth_waiting_max, count(v, 1..=COUNT_MAX / 2)),
    ),
    number(
        "auth-parallel-max",
        "0",
        "Number of threads that hash passcodes for users-file. Further logins wait. The threads have a lower priority \
         than the threads that run connections. 0 means one less than the number of cores, but at least one.",
        |c, v| store(&mut c.users.auth_parallel_max, count(v, 0..=1024)),
    ),
    number(
        "auth-cache-max",
        "100000",
        "Maximum number of successful logins in the cache. The broker needs no hash when a client repeats a cached \
         login with the same passcode. The cache contains a keyed digest of each login, in memory only. 0 turns the \
         cache off.",
        |c, v| store(&mut c.users.auth_cache_max, count(v, 0..=COUNT_MAX)),
    ),
    number(
        "auth-failures-free",
        "5",
        "Number of wrong passcodes of a name from one address that the broker does not delay. The broker delays the \
         next one by 250 ms, and each further one by twice the previous delay, up to 15 s. After 20 times this \
         number, the broker allows one guess every 4 s for the name. From the address it then allows one guess every \
         second. The broker does not delay a login that was correct before. A correct login, or 15 minutes without a \
         wrong one, resets the count.",
        |c, v| store(&mut c.users.auth_failures_free, count(v, 0..=COUNT_MAX)),
    ),
];
