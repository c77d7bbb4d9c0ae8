//! A broker under measurement, and connections that load it.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use client::address::Address;
use client::connection::{Connection, DeclareQueue};
use client::event::Event;
use client::options::Options;

use crate::program::Program;

/// Unconfirmed messages of the publisher.
const IN_FLIGHT: u64 = 2_000;

/// A broker.
pub(crate) struct Broker {
    pub(crate) program: Program,
    options: Options,
}

impl Broker {
    /// Empties the folder `dir` and starts a broker in it, with durable queues of these names.
    pub(crate) fn start<S: AsRef<str>>(leveret: &Path, dir: &Path, queues: &[S]) -> Result<Broker> {
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir_all(dir)?;
        let broker = Broker::again(leveret, dir)?;
        broker.with(async |connection, channel| {
            for queue in queues {
                let queue = queue.as_ref();
                let declare = DeclareQueue { queue, durable: true, ..DeclareQueue::default() };
                connection.declare_queue(channel, &declare).await?;
            }
            Ok(())
        })?;
        Ok(broker)
    }

    /// Starts a broker in a folder that one was started in before.
    pub(crate) fn again(leveret: &Path, dir: &Path) -> Result<Broker> {
        let mut command = Command::new(leveret);
        command.arg("serve").args(["--amqp-listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0"]);
        command.arg("--data-dir").arg(dir.join("broker"));
        let program = Program::start(command, &dir.join("broker.log"))?;
        let url = format!("amqp://{}", program.address("amqp")?);
        let options = Options { addresses: vec![Address::parse(&url)?], ..Options::default() };
        Ok(Broker { program, options })
    }

    /// Does something on a channel of a new connection, in the calling thread.
    pub(crate) fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut Connection, u16) -> Result<T>,
    ) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection = Connection::open(&self.options, 0).await?;
            let channel = connection.open_channel().await?;
            let done = work(&mut connection, channel).await?;
            connection.close().await?;
            Ok(done)
        })
    }

    /// Publishes `count` messages to a queue, with confirms; `properties` is given their numbers.
    pub(crate) fn fill(
        &self,
        queue: &str,
        count: u64,
        body: &[u8],
        properties: impl FnMut(u64) -> Vec<u8>,
    ) -> Result<()> {
        self.fill_exchange("", queue, count, body, properties)
    }

    /// The same to an exchange.
    pub(crate) fn fill_exchange(
        &self,
        exchange: &str,
        key: &str,
        count: u64,
        body: &[u8],
        mut properties: impl FnMut(u64) -> Vec<u8>,
    ) -> Result<()> {
        self.with(async |connection, channel| {
            connection.confirm_select(channel).await?;
            let (mut published, mut confirmed) = (0, 0);
            while confirmed < count {
                while published < count && published - confirmed < IN_FLIGHT {
                    let properties = properties(published);
                    published += 1;
                    let (exchange, key) = (exchange.as_bytes(), key.as_bytes());
                    let sent = connection.publish(channel, exchange, key, false, &properties, body);
                    debug_assert_eq!(sent, published);
                }
                match connection.next().await? {
                    Event::Acked { tag, multiple: true, .. } => confirmed = tag,
                    Event::Acked { .. } => confirmed += 1,
                    Event::Nacked { .. } => bail!("the broker refused a message"),
                    _ => {}
                }
            }
            Ok(())
        })
    }
}
