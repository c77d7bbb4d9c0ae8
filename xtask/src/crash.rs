//! Stub.
use anyhow::{Result, bail};
pub(crate) fn run(_args: &[String]) -> Result<()> {
    bail!("not yet")
}
pub(crate) fn inside(_args: &[String]) -> Result<()> {
    bail!("not yet")
}
pub(crate) fn rounds(_rounds: u32, _seed: Option<u64>) -> Result<(usize, usize)> {
    bail!("not yet")
}
