//! Users and what they may do.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use super::super::arguments::Given;
use super::super::command::{ANY, COMMAND, Command, Tools};
use super::super::failure::{DATA, Failure, NO_USER, SOFTWARE, UNAVAILABLE};
use super::super::session::Session;
use super::vhosts::term;
use crate::listing::Listing;
use crate::reply::{Refusal, Why};
use crate::request::Request;

const USERS: Command = Command { section: "Users", ..COMMAND };
const ACCESS: Command = Command { section: "Access Control", ..COMMAND };

const GRANT: &str = "Done. Don't forget to grant the user permissions to some virtual hosts! \
                     See 'rabbitmqctl help set_permissions' to learn more.";

pub(super) const TABLE: &[Command] = &[
    Command {
        name: "add_user",
        usage: "<username> <password>",
        summary: "Creates a new user in the internal database. This user will have no permissions \
                  for any virtual hosts by default.",
        words: (1, 2),
        banner: |given, _| format!("Adding user \"{}\" ...", given.word(0)),
        run: |session, given| {
            let user = given.word(0).to_owned();
            let password = password(given)?;
            let added = session.try_ask(&Request::AddUser { user, password, tags: Vec::new() })?;
            added.map_err(|refusal| match refusal.kind {
                Why::Exists => {
                    let text = format!("User \"{}\" already exists", given.word(0));
                    Failure::new(SOFTWARE, text)
                }
                _ => refusal.into(),
            })?;
            if !session.is_quiet() {
                session.say(GRANT);
            }
            Ok(())
        },
        ..USERS
    },
    Command {
        name: "delete_user",
        usage: "<username>",
        summary: "Removes a user from the internal database. Has no effect on users provided by \
                  external backends such as LDAP",
        words: (1, 1),
        banner: |given, _| format!("Deleting user \"{}\" ...", given.word(0)),
        run: |session, given| of_user(session, Request::DeleteUser { user: given.word(0).into() }),
        ..USERS
    },
    Command {
        name: "change_password",
        usage: "<username> <password>",
        summary: "Changes the user password",
        words: (1, 2),
        banner: |given, _| format!("Changing password for user \"{}\" ...", given.word(0)),
        run: |session, given| {
            let (user, password) = (given.word(0).to_owned(), password(given)?);
            of_user(session, Request::ChangePassword { user, password })
        },
        ..USERS
    },
    Command {
        name: "clear_password",
        usage: "<username>",
        summary: "Clears (resets) password and disables password login for a user",
        words: (1, 1),
        banner: |given, _| format!("Clearing password for user \"{}\" ...", given.word(0)),
        run: |session, given| {
            let request = Request::ClearPassword { user: given.word(0).into() };
            term(of_user(session, request), given.word(0))
        },
        ..USERS
    },
    Command {
        name: "authenticate_user",
        usage: "<username> <password>",
        summary: "Attempts to authenticate a user. Exits with a non-zero code if authentication \
                  fails.",
        words: (1, 2),
        banner: |given, _| format!("Authenticating user \"{}\" ...", given.word(0)),
        run: |session, given| {
            let (user, password) = (given.word(0).to_owned(), password(given)?);
            let known = session.try_ask(&Request::AuthenticateUser { user, password })?;
            known.map_err(|_| {
                let user = given.word(0);
                let text = format!(
                    "Error: failed to authenticate user \"{user}\"\nuser '{user}' - invalid credentials"
                );
                Failure::new(DATA, text)
            })?;
            session.say("Success");
            Ok(())
        },
        ..USERS
    },
    Command {
        name: "set_user_tags",
        usage: "<username> <tag> [...]",
        summary: "Sets user tags",
        words: (1, ANY),
        banner: |given, _| {
            let tags = given.words[1..].join(", ");
            format!("Setting tags for user \"{}\" to [{tags}] ...", given.word(0))
        },
        run: |session, given| {
            let tags = given.words[1..].iter();
            let tags = tags.flat_map(|word| word.split(',')).map(|tag| tag.trim().to_owned());
            let tags = tags.filter(|tag| !tag.is_empty()).collect();
            of_user(session, Request::SetUserTags { user: given.word(0).into(), tags })
        },
        ..USERS
    },
    Command {
        name: "hash_password",
        usage: "<cleartext_password>",
        summary: "Hashes a plaintext password",
        needs_app: false,
        words: (1, 1),
        run: |session, given| {
            let salt = salt().map_err(|error| {
                Failure::new(UNAVAILABLE, format!("cannot read random numbers: {error}"))
            })?;
            session.say(&hash(salt, given.word(0).as_bytes()));
            Ok(())
        },
        ..USERS
    },
    Command {
        name: "list_users",
        usage: "[--no-table-headers] [--timeout <timeout>]",
        summary: "List user names and tags",
        tools: Tools::LOOK,
        banner: |_, _| "Listing users ...".to_owned(),
        run: |session, _| session.list(Listing::Users, shown(&["user", "tags"]), None, None),
        ..USERS
    },
    Command {
        name: "set_permissions",
        usage: "[--vhost <vhost>] <username> <conf> <write> <read>",
        summary: "Sets user permissions for a vhost",
        words: (4, 4),
        banner: |given, _| {
            let (user, vhost) = (given.word(0), given.vhost());
            format!("Setting permissions for user \"{user}\" in vhost \"{vhost}\" ...")
        },
        run: |session, given| {
            in_vhost(
                session,
                given,
                Request::SetPermissions {
                    user: given.word(0).into(),
                    vhost: given.vhost().into(),
                    configure: given.word(1).into(),
                    write: given.word(2).into(),
                    read: given.word(3).into(),
                },
            )
        },
        ..ACCESS
    },
    Command {
        name: "clear_permissions",
        usage: "[--vhost <vhost>] <username>",
        summary: "Revokes user permissions for a vhost",
        words: (1, 1),
        banner: |given, _| {
            let (user, vhost) = (given.word(0), given.vhost());
            format!("Clearing permissions for user \"{user}\" in vhost \"{vhost}\" ...")
        },
        run: |session, given| {
            let (user, vhost) = (given.word(0).into(), given.vhost().into());
            in_vhost(session, given, Request::ClearPermissions { user, vhost })
        },
        ..ACCESS
    },
    Command {
        name: "list_permissions",
        usage: "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
        summary: "Lists user permissions in a virtual host",
        tools: Tools::LOOK,
        banner: |given, _| format!("Listing permissions for vhost \"{}\" ...", given.vhost()),
        run: |session, given| {
            let columns = shown(&["user", "configure", "write", "read"]);
            session.list(Listing::Permissions, columns, Some(given.vhost()), None)
        },
        ..ACCESS
    },
    Command {
        name: "list_user_permissions",
        usage: "[--no-table-headers] <username>",
        summary: "Lists permissions of a user across all virtual hosts",
        tools: Tools::LOOK,
        words: (1, 1),
        banner: |given, _| format!("Listing permissions for user \"{}\" ...", given.word(0)),
        run: |session, given| {
            let columns = shown(&["vhost", "configure", "write", "read"]);
            let listed = session.list(Listing::Permissions, columns, None, Some(given.word(0)));
            term(listed, given.word(0))
        },
        ..ACCESS
    },
    Command {
        name: "set_topic_permissions",
        usage: "[--vhost <vhost>] <username> <exchange> <write> <read>",
        summary: "Sets user topic permissions for an exchange",
        words: (4, 4),
        banner: |given, _| {
            let [user, exchange] = [given.word(0), given.word(1)];
            let vhost = given.vhost();
            format!(
                "Setting topic permissions on \"{exchange}\" for user \"{user}\" in vhost \
                 \"{vhost}\" ..."
            )
        },
        run: |session, given| {
            in_vhost(
                session,
                given,
                Request::SetTopicPermissions {
                    user: given.word(0).into(),
                    vhost: given.vhost().into(),
                    exchange: given.word(1).into(),
                    write: given.word(2).into(),
                    read: given.word(3).into(),
                },
            )
        },
        ..ACCESS
    },
    Command {
        name: "clear_topic_permissions",
        usage: "[--vhost <vhost>] <username> [<exchange>]",
        summary: "Clears user topic permissions for a vhost or exchange",
        words: (1, 2),
        banner: |given, _| {
            let (user, vhost) = (given.word(0), given.vhost());
            let on = given.words.get(1).map(|exchange| format!(" on \"{exchange}\""));
            let on = on.unwrap_or_default();
            format!("Clearing topic permissions{on} for user \"{user}\" in vhost \"{vhost}\" ...")
        },
        run: |session, given| {
            in_vhost(
                session,
                given,
                Request::ClearTopicPermissions {
                    user: given.word(0).into(),
                    vhost: given.vhost().into(),
                    exchange: given.words.get(1).cloned(),
                },
            )
        },
        ..ACCESS
    },
    Command {
        name: "list_topic_permissions",
        usage: "[--vhost <vhost>] [--no-table-headers] [--timeout <timeout>]",
        summary: "Lists topic permissions in a virtual host",
        tools: Tools::LOOK,
        banner: |given, _| format!("Listing topic permissions for vhost \"{}\" ...", given.vhost()),
        run: |session, given| {
            let columns = shown(&["user", "exchange", "write", "read"]);
            session.list(Listing::TopicPermissions, columns, Some(given.vhost()), None)
        },
        ..ACCESS
    },
    Command {
        name: "list_user_topic_permissions",
        usage: "[--no-table-headers] <username>",
        summary: "Lists user topic permissions",
        tools: Tools::LOOK,
        words: (1, 1),
        banner: |given, _| format!("Listing topic permissions for user \"{}\" ...", given.word(0)),
        run: |session, given| {
            let columns = shown(&["vhost", "exchange", "write", "read"]);
            session.without_headers();
            let listed =
                session.list(Listing::TopicPermissions, columns, None, Some(given.word(0)));
            term(listed, given.word(0))
        },
        ..ACCESS
    },
];

