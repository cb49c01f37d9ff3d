//! Configuration: the table of options, and the [`Config`] that is built from it.
//!
//! Every option is one row of [`table::GROUPS`]. The row defines the flag, the environment variable and the key in the
//! file. It also defines the default, the help, and the line in the documentation. There are four layers, from the
//! lowest to the highest: the defaults of the table, the file, the environment, the flags. A higher layer overrides the
//! lower ones. For a repeatable option, the list of the highest layer replaces the lists of all lower layers.
//!
//! Only `server` and `cli` import this module. Each other module gets a plain `Options` type of its own.

mod build;
mod builders;
mod check;
mod entry;
mod environment;
mod error;
mod file;
mod listen;
mod load;
mod options;
mod permissions;
#[cfg(test)]
pub mod reference;
mod row;
mod sections;
pub mod table;
mod value;

pub use entry::ConfigEntry;
pub use error::{ConfigError, ConfigErrors, ConfigSource, suggestion};
pub use listen::Listen;
pub use load::{Loaded, Setting, load};
pub use row::{OptionRow, ValueKind};
pub use sections::{Config, LogFormat, LogOptions};
pub(crate) use value::{count, size, time};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::metrics_page::MetricsFrom;
    use crate::http::policy::forwarded::Proxies;
    use crate::http::policy::host_policy::Hosts;
    use crate::http::policy::origin_policy::Origins;
    use crate::{auth, outbound_queue};
    use stompbox_frames::stomp::HeartBeat;

    #[test]
    fn defaults_match_those_of_the_modules() {
        let config = Config::default();
        assert_eq!(config.outbound_queue, outbound_queue::Options::default());
        assert_eq!(config.users, auth::Options::default());
        assert_eq!(config.sockjs, crate::http::sockjs::Options::default());
        assert_eq!(config.session.heart_beat, HeartBeat { can: 10_000, wants: 10_000 });
        assert_eq!(config.transport.limits.frame_bytes_max, 2 * 1024 * 1024);
        assert_eq!(config.transport.connect_limits.frame_bytes_max, 64 * 1024);
        assert_eq!(
            config.transport.connect_limits.header_count_max,
            config.transport.limits.header_count_max
        );
        assert_eq!(config.listen_tcp.iter().map(Listen::to_string).collect::<Vec<_>>(), ["127.0.0.1:61613"]);
        assert_eq!(config.listen_http.iter().map(Listen::to_string).collect::<Vec<_>>(), ["127.0.0.1:8080"]);
        assert_eq!(config.http.metrics_from, MetricsFrom::Loopback);
        assert_eq!(config.http.origins, Origins::same_origin_and_loopback());
        assert_eq!(config.http.hosts, Hosts::default());
        assert_eq!(config.http.proxies, Proxies::default());
    }

    #[test]
    fn debug_output_hides_passcodes() {
        let mut config = Config::default();
        table::find("user").expect("an option").apply(&mut config, "alice:open-sesame").expect("a user");
        let text = format!("{config:?}");
        assert!(text.contains("alice") && !text.contains("sesame"), "{text}");
    }
}
