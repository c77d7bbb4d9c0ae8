//! A small disk: publishers are blocked and told so, consumers go on, nothing confirmed is lost, and
//! everything resumes when there is room.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::client::{Client, Event};
use super::message::{BODY_MAX, Key, body};
use super::workload::{QUEUES, Story};
use super::{Chapter, PORT, STOPS};
use crate::broker::Leveret;
use crate::process;

/// The size of the disk and the free space that raises the alarm; without the latter, writes fail.
const CASES: &[(&str, &str, &str)] =
    &[("alarm", "size=320m", "32MB"), ("no room", "size=192m", "0")];

/// A publisher that is neither confirmed nor told to wait for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than any of the disks.
const MESSAGES: u32 = 4000;

const PRODUCER: u8 = 9;

/// Runs all cases.
pub(crate) fn run(dir: &Path, _seed: u64) -> Result<String> {
    // So that a publisher is stuck in a write as soon as the broker reads no more.
    for buffers in ["rmem", "wmem"] {
        let path = format!("/proc/sys/net/ipv4/tcp_{buffers}");
        std::fs::write(&path, "4096 16384 65536").context(path)?;
    }
    let (mut told, mut failed) = (Vec::new(), Vec::new());
    for (name, size, limit) in CASES {
        let data = dir.join(name.replace(' ', "-"));
        let chapter = Chapter::begin(data.clone())?;
        // The mount is this namespace's own and goes with it.
        process::check(
            Command::new("mount").args(["-t", "tmpfs", "-o", size, "leveret-full"]).arg(&data),
        )
        .context("a small tmpfs is needed for this test")?;
        let done = case(&chapter, limit);
        process::check(Command::new("umount").arg("--lazy").arg(&data))?;
        match done {
            Ok(line) => told.push(format!("{name}: {line}")),
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(told.join("; "))
}

fn case(chapter: &Chapter, limit: &str) -> Result<String> {
    let config = chapter.log.with_extension("toml");
    std::fs::write(&config, format!("disk_free_limit = \"{limit}\"\n"))?;
    let mut launch = chapter.launch(Vec::new());
    launch.config = Some(config);
    let mut leveret = Leveret::start(&launch)?;
    let story = Story::new(PORT);
    story.declare()?;
    let (confirmed, reason) = fill(&story).with_context(|| leveret.said())?;
    leveret.server.kill()?;
    let mut leveret = Leveret::start(&launch).context("the start on a full disk")?;
    let held = story.inspect(false, false).with_context(|| leveret.said())?;
    // Consumers go on, and what they take makes room.
    story.inspect(true, false).with_context(|| leveret.said())?;
    resumes(&story).with_context(|| leveret.said())?;
    // Without room for a checkpoint a stop cannot be clean, but says so.
    let status = leveret.server.terminate(STOPS)?;
    if !status.success() && !leveret.said().contains("disk is full") {
        bail!("the stop ended with {status}:\n{}", leveret.said());
    }
    let mut leveret = Leveret::start(&launch).context("the start after the stop")?;
    story.inspect(false, false).with_context(|| leveret.said())?;
    let wrong = story.ledger().take_wrong();
    if !wrong.is_empty() {
        bail!("{}\nthe broker said:\n{}", wrong.join("\n"), leveret.said());
    }
    leveret.server.kill()?;
    Ok(format!("{confirmed} confirmed until blocked ({reason}), {held} kept"))
}

/// Publishes until the broker says stop: how many were confirmed, and the broker's words.
fn fill(story: &Story) -> Result<(u32, String)> {
    let mut client = Client::connect(PORT)?;
    client.confirm_select()?;
    let mut sent: u32 = 0;
    let mut confirmed: u32 = 0;
    while sent < MESSAGES {
        if sent - confirmed < 20 {
            if let Err(error) = publish(story, &mut client, sent) {
                // It reads no more, and must have said why.
                return blocked(story, &mut client, &mut confirmed).context(error);
            }
            sent += 1;
            continue;
        }
        if let Some(reason) = wait(story, &mut client, &mut confirmed)? {
            return Ok((confirmed, reason));
        }
    }
    bail!("{MESSAGES} messages of {BODY_MAX} bytes fit on the small disk");
}

/// Waits until the broker says that publishers are blocked.
fn blocked(story: &Story, client: &mut Client, confirmed: &mut u32) -> Result<(u32, String)> {
    loop {
        if let Some(reason) = wait(story, client, confirmed)? {
            return Ok((*confirmed, reason));
        }
    }
}

fn publish(story: &Story, client: &mut Client, number: u32) -> Result<()> {
    let queue = usize::try_from(number % 4)?;
    let key = Key { producer: PRODUCER, seq: number };
    let place = u16::try_from(queue)?;
    story.ledger().sent(key, place, true);
    client.publish(QUEUES[queue], true, &body(key, place, BODY_MAX));
    client.flush()
}

/// Waits for one event; the reason when it says that the connection is blocked.
fn wait(story: &Story, client: &mut Client, confirmed: &mut u32) -> Result<Option<String>> {
    match client.next(PATIENCE) {
        Some(Event::Ack { tag, multiple }) => {
            let tag = u32::try_from(tag)?;
            let first = if multiple { *confirmed } else { tag - 1 };
            for seq in first..tag {
                story.ledger().confirmed(Key { producer: PRODUCER, seq });
                *confirmed += 1;
            }
            Ok(None)
        }
        Some(Event::Blocked(reason)) => Ok(Some(reason)),
        Some(Event::Closed(reason)) => bail!("closed: {reason}"),
        Some(_) => Ok(None),
        None => bail!("neither a confirm nor connection.blocked in {PATIENCE:?}"),
    }
}

/// After the queues were emptied, a new publisher is served.
fn resumes(story: &Story) -> Result<()> {
    let mut client = Client::connect(PORT)?;
    client.confirm_select()?;
    let key = Key { producer: PRODUCER + 1, seq: 0 };
    story.ledger().sent(key, 0, true);
    client.publish(QUEUES[0], true, &body(key, 0, 1000));
    client.flush()?;
    loop {
        match client.next(PATIENCE) {
            Some(Event::Ack { .. }) => {
                story.ledger().confirmed(key);
                return Ok(());
            }
            Some(Event::Closed(reason)) => bail!("closed: {reason}"),
            Some(_) => {}
            None => bail!("a publisher is not served {PATIENCE:?} after there was room again"),
        }
    }
}
