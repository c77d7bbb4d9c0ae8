//! The standard streams of a command, all three at the same time: whoever waits for one of them to
//! end before it looks at the next waits for ever when the command does likewise.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::Labels;

/// Lines of standard error that a run may log.
const LOG_LINES_MAX: usize = 100;

/// Bytes of standard error that a run may log.
const LOG_BYTES_MAX: u64 = 16 << 10;

/// Characters of the last line of standard error that stand for the reason of a failure.
const LAST_LINE_CHARS_MAX: usize = 200;

/// What a command has written so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The beginning of standard output, where it is kept.
    pub(super) output: Vec<u8>,
    /// The last line of standard error that was logged and was not empty.
    pub(super) last_line: String,
}

/// Our ends of a command's streams.
#[derive(Debug)]
pub(super) struct Streams {
    stdin: Option<ChildStdin>,
    /// Only there when the output is kept.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

impl Streams {
    /// The streams of a command that has just been started.
    pub(super) fn of(child: &mut Child) -> Streams {
        Streams {
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
        }
    }

    /// Writes `input`, keeps up to `output_max` bytes of the output and logs the errors, until the
    /// command and all that it started have closed their ends. What was heard is there even when
    /// this is dropped before.
    pub(super) async fn flow(
        self,
        input: &[u8],
        output_max: u64,
        heard: &mut Heard,
        labels: &Labels<'_>,
    ) {
        tokio::join!(
            feed(self.stdin, input),
            keep(self.stdout, output_max, &mut heard.output, labels),
            log(self.stderr, &mut heard.last_line, labels),
        );
    }
}

/// A command need not read what it is given: a closed pipe is no error.
async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    let Some(mut stdin) = stdin else { return };
    if let Err(error) = stdin.write_all(input).await {
        tracing::debug!(%error, "the command has not read all of its input");
    }
}

async fn keep(stdout: Option<ChildStdout>, max: u64, output: &mut Vec<u8>, labels: &Labels<'_>) {
    let Some(mut stdout) = stdout else { return };
    let kept = (&mut stdout).take(max).read_to_end(output).await;
    let rest = tokio::io::copy(&mut stdout, &mut tokio::io::sink()).await;
    match (kept, rest) {
        (Ok(_), Ok(0)) => {}
        (Ok(kept), Ok(rest)) => tracing::warn!(
            trigger = labels.trigger,
            execution_id = labels.execution_id,
            "the command's output is cut off after {kept} bytes (max-output-bytes); {rest} more \
             are not in the reply"
        ),
        (Err(error), _) | (_, Err(error)) => tracing::warn!(
            trigger = labels.trigger,
            execution_id = labels.execution_id,
            %error,
            "the command's output cannot be read"
        ),
    }
}

async fn log(stderr: Option<ChildStderr>, last_line: &mut String, labels: &Labels<'_>) {
    let Some(stderr) = stderr else { return };
    let mut stderr = BufReader::new(stderr);
    let (mut line, mut left) = (Vec::new(), LOG_BYTES_MAX);
    for _ in 0..LOG_LINES_MAX {
        line.clear();
        match (&mut stderr).take(left).read_until(b'\n', &mut line).await {
            Ok(bytes) if bytes > 0 => left -= bytes as u64,
            _ => break,
        }
        let text = readable(&line);
        tracing::info!(
            trigger = labels.trigger,
            message_id = labels.message_id,
            execution_id = labels.execution_id,
            "stderr: {text}"
        );
        if !text.is_empty() {
            *last_line = text.chars().take(LAST_LINE_CHARS_MAX).collect();
        }
    }
    let rest = tokio::io::copy_buf(&mut stderr, &mut tokio::io::sink()).await;
    if let Ok(rest @ 1..) = rest {
        tracing::info!(
            trigger = labels.trigger,
            message_id = labels.message_id,
            execution_id = labels.execution_id,
            "stderr: {rest} more bytes are not logged"
        );
    }
}

/// A line that cannot forge another one in the log.
fn readable(line: &[u8]) -> String {
    let shown = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    String::from_utf8_lossy(line.trim_ascii_end()).chars().map(shown).collect()
}
