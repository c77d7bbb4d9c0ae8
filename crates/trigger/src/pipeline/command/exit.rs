//! What an exit code says of the message.

use crate::config::{ExitMeaning, ExitPreset};
use crate::pipeline::Verdict;
use crate::reason::Reason;

/// The meaning of exit codes, a later one before an earlier one; others are to be tried again.
#[derive(Debug)]
pub(super) struct ExitCodes(Vec<(u8, ExitMeaning)>);

impl ExitCodes {
    /// A preset, and the codes whose meaning differs from it.
    pub(super) fn new(preset: ExitPreset, differing: &[(u8, ExitMeaning)]) -> ExitCodes {
        let preset: &[(u8, ExitMeaning)] = match preset {
            // sysexits.h: 65 is EX_DATAERR, 75 is EX_TEMPFAIL.
            ExitPreset::Sysexits => {
                &[(0, ExitMeaning::Ok), (65, ExitMeaning::Dead), (75, ExitMeaning::Retry)]
            }
            ExitPreset::Corvus => &[
                (0, ExitMeaning::Ok),
                (3, ExitMeaning::Dead),
                (4, ExitMeaning::Requeue),
                (5, ExitMeaning::Dead),
                (6, ExitMeaning::Requeue),
            ],
        };
        ExitCodes([preset, differing].concat())
    }

    /// What `code` says; `text` tells people why, where something failed.
    pub(super) fn verdict(&self, code: u8, text: impl FnOnce() -> String) -> Verdict {
        let meaning = self.0.iter().rev().find(|(known, _)| *known == code);
        match meaning.map_or(ExitMeaning::Retry, |(_, meaning)| *meaning) {
            ExitMeaning::Ok => Verdict::Done,
            ExitMeaning::Retry => Verdict::Retry(Reason::Failed, text()),
            ExitMeaning::Dead => Verdict::Dead(Reason::Rejected, text()),
            ExitMeaning::Requeue => Verdict::Requeue,
            ExitMeaning::Drop => Verdict::Drop,
        }
    }
}
