//! Users and passcodes from the command line.

use crate::support::{Broker, Wire, on_each_wire};

const FLAGS: &[&str] = &["--user", "alice:in:wonder\\land", "--user", "bob:b"];

on_each_wire! {
    fn the_right_passcode_is_accepted_and_read_literally(wire: Wire) {
        let broker = Broker::start(FLAGS);
        for (login, passcode) in [("alice", "in:wonder\\land"), ("bob", "b")] {
            let mut client = broker.open(wire);
            client.send(&format!(
                "CONNECT\naccept-version:1.2\nhost:a\nlogin:{login}\npasscode:{passcode}\n\n\0"
            ));
            client.expect("CONNECTED", &[], "");
            client.publish("/topic/a", "hi");
            client.disconnect();
        }
    }

    fn a_login_of_1_0_may_be_padded_with_spaces(wire: Wire) {
        let broker = Broker::start(FLAGS);
        let mut client = broker.open(wire);
        client.send("CONNECT\nlogin: bob\npasscode:  b\n\n\0");
        client.expect("CONNECTED", &[("version", "1.0")], "");
        client.disconnect();
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nhost:a\nlogin: bob\npasscode:  b\n\n\0");
        client.expect_error(&[]);
    }

    fn failed_logins_do_not_reveal_which_part_is_wrong(wire: Wire) {
        let broker = Broker::start(FLAGS);
        let logins = [
            "login:alice\npasscode:guessed\n",
            "login:alice\n",
            "login:unknown\npasscode:b\n",
            "login:bob\npasscode:B\n",
            "login:bob\npasscode:bb\n",
            "passcode:b\n",
            "",
        ];
        let mut answers = std::collections::BTreeSet::new();
        for login in logins {
            let mut client = broker.open(wire);
            client.send(&format!("CONNECT\naccept-version:1.2\nhost:a\n{login}\n\0"));
            let error = client.expect_error(&[]);
            if login.contains("login") && login.contains("passcode") {
                answers.insert((error.expect_header("message").to_string(), error.text()));
            }
        }
        assert_eq!(answers.len(), 1, "all rejections must have the same text: {answers:?}");
        let log = broker.log();
        assert!(!log.contains("wonder") && !log.contains("guessed"), "no passcode is logged: {log}");
    }

    fn frames_after_a_failed_login_are_not_executed(wire: Wire) {
        let broker = Broker::start(FLAGS);
        let mut client = broker.open(wire);
        client.send(
            "CONNECT\naccept-version:1.2\nhost:a\nlogin:bob\npasscode:x\n\n\0SEND\ndestination:/queue/a\n\nhi\0",
        );
        client.expect_error(&[]);
        assert_eq!(broker.metric("queue_messages"), 0);
    }

    fn with_allow_anonymous_a_login_is_optional_but_must_be_valid(wire: Wire) {
        let broker = Broker::start(&[FLAGS, &["--allow-anonymous"]].concat());
        let mut client = broker.connect(wire);
        client.publish("/topic/a", "hi");
        client.disconnect();
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nhost:a\nlogin:bob\npasscode:x\n\n\0");
        client.expect_error(&[]);
    }

    fn without_users_every_login_is_accepted(wire: Wire) {
        let broker = Broker::start(&[]);
        let mut client = broker.open(wire);
        client.send("CONNECT\naccept-version:1.2\nhost:a\nlogin:guest\npasscode:guest\n\n\0");
        client.expect("CONNECTED", &[], "");
        client.disconnect();
    }
}
