//! Publishes messages with confirms, then consumes them with acks, and prints what each cost this
//! process: `messages ADDRESS [COUNT] [BODY_BYTES]`.

use std::time::Instant;

use client::address::Address;
use client::confirms::{Confirms, Identity};
use client::connection::{Connection, Consume, DeclareQueue};
use client::error::Error;
use client::event::Event;
use client::options::Options;

const IN_FLIGHT: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: usize| args.get(at).map_or(Ok(default), |text| text.parse());
    let address = args.get(1).map_or("amqp://localhost", String::as_str);
    let (count, bytes) = (number(2, 100_000)?, number(3, 2048)?);
    let addresses = Address::parse_list(address)?;
    let options = Options { addresses, name: "load".into(), ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&options, count, &vec![b'x'; bytes]))?;
    Ok(())
}

async fn run(options: &Options, count: usize, body: &[u8]) -> Result<(), Error> {
    let mut connection = Connection::open(options, 0).await?;
    let server = connection.server();
    println!("{} {}: {:?}", server.product, server.version, connection.limits());
    let channel = connection.open_channel().await?;
    let declare = DeclareQueue { exclusive: true, ..DeclareQueue::default() };
    let queue = connection.declare_queue(channel, &declare).await?.name;
    connection.confirm_select(channel).await?;

    let cost = Cost::start();
    let properties = [0x10, 0x40, 1, 0, 0, 0, 0, 0x6A, 0, 0, 0];
    let mut confirms = Confirms::new();
    let (mut published, mut acked) = (0, 0);
    while acked < count {
        while published < count && confirms.len() < IN_FLIGHT {
            let key = queue.as_bytes();
            let identity = Identity::of(b"", key, &properties, body);
            let seq = connection.publish(channel, b"", key, true, &properties, body);
            confirms.push(seq, identity, published);
            published += 1;
        }
        if let Event::Acked { tag, multiple, .. } = connection.next().await? {
            acked += confirms.ack(tag, multiple).count();
        }
    }
    cost.print("publish and confirm", count);

    let cost = Cost::start();
    connection.qos(channel, IN_FLIGHT as u16).await?;
    let consume = Consume { queue: &queue, ..Consume::default() };
    connection.consume(channel, &consume).await?;
    let mut got = 0;
    while got < count {
        if let Event::Delivery(delivery) = connection.next().await? {
            assert_eq!((&*delivery.properties, &*delivery.body), (&properties[..], body));
            connection.ack(channel, delivery.tag, false);
            got += 1;
        }
    }
    connection.flush().await?;
    cost.print("deliver and ack", count);
    connection.close().await
}

/// Time and processor time since a moment.
struct Cost {
    start: Instant,
    ticks: (u64, u64),
}

impl Cost {
    fn start() -> Cost {
        Cost { start: Instant::now(), ticks: ticks() }
    }

    fn print(&self, what: &str, count: usize) {
        let (user, system) = ticks();
        let micros = |ticks: u64| ticks as f64 * 10_000.0 / count as f64;
        println!(
            "{what}: {:.0}/s, {:.2} us user and {:.2} us system each",
            count as f64 / self.start.elapsed().as_secs_f64(),
            micros(user - self.ticks.0),
            micros(system - self.ticks.1),
        );
    }
}

/// User and system time of this process in hundredths of a second.
fn ticks() -> (u64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux has it");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let field = |at: usize| fields[at].parse().expect("a number by proc(5)");
    (field(12), field(13))
}
