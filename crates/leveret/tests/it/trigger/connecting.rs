//! How a trigger is told where its broker is, and how it logs in there.

use std::process::Stdio;

use super::world::{World, at};
use crate::broker::Broker;
use crate::client::login::Login;
use crate::site::BrokerKind;
use crate::tls::{self, Authority};

stories! {
    brokers: [the_seeds_names_are_understood],
    home: [
        brokers_are_reached_by_tls,
        virtual_hosts_have_names,
        settings_may_be_variables,
        passwords_come_from_files,
    ],
}

/// A message goes through.
#[track_caller]
fn works(w: &mut World, body: &str) {
    w.trigger.launch();
    w.publish(&[body]);
    w.sink.expect(&[body]);
    w.expect_all_settled();
    w.trigger.stop();
}

fn the_seeds_names_are_understood(place: BrokerKind) {
    let mut w = at(place).prepare();
    let address = w.broker.amqp();
    w.configure(format!(
        "listen = \"127.0.0.1:0\"\nallow_inline_secrets = true\n\
         [account.mine]\nusername = \"guest\"\npassword = \"guest\"\n\
         [trigger.t]\nqueue = \"{{queue}}\"\naccount = \"mine\"\nhostname = \"{}\"\n\
         port = {}\nvirtual_host = \"/\"\nauto_acknowledge = false\nbinary_message = false\n\
         maximum_timeout = 300000\nexpiration = 600000\nallow_redelivery_of_messages = true\n\
         api_keys = 3\n[trigger.t.http]\nurl = \"http://{{sink}}/hook\"\n",
        address.ip(),
        address.port(),
    ));
    w.trigger.launch();
    let bodies = ["a", "b", "c", "d", "e"];
    w.sink.hold();
    w.publish(&bodies);
    w.expect_ready(2);
    w.trigger.expect_metric("in_flight", 3);
    w.sink.let_through();
    w.sink.expect_all(&bodies);
    w.expect_all_settled();
}

fn brokers_are_reached_by_tls(place: BrokerKind) {
    let authority = Authority::new("authority");
    // Whose certificate the broker asks for, and takes for the login.
    let by_name = ["--ssl-cert-login-from", "common_name", "--default-user", "hare"];
    let broker = tls::broker(&authority, &[&tls::VERIFY[..], &by_name].concat());
    let port = broker.address("amqps").port();
    let mut w = at(place)
        .beside(broker, Login::user("hare", "guest"))
        .top("allow_inline_secrets = true")
        .main("username = \"hare\"\npassword = \"guest\"\ntls = { }")
        .prepare();
    w.change("{broker}", &format!("localhost:{port}"));
    let own = authority.client("hare");
    for (name, pem) in [
        ("ca.pem", &authority.pem),
        ("cert.pem", &own.pem),
        ("key.pem", &own.key.serialize_pem()),
        ("stranger.pem", &Authority::new("authority").pem),
    ] {
        w.trigger.write(name, pem);
    }
    w.change("tls = { }", "tls = { mode = \"on\", ca = \"ca.pem\" }");
    works(&mut w, "by password");
    let external = "tls = { mode = \"mutual\", ca = \"ca.pem\", cert = \"cert.pem\", \
                    key = \"key.pem\", sasl = \"EXTERNAL\" }";
    w.change("username = \"hare\"\npassword = \"guest\"\n", "");
    w.change("tls = { mode = \"on\", ca = \"ca.pem\" }", external);
    works(&mut w, "by certificate");
    w.change("ca = \"ca.pem\"", "ca = \"stranger.pem\"");
    w.trigger.launch();
    w.trigger.expect_log(&["WARN", "certificate"]);
    let said = w.trigger.expect_ready(503);
    assert!(said.contains("certificate"), "{said}");
}

fn virtual_hosts_have_names(place: BrokerKind) {
    let broker = Broker::with(&["--default-vhost", "a/b c"]);
    let login = Login { vhost: "a/b c", ..Login::default() };
    let mut w = at(place).beside(broker, login).main("vhost = \"a/b c\"").prepare();
    works(&mut w, "m");
}

fn settings_may_be_variables(place: BrokerKind) {
    let mut w = at(place).prepare();
    w.trigger.set_variable("LEVERET_TRIGGER_T_HTTP_URL", w.filled("http://{sink}/variable"));
    w.trigger.launch();
    w.publish(&["m"]);
    assert_eq!(w.sink.request().path, "/variable");
    w.expect_all_settled();
}

fn passwords_come_from_files(place: BrokerKind) {
    let mut w =
        at(place).main("username = \"guest\"\npassword = { file = \"password\" }").prepare();
    let mut refused = w.trigger.command(&["check"]);
    let output = crate::cli::output(refused.stdin(Stdio::null()));
    let said = crate::cli::stderr(&output);
    assert!(!output.status.success() && said.contains("password"), "{said}");
    w.trigger.write("password", "guest\n");
    works(&mut w, "m");
}
