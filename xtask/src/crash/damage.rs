//! Flips one bit of one file of a stopped broker: it says which file and where, or nothing was lost;
//! in no case is a damaged body delivered.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::client::{Client, Event};
use super::message::Random;
use super::workload::{QUEUES, Story, intact};
use super::{Chapter, PORT};
use crate::broker::Leveret;
use crate::process;

/// Bits that are flipped, each in a fresh copy of the same data.
const FLIPS: u32 = 12;

/// A data folder is filled for so long.
const FILL: Duration = Duration::from_millis(1500);

/// Makes data, then damages it again and again.
pub(crate) fn run(dir: &Path, seed: u64) -> Result<String> {
    let _ = std::fs::remove_dir_all(dir);
    let original = dir.join("original");
    let kept = fill(&original, seed)?;
    let files = files(&original)?;
    let (mut refused, mut reported, mut harmless) = (0, 0, 0);
    let mut failed = Vec::new();
    for flip in 0..FLIPS {
        let mut random = Random(seed ^ u64::from(flip) << 40);
        let copy = dir.join("copy");
        let _ = std::fs::remove_dir_all(&copy);
        process::check(
            Command::new("cp").args(["-r", "--sparse=always"]).arg(&original).arg(&copy),
        )?;
        // Each file of the folder in turn, at a place that is in use.
        let (file, used) = &files[usize::try_from(flip)? % files.len()];
        let offset = random.below(*used);
        flip_bit(&copy.join(file), offset, &mut random)?;
        let what = format!("a bit of {} at {offset}", file.display());
        match judge(&copy, file, kept) {
            Ok(Judged::Refused) => refused += 1,
            Ok(Judged::Reported) => reported += 1,
            Ok(Judged::Harmless) => harmless += 1,
            Err(error) => failed.push(format!("{what}: {error:#}")),
        }
    }
    if !failed.is_empty() {
        bail!("{} of {FLIPS} bits:\n{}", failed.len(), failed.join("\n"));
    }
    Ok(format!("{FLIPS} bits: {refused} starts refused, {reported} reported, {harmless} harmless"))
}

/// How many messages the folder holds after a kill.
fn fill(data: &Path, seed: u64) -> Result<usize> {
    let chapter = Chapter::begin(data.to_path_buf())?;
    let mut leveret = Leveret::start(&chapter.launch(Vec::new()))?;
    let story = Story::new(PORT);
    story.declare()?;
    story.during(seed, || {
        std::thread::sleep(FILL);
        leveret.server.kill()
    })?;
    let mut leveret = Leveret::start(&chapter.launch(Vec::new()))?;
    let kept = story.inspect(false, false)?;
    leveret.server.kill()?;
    Ok(kept)
}

/// Files of a folder by their path in it, with the length up to their last byte that is not zero.
fn files(dir: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(dir.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
                continue;
            }
            // A killed broker leaves the socket that `leveret ctl` speaks to.
            if !entry.file_type()?.is_file() {
                continue;
            }
            let bytes = std::fs::read(entry.path())?;
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
            // The lock holds a process id, not data.
            if used > 0 && entry.file_name() != "LOCK" {
                found.push((path, u64::try_from(used)?));
            }
        }
    }
    found.sort();
    if found.is_empty() {
        bail!("{} holds no data", dir.display());
    }
    Ok(found)
}

fn flip_bit(path: &Path, offset: u64, random: &mut Random) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)?;
    byte[0] ^= 1 << random.below(8);
    file.write_all_at(&byte, offset)?;
    Ok(())
}

enum Judged {
    /// It does not start, and says why.
    Refused,
    /// It serves without the damaged messages, and says so.
    Reported,
    /// Every message is there.
    Harmless,
}

/// Starts on damaged data and reads everything.
fn judge(data: &Path, file: &Path, kept: usize) -> Result<Judged> {
    let log = data.with_extension("log");
    let _ = std::fs::remove_file(&log);
    let launch = crate::broker::Launch {
        data: data.to_path_buf(),
        amqp: PORT,
        metrics: 15692,
        config: None,
        log: log.clone(),
        before: Vec::new(),
    };
    let started = Leveret::start(&launch);
    let got = match &started {
        Ok(_) => Some(read_all()?),
        Err(_) => None,
    };
    drop(started);
    let said = std::fs::read_to_string(&log).context("what the broker said")?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let names_it = said.lines().any(|line| line.contains(&*name) && line.contains("offset"));
    match got {
        None if names_it => Ok(Judged::Refused),
        None => bail!("it does not start, but names no file and offset:\n{said}"),
        Some(got) if got >= kept => Ok(Judged::Harmless),
        Some(_) if names_it => Ok(Judged::Reported),
        Some(got) => bail!("{got} of {kept} messages are left, and nothing was said:\n{said}"),
    }
}

/// Reads all queues; an error when a body is damaged.
fn read_all() -> Result<usize> {
    let mut got = 0;
    for queue in QUEUES {
        let mut client = Client::connect(PORT)?;
        // A queue may be gone with its damaged declaration, if that is said.
        let Ok(ready) = client.declare(queue, true) else { continue };
        client.consume(queue, 0)?;
        for _ in 0..ready {
            let delivery = loop {
                match client.next(Duration::from_secs(2)) {
                    Some(Event::Method(..)) => {}
                    Some(Event::Delivery(delivery)) => break Some(delivery),
                    _ => break None,
                }
            };
            let Some(delivery) = delivery else { break };
            if !intact(&delivery.body) {
                bail!("{queue} delivers a damaged body");
            }
            got += 1;
        }
    }
    Ok(got)
}
