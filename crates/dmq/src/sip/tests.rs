//! Properties of reading and writing together, and what another SIP library reads.

mod oracle;
mod wild;
