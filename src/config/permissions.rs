//! Derives the permission rules from the options.

use super::sections::Config;
use crate::auth::SourceKind;
use crate::destination;
use crate::http::policy::forwarded::Proxies;
use crate::http::policy::host_policy::Hosts;
use crate::permissions::{ClientGroup, Permissions, Preset, Rule, Verb};

/// The label of the demo's rule in the list of rules.
const DEMO: &str = "demo";
/// The rule that lets users of the demo page send messages.
const DEMO_RULE: &str = "allow send anyone /topic/chat.**";
/// The texts for a missing permission to send to topics. The second applies if the rule of the demo is present.
const SEND_TO_TOPICS: [&str; 2] = ["send to /topic", "send to /topic (except to /topic/chat.**)"];

impl Config {
    /// Returns the rules in the order of evaluation: rules of the operator, the rule of the demo, rules of the preset.
    pub(crate) fn permissions(&self) -> Permissions {
        let (preset, _) = self.preset();
        let options = &self.permissions;
        let demo =
            self.has_demo_rule(preset).then(|| (DEMO, Rule::parse(DEMO_RULE).expect("the rule is valid")));
        Permissions::new(preset, options.rules.clone(), demo.into_iter().collect())
    }

    fn has_demo_rule(&self, preset: Preset) -> bool {
        self.http.demo && !self.listen_http.is_empty() && preset == Preset::Safe
    }

    /// Returns the clients that can connect: users, or anonymous clients if no source of users is configured.
    pub(crate) fn clients(&self) -> ClientGroup {
        if self.users.names_users() { ClientGroup::Users } else { ClientGroup::Anonymous }
    }

