//! Questions about how the node is doing.

use serde_json::Value;

use super::super::command::{COMMAND, Command, Tools};
use crate::request::Request;

const CHECK: Command = Command {
    section: "Monitoring, observability and health checks",
    tools: Tools::DIAGNOSTICS,
    ..COMMAND
};

pub(super) const TABLE: &[Command] = &[Command {
    name: "ping",
    tools: Tools::LOOK,
    summary: "Checks that the node OS process is up, registered with EPMD and CLI tools can \
              authenticate with it",
    needs_app: false,
    banner: |_, session| {
        let timeout_ms = session.timeout_s.map_or(0.0, |seconds| seconds * 1000.0);
        format!(
            "Will ping {}. This only checks if the OS process is running and registered with epmd. \
             Timeout: {timeout_ms} ms.",
            session.node
        )
    },
    run: |session, _| {
        let _: Value = session.ask(&Request::Ping)?;
        session.say("Ping succeeded");
        Ok(())
    },
    ..CHECK
}];