fn salt() -> std::io::Result<[u8; 4]> {
    let mut salt = [0; 4];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut salt)?;
    Ok(salt)
}

/// base64(salt + SHA-256(salt + password)), as definitions have it.
pub(in crate::cli) fn hash(salt: [u8; 4], password: &[u8]) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(password).finalize();
    BASE64.encode([&salt[..], &digest[..]].concat())
}

/// Columns by name.
pub(super) fn shown(columns: &[&str]) -> Vec<String> {
    columns.iter().map(|column| (*column).to_owned()).collect()
}

/// The second word, or the first line of standard input.
fn password(given: &Given) -> Result<String, Failure> {
    if let Some(password) = given.words.get(1) {
        return Ok(password.clone());
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|error| {
        Failure::new(UNAVAILABLE, format!("cannot read the password from standard input: {error}"))
    })?;
    match line.trim_end_matches(['\r', '\n']) {
        "" => Err(given.invalid("password is not provided via argument or stdin")),
        password => Ok(password.to_owned()),
    }
}

fn of_user(session: &mut Session, request: Request) -> Result<(), Failure> {
    session.ask(&request).map(drop)
}

/// Permissions: the words of refusals are others than those of users.
fn in_vhost(session: &mut Session, given: &Given, request: Request) -> Result<(), Failure> {
    let refused = |refusal: Refusal| match refusal.kind {
        Why::NoUser => Failure::new(NO_USER, format!("User {} does not exist", given.word(0))),
        Why::NoVhost => {
            Failure::new(UNAVAILABLE, format!("Virtual host {} does not exist", given.vhost()))
        }
        _ => refusal.into(),
    };
    session.try_ask(&request)?.map(drop).map_err(refused)
}
