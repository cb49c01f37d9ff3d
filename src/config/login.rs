//! Options of logins: accepted user names, the order of the authentication sources, and the limits on checking
//! credentials.

use super::row::OptionRow;
use super::table::{MANY, TICK, number, text, timed};
use super::value::{count, kinds, put, time, user_names};

pub(super) const LOGIN: &[OptionRow] = &[
    text(
        "user-names",
        "precis|any",
        "precis",
        "Which user names are accepted, from every source of users. precis: letters and digits of any script and printable \
         ASCII characters, without spaces and invisible characters (the profile UsernameCasePreserved of RFC 8265). any: \
         whatever the source gives; use it if your users have names with spaces.",
        |c, v| put(&mut c.users.names, user_names(v)),
    ),
    text(
        "auth-order",
        "LIST",
        "proxy,certificate,token,users-file,user,hook,anonymous",
        "In which order it is asked who a client is, of what is configured; commas between. The first that knows the \
         client, or refuses it, decides. What is left out comes behind, and anonymous always last. Where CONNECT shows a \
         login or a token, that alone counts, and nothing of the handshake.",
        |c, v| put(&mut c.users.order, kinds(v)),
    ),
    timed(
        "auth-timeout",
        "10s",
        "Time for checking a login once it has begun, where others are asked; then it is refused. The time in the \
         queue for the hashing threads does not count.",
        |c, v| put(&mut c.users.auth_timeout, time(v, TICK)),
    ),
    number(
        "auth-waiting-max",
        "65536",
        "Logins that are checked at the same time, those that wait for a thread or an answer included; further ones \
         are refused and may try again later. Logins that are delayed after wrong passcodes (auth-failures-free) do \
         not count.",
        |c, v| put(&mut c.users.auth_waiting_max, count(v, 1..=MANY / 2)),
    ),
    number(
        "auth-parallel-max",
        "0",
        "Threads that hash passcodes for the users-file, at a lower priority than those that run connections; further \
         logins wait. 0: one less than the cores, at least one.",
        |c, v| put(&mut c.users.auth_parallel_max, count(v, 0..=1024)),
    ),
    number(
        "auth-cache-max",
        "100000",
        "Right logins that are remembered, so that they need no hash when they come again with the same passcode: a \
         keyed digest of each, in memory only. 0: none.",
        |c, v| put(&mut c.users.auth_cache_max, count(v, 0..=MANY)),
    ),
    number(
        "auth-failures-free",
        "5",
        "Wrong passcodes of a name from one address after which each further guess waits: 250ms, doubling up to 15s. \
         After 20 times as many for one name, one guess every 4s is checked for that name; after 20 times as many from \
         one address, one guess every second from that address. Logins that were correct before do not wait. A correct \
         login, or 15 minutes without a wrong one, resets the count.",
        |c, v| put(&mut c.users.auth_failures_free, count(v, 0..=MANY)),
    ),
];