    /// Returns the actions that most applications need and that no rule grants to [`Config::clients`]. Rules for
    /// services are ignored. The rule of the demo grants only a part of an action. The text names this part as an
    /// exception.
    pub(crate) fn not_granted(&self) -> Vec<&'static str> {
        let permissions = self.permissions();
        let has_demo_rule = self.has_demo_rule(self.preset().0);
        let needs = [
            (Verb::Send, destination::DestinationKind::Topic, SEND_TO_TOPICS[usize::from(has_demo_rule)]),
            (Verb::Send, destination::DestinationKind::Queue, "send to /queue"),
            (Verb::Subscribe, destination::DestinationKind::Queue, "subscribe to /queue"),
        ];
        let missing = |(verb, kind, _): &(Verb, destination::DestinationKind, _)| {
            !permissions.grants_to_any(self.clients(), *verb, *kind, DEMO)
        };
        needs.into_iter().filter(missing).map(|(_, _, action)| action).collect()
    }

    /// Returns the preset that applies, and the reason.
    pub(crate) fn preset(&self) -> (Preset, &'static str) {
        if let Some(preset) = self.permissions.preset {
            return (preset, "default-permissions is set");
        }
        let is_public = self.listen_tcp.iter().chain(&self.listen_http).any(|address| !address.is_loopback());
        let reasons = [
            (self.users.has(SourceKind::UsersFile), "users-file is set"),
            (self.users.has(SourceKind::Token), "tokens are configured (jwt-…)"),
            (self.users.has(SourceKind::Hook), "hook-url is set"),
            (self.users.has(SourceKind::Proxy), "proxy-user-header is set"),
            (is_public, "other machines can connect"),
            (self.http.proxies != Proxies::default(), "trusted-proxies is set"),
            (self.http.hosts != Hosts::default(), "allowed-hosts is set"),
        ];
        match reasons.iter().find(|(applies, _)| *applies) {
            Some((_, reason)) => (Preset::Safe, reason),
            None => (
                Preset::Open,
                "only this machine can connect, and no users file, tokens, hook or proxy are configured",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table;

    fn config(settings: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for (key, value) in settings {
            table::find(key).expect(key).apply(&mut config, value).expect(value);
        }
        config
    }

    #[test]
    fn default_preset_depends_on_the_configuration() {
        for (settings, preset) in [
            (&[][..], Preset::Open),
            (&[("user", "alice:a")], Preset::Open),
            (&[("allow-anonymous", "true")], Preset::Open),
            (&[("http", "0.0.0.0:80"), ("allow-anonymous", "true")], Preset::Safe),
            (&[("tcp", "[::]:61613"), ("user", "alice:a")], Preset::Safe),
            (&[("proxy-user-header", "X-User")], Preset::Safe),
            (&[("users-file", "/some/users")], Preset::Safe),
            (&[("jwt-secret", "0123456789abcdef0123456789abcdef")], Preset::Safe),
            (&[("hook-url", "http://127.0.0.1:1/")], Preset::Safe),
            (&[("proxy-user-header", "X-User"), ("default-permissions", "open")], Preset::Open),
            (&[("trusted-proxies", "127.0.0.1"), ("user", "alice:a")], Preset::Safe),
            (&[("allowed-hosts", "chat.example.com"), ("user", "alice:a")], Preset::Safe),
            (&[("default-permissions", "safe")], Preset::Safe),
        ] {
            assert_eq!(config(settings).preset().0, preset, "{settings:?}");
        }
    }

    #[test]
    fn demo_rule_is_listed_with_the_rules() {
        let lines = |settings| config(settings).permissions().describe_rules();
        let demo = "allow send anyone /topic/chat.** (demo)".to_owned();
        assert!(lines(&[("default-permissions", "safe")]).contains(&demo));
        assert!(!lines(&[("default-permissions", "safe"), ("demo", "false")]).contains(&demo));
        assert!(!lines(&[("default-permissions", "safe"), ("http", "off")]).contains(&demo));
        assert!(!lines(&[]).contains(&demo));
        let rules = [("default-permissions", "safe"), ("permission", "deny send anyone /topic/chat.a")];
        assert_eq!(lines(&rules)[0], "deny send anyone /topic/chat.a (permission)");
    }

    #[test]
    fn not_granted_lists_actions_that_no_rule_allows() {
        let users = [("default-permissions", "safe"), ("user", "alice:a")];
        let missing_of = |settings: &[(&str, &str)], rules: &[&str]| {
            let mut config = config(settings);
            for rule in rules {
                table::find("permission").expect("an option").apply(&mut config, rule).expect("a rule");
            }
            config.not_granted()
        };
        let [send, queue_send, queue_read] =
            ["send to /topic (except to /topic/chat.**)", "send to /queue", "subscribe to /queue"];
        let without_demo = config(&[("default-permissions", "safe"), ("demo", "false")]).not_granted();
        assert_eq!(without_demo, ["send to /topic", queue_send, queue_read]);
        assert_eq!(config(&[]).not_granted(), [] as [&str; 0]);
        for (rules, missing) in [
            (&[][..], &[send, queue_send, queue_read][..]),
            (&["allow send users /topic/**"], &[queue_send, queue_read]),
            (&["allow send user:a /topic/news"], &[queue_send, queue_read]),
            (&["allow all users /queue/**", "allow subscribe users /topic/**"], &[send]),
            (&["allow all role:editor **"], &[]),
            (&["allow subscribe users /queue/a"], &[send, queue_send]),
            (&["deny all anyone /queue/**", "allow all users **"], &[queue_send, queue_read]),
            (&["deny all anonymous **", "allow all users **"], &[]),
            (&["deny send anyone /topic/secret.**", "allow all users **"], &[]),
            (&["allow all anonymous **"], &[send, queue_send, queue_read]),
            (&["allow all anyone **"], &[]),
        ] {
            assert_eq!(missing_of(&users, rules), missing, "{rules:?}");
        }
        for (rules, missing) in [
            (&["allow all users **"][..], &[send, queue_send, queue_read][..]),
            (&["allow all anonymous **"], &[]),
            (&["allow all anyone **"], &[]),
            (&["deny all anonymous **", "allow all anyone **"], &[send, queue_send, queue_read]),
        ] {
            assert_eq!(missing_of(&users[..1], rules), missing, "without users: {rules:?}");
        }
    }
}
