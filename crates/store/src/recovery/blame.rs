//! Which file a missing frame was in, for the one who has to restore it from a copy.

use std::ops::ControlFlow;

use super::{Bad, LogFile, headers};
use crate::OpenError;
use crate::record::{BLOCK, FrameHeader};

/// The error for the frame after number `last`, which file `i` should hold and does not.
///
/// It was in file `i`, or it was the first frame of a later file, one whose start is no frame:
/// `firsts` has each file's first frame.
pub(super) fn missing(
    files: &[LogFile],
    firsts: &[Option<FrameHeader>],
    i: usize,
    last: u64,
    bad: &Bad,
) -> Result<OpenError, OpenError> {
    let next = firsts[i + 1..].iter().position(Option::is_some).map_or(files.len(), |n| i + 1 + n);
    let here = written(&files[i], bad.frame)?;
    let mut what = bad.what.to_owned();
    for file in &files[i + 1..next] {
        let written = written(file, 0)?;
        let goes_on = first_header(file)?.map(|header| header.seq == last + 2);
        match (here, written, goes_on) {
            // The last file that takes the log up where this one ends is the one that counts.
            (false, true, _) | (false, _, Some(_)) | (true, true, Some(true)) => {
                return Ok(OpenError::corrupt(&file.path, 0, what));
            }
            (true, true, None) => {
                what = format!("{what}; or else {} at offset 0", file.path.display());
            }
            _ => {}
        }
    }
    Ok(OpenError::corrupt(&files[i].path, bad.at, what))
}

/// Whether anything but zeros is in the block at an offset.
fn written(file: &LogFile, at: u64) -> Result<bool, OpenError> {
    let mut block = [0; BLOCK];
    let got = file.file.read_at(&mut block, at).map_err(|e| OpenError::io(&file.path, e))?;
    Ok(block[..got].iter().any(|byte| *byte != 0))
}

/// The first frame header anywhere in a file.
fn first_header(file: &LogFile) -> Result<Option<FrameHeader>, OpenError> {
    let mut found = None;
    headers(file, 0, |header| {
        found = Some(header);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
