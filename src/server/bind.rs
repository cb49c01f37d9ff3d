//! The error of a broker that cannot listen at an address, with advice for the operator.

use std::fmt::{self, Display, Formatter};
use std::io::{self, ErrorKind};

/// The lowest port that needs no privilege.
const UNPRIVILEGED_PORT_MIN: u16 = 1024;

/// The reason why the broker cannot listen at an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (option {option}): {}", Advice(self))]
pub struct BindError {
    /// The option that names the address.
    pub option: &'static str,
    /// The address as it was configured.
    pub address: String,
    /// The error of the operating system.
    #[source]
    pub error: io::Error,
}

/// Displays the cause of an error, and advice with an example.
struct Advice<'a>(&'a BindError);

impl Display for Advice<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let BindError { option, address, error } = self.0;
        let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
        let port: u16 = port.parse().unwrap_or(0);
        // The default port of the option.
        let default_port = if *option == "http" { 8080 } else { 61613 };
        match error.kind() {
            ErrorKind::AddrInUse => {
                let other = port.checked_add(1).unwrap_or(default_port);
                write!(
                    f,
                    "another program uses this port, or two of the configured addresses overlap. Stop the program, or \
                     choose another port, for example --{option} {host}:{other}. Port 0 selects any free port"
                )
            }
            ErrorKind::PermissionDenied if port < UNPRIVILEGED_PORT_MIN => write!(
                f,
                "ports below {UNPRIVILEGED_PORT_MIN} require a privilege. Choose a higher port, for example --{option} \
                 {host}:{default_port}. To grant the privilege, set AmbientCapabilities=CAP_NET_BIND_SERVICE in a \
                 systemd unit, or run setcap cap_net_bind_service=+ep on the program"
            ),
            ErrorKind::AddrNotAvailable => write!(
                f,
                "this machine has no such address. Choose an address of this machine, for example --{option} \
                 127.0.0.1:{port}, or --{option} 0.0.0.0:{port} for every IPv4 address"
            ),
            _ => write!(
                f,
                "{error}; expected an address of this machine, for example --{option} 127.0.0.1:{default_port}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_text(option: &'static str, address: &str, kind: ErrorKind) -> String {
        BindError { option, address: address.to_owned(), error: kind.into() }.to_string()
    }

    #[test]
    fn error_for_a_port_in_use_mentions_overlapping_addresses() {
        let text = error_text("tcp", "127.0.0.1:61613", ErrorKind::AddrInUse);
        assert!(text.contains("or two of the configured addresses overlap"), "{text}");
    }

    #[test]
    fn bind_error_names_the_option_and_suggests_an_address() {
        for (option, address, kind, why, example) in [
            ("tcp", "127.0.0.1:61613", ErrorKind::AddrInUse, "uses this port", "--tcp 127.0.0.1:61614."),
            ("http", "[::1]:8080", ErrorKind::AddrInUse, "uses this port", "--http [::1]:8081."),
            ("tcp", "0.0.0.0:65535", ErrorKind::AddrInUse, "uses this port", "--tcp 0.0.0.0:61613."),
            ("http", "0.0.0.0:80", ErrorKind::PermissionDenied, "ports below 1024", "--http 0.0.0.0:8080."),
            ("tcp", "[::]:23", ErrorKind::PermissionDenied, "ports below 1024", "--tcp [::]:61613."),
            ("http", "192.0.2.1:81", ErrorKind::AddrNotAvailable, "no such address", "--http 0.0.0.0:81 "),
            ("tcp", "nowhere.example:1", ErrorKind::NotFound, "not found", "--tcp 127.0.0.1:61613"),
            (
                "http",
                "0.0.0.0:8080",
                ErrorKind::PermissionDenied,
                "permission denied",
                "--http 127.0.0.1:8080",
            ),
        ] {
            let text = error_text(option, address, kind);
            assert!(text.starts_with(&format!("cannot listen on {address} (option {option}): ")), "{text}");
            assert!(text.contains(why) && text.contains(example), "{text}");
        }
    }
}
